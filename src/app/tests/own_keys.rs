//! Tokens whose server certifies keys that it did not make.

use serde_json::json;

use super::world::{Answer, Scripted, World, bundle, failure, token_body};
use crate::{
    app::{RedeemFailure, Retry},
    link::Bundle,
    store::ObjectKind::AccessToken,
};

fn body() -> serde_json::Value {
    let mut body = token_body();
    body["spec"]["settings"] = json!({"certificate-request": "pkcs10"});
    body
}

fn given() -> Answer<Bundle, RedeemFailure> {
    Answer::Now(Ok(bundle(1)))
}

#[tokio::test]
async fn the_key_is_stored_before_the_call_and_is_the_same_after_a_restart() {
    let world = World::new().await;
    let silent = Scripted::idle();
    let controllers = world.run(&silent, &Scripted::idle());
    world.create(AccessToken, "my-token", body()).await;
    let first = silent.wait_calls(1).await.remove(0);
    let stored = world.get(AccessToken, "my-token").await.unwrap();
    assert_eq!(stored.content.private["key"].as_str(), first.key.as_deref());
    assert!(first.key.is_some());
    // As a crash does: nothing is finished.
    controllers.abort();
    let _ = controllers.await;

    let world = world.reopened().await;
    let after = Scripted::redeemer(|_, before| match before {
        0 => Answer::Now(Err(failure("Controller got error: not now", Retry::Later))),
        _ => given(),
    });
    let controllers = world.run(&after, &Scripted::idle());
    world.wait_message(AccessToken, "my-token", "OK").await;
    world.stop(controllers).await;

    let calls = after.calls();
    assert!(calls.len() == 2 && calls.iter().all(|call| call.key == first.key && call.subject == first.subject));
    let redeemed = world.get(AccessToken, "my-token").await.unwrap();
    assert!(redeemed.content.private.is_empty(), "the key is in the Secret");
}

#[tokio::test]
async fn another_code_gets_another_key_and_another_cost_the_same() {
    let world = World::new().await;
    let redeemer = Scripted::redeemer(|_, _| Answer::Now(Err(failure("Controller got error: not now", Retry::Later))));
    let controllers = world.run(&redeemer, &Scripted::idle());
    world.create(AccessToken, "my-token", body()).await;
    redeemer.wait_calls(1).await;
    let mut spec = body()["spec"].clone();
    spec["linkCost"] = 3.into();
    world.change_spec(AccessToken, "my-token", spec.clone()).await;
    let calls = redeemer.calls().len();
    let with_cost = redeemer.wait_calls(calls + 2).await;
    spec["code"] = "another".into();
    world.change_spec(AccessToken, "my-token", spec).await;
    let mut calls = redeemer.calls();
    while calls.last().unwrap().key == with_cost[0].key {
        calls = redeemer.wait_calls(calls.len() + 1).await;
    }
    world.stop(controllers).await;

    assert!(with_cost.iter().all(|call| call.key.is_some() && call.key == with_cost[0].key));
}

#[tokio::test]
async fn a_token_without_the_setting_is_redeemed_without_a_key() {
    let world = World::new().await;
    let redeemer = Scripted::redeemer(|_, _| given());
    let controllers = world.run(&redeemer, &Scripted::idle());
    world.create(AccessToken, "my-token", token_body()).await;
    world.wait_message(AccessToken, "my-token", "OK").await;
    world.stop(controllers).await;
    assert_eq!(redeemer.calls()[0].key, None);
}
