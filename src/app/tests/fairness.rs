//! What one namespace asks of other hosts delays no other namespace.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use uuid::Uuid;

use super::world::{Answer, DEADLINE, Scripted, World, bundle, link_body, secret_body, token_body};
use crate::store::{
    ObjectContent, ObjectKey,
    ObjectKind::{self, AccessToken, Link, Secret},
    ObjectWrite,
};

fn key(kind: ObjectKind, namespace: &str, name: &str) -> ObjectKey {
    ObjectKey { kind, namespace: namespace.parse().unwrap(), name: name.parse().unwrap() }
}

async fn create(world: &World, kind: ObjectKind, namespace: &str, name: &str, body: Value) {
    let create = ObjectWrite::Create {
        key: key(kind, namespace, name),
        uid: Uuid::new_v4(),
        created_at: world.app.clock().now(),
        content: ObjectContent { body: body.as_object().unwrap().clone(), ..ObjectContent::default() },
    };
    world.app.write_objects(vec![create]).await.unwrap();
}

/// Waits until the status of this object has this text as its status.
async fn wait_status(world: &World, key: &ObjectKey, wanted: &str) {
    let waiting = async {
        loop {
            let head = world.app.changes().head();
            let object = world.app.object(key.clone()).await.unwrap().unwrap();
            if object.content.body.get("status").is_some_and(|status| status["status"] == wanted) {
                return;
            }
            world.app.changes().wait_past(head).await;
        }
    };
    timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("{key} does not become {wanted}"));
}

#[tokio::test]
async fn links_to_hosts_that_never_answer_delay_no_link_of_another_namespace() {
    let world = World::new().await;
    let prober =
        Scripted::prober(|place, _| if place.starts_with("dead") { Answer::Never } else { Answer::Now(Ok(())) });
    for namespace in ["west", "east"] {
        create(&world, Secret, namespace, "keys", secret_body()).await;
    }
    for number in 0..200 {
        let mut link = link_body();
        link["spec"]["endpoints"][1]["host"] = format!("dead-{number}.example.com").into();
        create(&world, Link, "west", &format!("dead-{number}"), link).await;
    }
    let controllers = world.run_slowly(&Scripted::idle(), &prober);
    let before = prober.wait_calls(32).await.len();

    for number in 0..3 {
        create(&world, Link, "east", &format!("alive-{number}"), link_body()).await;
        wait_status(&world, &key(Link, "east", &format!("alive-{number}")), "Ready").await;
    }

    assert_eq!((before, prober.calls().len()), (32, 35), "a namespace has more than its share");
    controllers.abort();
}

#[tokio::test]
async fn tokens_of_servers_that_never_answer_delay_no_token_of_another_namespace() {
    let world = World::new().await;
    let redeemer =
        Scripted::redeemer(|name, _| if name.starts_with("dead") { Answer::Never } else { Answer::Now(Ok(bundle(1))) });
    for number in 0..60 {
        let mut token = token_body();
        token["spec"]["url"] = format!("https://dead-{number}.example.com:9090/1").into();
        create(&world, AccessToken, "west", &format!("dead-{number}"), token).await;
    }
    let controllers = world.run_slowly(&redeemer, &Scripted::idle());
    redeemer.wait_calls(16).await;

    create(&world, AccessToken, "east", "alive", token_body()).await;

    wait_status(&world, &key(AccessToken, "east", "alive"), "Ready").await;
    timeout(Duration::from_millis(20), redeemer.wait_calls(18)).await.unwrap_err();
    controllers.abort();
}
