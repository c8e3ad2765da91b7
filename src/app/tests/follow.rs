//! The events for objects and their changes.

use std::sync::Arc;

use serde_json::json;
use tokio::{sync::mpsc, time::timeout};

use super::world::{DEADLINE, World, key, token_body};
use crate::{
    app::follow::{Event, Interest, follow},
    store::{
        ObjectContent,
        ObjectKind::{AccessToken, Link, Secret},
        ObjectWrite,
    },
};

const TOKENS: Interest = Interest { kind: AccessToken, also: &[Secret] };

async fn receive(events: &mut mpsc::Receiver<Event>) -> Event {
    timeout(DEADLINE, events.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn objects_that_exist_come_first_then_their_changes() {
    let world = World::new().await;
    world.create(AccessToken, "a", token_body()).await;
    world.create(Secret, "s", json!({})).await;
    let (sender, mut events) = mpsc::channel(1);
    let app = Arc::clone(&world.app);
    let following = tokio::spawn(async move { follow(&app, TOKENS, sender).await });
    assert_eq!(receive(&mut events).await, Event::Object(key(AccessToken, "a")));

    world.create(Link, "l", json!({})).await;
    world.delete(Secret, "s").await;
    world.create(AccessToken, "b", token_body()).await;
    world.delete(AccessToken, "b").await;
    for expected in [key(Secret, "s"), key(AccessToken, "b"), key(AccessToken, "b")] {
        assert_eq!(receive(&mut events).await, Event::Object(expected));
    }

    drop(events);
    timeout(DEADLINE, following).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_receiver_that_was_too_slow_gets_that_event_and_one_for_each_object() {
    let world = World::new().await;
    world.create(AccessToken, "a", token_body()).await;
    let (sender, mut events) = mpsc::channel(1);
    let app = Arc::clone(&world.app);
    let following = tokio::spawn(async move { follow(&app, TOKENS, sender).await });
    assert_eq!(receive(&mut events).await, Event::Object(key(AccessToken, "a")));
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

    let mut received = Vec::new();
    while received.last() != Some(&Event::Object(key(AccessToken, "d"))) {
        received.push(receive(&mut events).await);
    }
    let missed = received.iter().position(|event| *event == Event::Missed).unwrap();
    let after: Vec<Event> = ["b", "c", "d"].map(|name| Event::Object(key(AccessToken, name))).into();
    assert_eq!(received[missed + 1..], after);
    drop(events);
    timeout(DEADLINE, following).await.unwrap().unwrap();
}
