//! Hearing of objects and their changes.

use std::sync::Arc;

use serde_json::json;
use tokio::{sync::mpsc, time::timeout};

use super::world::{DEADLINE, World, key, token_body};
use crate::{
    app::follow::{Interest, News, follow},
    store::{
        ObjectContent,
        ObjectKind::{AccessToken, Link, Secret},
        ObjectWrite,
    },
};

const TOKENS: Interest = Interest { kind: AccessToken, also: &[Secret] };

async fn hear(news: &mut mpsc::Receiver<News>) -> News {
    timeout(DEADLINE, news.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_is_there_is_told_first_then_what_changes() {
    let world = World::new().await;
    world.create(AccessToken, "a", token_body()).await;
    world.create(Secret, "s", json!({})).await;
    let (tell, mut news) = mpsc::channel(1);
    let following = tokio::spawn(follow(Arc::clone(&world.app), TOKENS, tell));
    assert_eq!(hear(&mut news).await, News::Of(key(AccessToken, "a")));

    world.create(Link, "l", json!({})).await;
    world.delete(Secret, "s").await;
    world.create(AccessToken, "b", token_body()).await;
    world.delete(AccessToken, "b").await;
    for expected in [key(Secret, "s"), key(AccessToken, "b"), key(AccessToken, "b")] {
        assert_eq!(hear(&mut news).await, News::Of(expected));
    }

    drop(news);
    timeout(DEADLINE, following).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_listener_that_was_too_slow_is_told_so_and_of_everything_that_is_there() {
    let world = World::new().await;
    world.create(AccessToken, "a", token_body()).await;
    let (tell, mut news) = mpsc::channel(1);
    let following = tokio::spawn(follow(Arc::clone(&world.app), TOKENS, tell));
    assert_eq!(hear(&mut news).await, News::Of(key(AccessToken, "a")));
    world.create(AccessToken, "b", token_body()).await;
    world.create(AccessToken, "c", token_body()).await;
    world.delete(AccessToken, "a").await;

    // More than the ring keeps, of no interest here.
    for batch in 0..9 {
        let create = |number: u32| ObjectWrite::Create {
            key: key(Link, &format!("l-{batch}-{number}")),
            uid: uuid::Uuid::new_v4(),
            created_at: world.app.clock().now(),
            content: ObjectContent::default(),
        };
        world.app.write_objects((0..500).map(create).collect()).await.unwrap();
    }
    world.create(AccessToken, "d", token_body()).await;

    let mut heard = Vec::new();
    while heard.last() != Some(&News::Of(key(AccessToken, "d"))) {
        heard.push(hear(&mut news).await);
    }
    let missed = heard.iter().position(|news| *news == News::Anything).unwrap();
    let after: Vec<News> = ["b", "c", "d"].map(|name| News::Of(key(AccessToken, name))).into();
    assert_eq!(heard[missed + 1..], after);
    drop(news);
    timeout(DEADLINE, following).await.unwrap().unwrap();
}
