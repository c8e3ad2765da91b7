//! The controller of AccessTokens.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{sync::Notify, time::timeout};

use super::world::{
    Answer, CERTIFICATE, DEADLINE, Scripted, World, bundle, failure, link_body, secret_body, token_body,
};
use crate::{
    app::Retry,
    store::ObjectKind::{AccessToken, Link, Secret},
};

fn given(links: u16) -> Answer<crate::link::Bundle, crate::app::RedeemFailure> {
    Answer::Now(Ok(bundle(links)))
}

fn refused(message: &str, retry: Retry) -> Answer<crate::link::Bundle, crate::app::RedeemFailure> {
    Answer::Now(Err(failure(message, retry)))
}

#[tokio::test]
async fn an_applied_token_is_redeemed_once_and_all_it_gives_is_stored_together() {
    let world = World::new().await;
    let redeemer = Scripted::redeemer(|_, _| given(2));
    let controllers = world.run(&redeemer, &Scripted::idle());

    let mut body = token_body();
    body["spec"]["linkCost"] = 7.into();
    let token = world.create(AccessToken, "my-token", body).await;
    let status = world.wait_message(AccessToken, "my-token", "OK").await;
    world.stop(controllers).await;

    assert_eq!(
        status,
        json!({
            "status": "Ready", "message": "OK", "redeemed": true,
            "conditions": [{
                "type": "Redeemed", "status": "True", "reason": "Ready", "message": "OK",
                "observedGeneration": 1, "lastTransitionTime": "2023-11-14T22:13:20Z",
            }],
        })
    );
    let calls = redeemer.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].subject, "72f8f2af-f443-86fa-88c2-fe90cc22b067", "the uid of the site of the namespace");
    let secret = world.get(Secret, "my-token").await.unwrap();
    assert_eq!(json!(secret.content.body), secret_body());
    for (name, port) in [("my-token-1", "55671"), ("my-token-2", "55672")] {
        let link = world.get(Link, name).await.unwrap();
        assert_eq!(link.content.body["spec"]["tlsCredentials"], "my-token");
        assert_eq!(link.content.body["spec"]["cost"], 7);
        assert_eq!(link.content.body["spec"]["endpoints"][0]["port"], port);
    }
    let now = world.get(AccessToken, "my-token").await.unwrap();
    assert_eq!((now.uid, now.generation), (token.uid, 1));
    assert_eq!(now.revision.0, secret.revision.0 + 3, "nothing came between the Secret, two Links and the token");
    assert!(world.app.metrics().render().contains("grantd_token_attempts_total{outcome=\"redeemed\"} 1"));
}

#[tokio::test]
async fn what_the_other_site_refuses_for_good_is_not_asked_again_also_after_a_restart_until_the_spec_changes() {
    let world = World::new().await;
    let message = "Controller got failed response: 404 (Not Found) No such claim";
    let redeemer = Scripted::redeemer(move |_, _| refused(message, Retry::Never));
    let controllers = world.run(&redeemer, &Scripted::idle());
    world.create(AccessToken, "my-token", token_body()).await;
    let expected = format!("{message}; not tried again until the token's spec changes");
    let status = world.wait_message(AccessToken, "my-token", &expected).await;
    world.stop(controllers).await;
    assert!(world.app.metrics().render().contains("grantd_token_attempts_total{outcome=\"refused\"} 1"));
    assert_eq!((&status["status"], &status["conditions"][0]["reason"]), (&json!("Error"), &json!("Error")));

    let world = world.reopened().await;
    let after = Scripted::redeemer(|_, _| given(1));
    let controllers = world.run(&after, &Scripted::idle());
    // When the second token is redeemed, the first has been reconciled too: events come in order.
    world.create(AccessToken, "other-token", token_body()).await;
    world.wait_message(AccessToken, "other-token", "OK").await;
    assert_eq!(after.calls().len(), 1);
    assert_eq!(world.status(AccessToken, "my-token").await, status);

    let mut spec = token_body()["spec"].clone();
    spec["code"] = "another".into();
    world.change_spec(AccessToken, "my-token", spec).await;
    let status = world.wait_message(AccessToken, "my-token", "OK").await;
    assert_eq!(status["conditions"][0]["observedGeneration"], 2);
    assert_eq!(status.get("refusedGeneration"), None);
    world.stop(controllers).await;
    assert_eq!(redeemer.calls().len(), 1);
}

#[tokio::test]
async fn a_retryable_failure_is_retried_after_growing_pauses_and_written_only_once() {
    let world = World::new().await;
    let redeemer = Scripted::redeemer(|_, before| match before {
        0..4 => refused("Controller got failed response: 503 (Service Unavailable) later", Retry::Later),
        _ => given(1),
    });
    let controllers = world.run(&redeemer, &Scripted::idle());
    let token = world.create(AccessToken, "my-token", token_body()).await;

    redeemer.wait_calls(4).await;
    let failed = world.get(AccessToken, "my-token").await.unwrap();
    world.wait_message(AccessToken, "my-token", "OK").await;
    world.stop(controllers).await;

    let calls = redeemer.calls();
    assert_eq!(calls.len(), 5);
    let pauses = calls.windows(2).map(|two| two[1].at - two[0].at);
    for (pause, least) in pauses.zip([20, 40, 80, 160]) {
        assert!(pause >= Duration::from_millis(least), "{pause:?} {least}");
    }
    assert_eq!(failed.revision.0, token.revision.0 + 2, "one status for all failures that are alike");
}

#[tokio::test]
async fn a_name_that_is_taken_costs_no_redemption_and_when_it_is_free_the_token_is_redeemed() {
    for (kind, name, body, message) in [
        (Secret, "my-token", secret_body(), "secret: secrets \"my-token\""),
        (Link, "my-token", link_body(), "link: links.skupper.io \"my-token\""),
        (Link, "my-token-1", link_body(), "link: links.skupper.io \"my-token-1\""),
    ] {
        let world = World::new().await;
        let redeemer = Scripted::redeemer(|_, _| given(1));
        world.create(kind, name, body).await;
        world.create(AccessToken, "my-token", token_body()).await;
        let controllers = world.run(&redeemer, &Scripted::idle());

        let message = format!("Controller could not create received {message} already exists");
        let status = world.wait_message(AccessToken, "my-token", &message).await;
        assert_eq!(status["conditions"][0]["status"], "False");
        assert_eq!(redeemer.calls().len(), 0);

        world.delete(kind, name).await;
        world.wait_message(AccessToken, "my-token", "OK").await;
        world.stop(controllers).await;
        assert_eq!(redeemer.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_bundle_that_cannot_be_stored_is_kept_and_stored_later_without_another_redemption() {
    let world = World::new().await;
    let redeemer = Scripted::redeemer(|_, _| given(2));
    // The second Link's name is not looked for before: how many there are is not known.
    world.create(Link, "my-token-2", link_body()).await;
    let controllers = world.run(&redeemer, &Scripted::idle());
    world.create(AccessToken, "my-token", token_body()).await;
    let message = "Controller could not create received link: links.skupper.io \"my-token-2\" already exists";
    world.wait_message(AccessToken, "my-token", message).await;
    assert!(world.get(Secret, "my-token").await.is_none(), "all or nothing");

    world.delete(Link, "my-token-2").await;
    world.wait_message(AccessToken, "my-token", "OK").await;
    world.stop(controllers).await;

    assert_eq!(redeemer.calls().len(), 1);
    assert!(world.get(Link, "my-token-2").await.is_some());
}

#[tokio::test]
async fn what_was_redeemed_for_a_token_that_is_gone_is_thrown_away() {
    let world = World::new().await;
    let go = Arc::new(Notify::new());
    let answer = Arc::clone(&go);
    let redeemer = Scripted::redeemer(move |_, before| match before {
        0 => Answer::After(Arc::clone(&answer), Ok(bundle(1))),
        _ => refused("Controller got failed response: 503 (Service Unavailable)", Retry::Later),
    });
    let controllers = world.run(&redeemer, &Scripted::idle());
    world.create(AccessToken, "my-token", token_body()).await;
    redeemer.wait_calls(1).await;

    world.delete(AccessToken, "my-token").await;
    // Another token of the same name: not the one that the answer is for.
    let mut other = token_body();
    other["spec"]["code"] = "other-canary".into();
    world.create(AccessToken, "my-token", other).await;
    go.notify_one();
    redeemer.wait_calls(2).await;
    world.stop(controllers).await;

    assert!(world.get(Secret, "my-token").await.is_none());
    assert!(world.get(Link, "my-token").await.is_none());
}

#[tokio::test]
async fn a_server_that_hangs_does_not_hold_up_the_tokens_of_others() {
    let world = World::new().await;
    let redeemer = Scripted::redeemer(|name, _| if name == "hanging" { Answer::Never } else { given(1) });
    let controllers = world.run(&redeemer, &Scripted::idle());
    world.create(AccessToken, "hanging", token_body()).await;
    redeemer.wait_calls(1).await;

    for name in ["a", "b", "c"] {
        world.create(AccessToken, name, token_body()).await;
        world.wait_message(AccessToken, name, "OK").await;
    }
    controllers.abort();
    let status = world.status(AccessToken, "hanging").await;
    assert_eq!((&status["status"], &status["message"]), (&json!("Pending"), &json!("Being redeemed")));
}

#[tokio::test]
async fn a_redemption_in_progress_is_stored_before_the_controllers_end() {
    let world = World::new().await;
    let go = Arc::new(Notify::new());
    let answer = Arc::clone(&go);
    let redeemer = Scripted::redeemer(move |_, _| Answer::After(Arc::clone(&answer), Ok(bundle(1))));
    let controllers = world.run(&redeemer, &Scripted::idle());
    world.create(AccessToken, "my-token", token_body()).await;
    redeemer.wait_calls(1).await;

    world.app.draining();
    go.notify_one();
    timeout(DEADLINE, controllers).await.unwrap().unwrap();

    assert_eq!(world.status(AccessToken, "my-token").await["redeemed"], true);
}

#[tokio::test]
async fn an_invalid_token_says_why_and_is_not_sent() {
    let world = World::new().await;
    let redeemer = Scripted::redeemer(|_, _| given(1));
    let controllers = world.run(&redeemer, &Scripted::idle());
    let url = "https://east.example.com:9090/1";
    for (name, spec, message) in [
        ("no-ca", json!({"url": url, "code": "canary", "ca": ""}), "token does not have a CA"),
        ("no-url", json!({"code": "canary", "ca": CERTIFICATE}), "spec.url is missing"),
        ("no-code", json!({"url": url, "ca": CERTIFICATE}), "spec.code is missing"),
        (
            "bad-code",
            json!({"url": url, "code": "ca nary", "ca": CERTIFICATE}),
            "spec.code must consist of visible ASCII characters, without blanks",
        ),
    ] {
        world.create(AccessToken, name, json!({"spec": spec})).await;
        world.wait_message(AccessToken, name, message).await;
    }
    world.stop(controllers).await;
    assert_eq!(redeemer.calls().len(), 0);
}

#[tokio::test]
async fn what_was_redeemed_is_given_to_the_token_that_is_applied_again_with_the_same_code() {
    let world = World::new().await;
    let go = Arc::new(Notify::new());
    let answer = Arc::clone(&go);
    let redeemer = Scripted::redeemer(move |_, _| Answer::After(Arc::clone(&answer), Ok(bundle(1))));
    let controllers = world.run(&redeemer, &Scripted::idle());
    for name in ["applied-again", "changed"] {
        world.create(AccessToken, name, token_body()).await;
    }
    redeemer.wait_calls(2).await;

    world.delete(AccessToken, "applied-again").await;
    world.create(AccessToken, "applied-again", token_body()).await;
    let mut spec = token_body()["spec"].clone();
    spec["linkCost"] = 9.into();
    world.change_spec(AccessToken, "changed", spec).await;
    go.notify_waiters();
    world.wait_message(AccessToken, "applied-again", "OK").await;
    world.wait_message(AccessToken, "changed", "OK").await;
    world.stop(controllers).await;

    assert_eq!(redeemer.calls().len(), 2, "no redemption is asked for twice");
    assert_eq!(world.get(Link, "changed").await.unwrap().content.body["spec"]["cost"], 9);
}

#[tokio::test]
async fn hanging_servers_of_many_tokens_keep_no_other_waiting() {
    let world = World::new().await;
    let redeemer = Scripted::redeemer(|name, _| if name == "fine" { given(1) } else { Answer::Never });
    let controllers = world.run(&redeemer, &Scripted::idle());
    for number in 0..20 {
        world.create(AccessToken, &format!("hanging-{number}"), token_body()).await;
    }
    redeemer.wait_calls(4).await;

    let mut body = token_body();
    body["spec"]["url"] = "https://north.example.com:9090/1".into();
    world.create(AccessToken, "fine", body).await;
    world.wait_message(AccessToken, "fine", "OK").await;
    controllers.abort();
    assert_eq!(redeemer.calls().len(), 5);
}

#[tokio::test]
async fn a_token_is_retried_when_the_other_site_asks_or_sooner_when_a_user_annotates_it() {
    let world = World::new().await;
    let redeemer = Scripted::redeemer(|name, before| match (name, before) {
        ("waits", 0) => refused("busy", Retry::After(Duration::from_millis(500))),
        (_, 0) => refused("busy", Retry::After(Duration::from_secs(3600))),
        _ => given(1),
    });
    let controllers = world.run(&redeemer, &Scripted::idle());
    for name in ["waits", "hurried"] {
        world.create(AccessToken, name, token_body()).await;
        world.wait_message(AccessToken, name, "busy").await;
    }
    world.annotate(AccessToken, "hurried", "again", "1").await;
    world.wait_message(AccessToken, "hurried", "OK").await;
    world.wait_message(AccessToken, "waits", "OK").await;
    world.stop(controllers).await;

    let calls = redeemer.calls();
    let at: Vec<_> = calls.iter().filter(|call| call.name == "waits").map(|call| call.at).collect();
    assert!(at[1] - at[0] >= Duration::from_millis(500));
    assert_eq!(calls.len(), 4);
}

#[tokio::test]
async fn no_token_is_sent_while_the_store_refuses_writes() {
    let world = World::new().await;
    let redeemer = Scripted::redeemer(|_, _| given(1));
    world.create(AccessToken, "my-token", token_body()).await;
    world.fill();
    let controllers = world.run(&redeemer, &Scripted::idle());
    world.refused_writes(1).await;
    assert_eq!(redeemer.calls().len(), 0);

    world.make_room();
    world.wait_message(AccessToken, "my-token", "OK").await;
    world.stop(controllers).await;
    assert_eq!(redeemer.calls().len(), 1);
}

#[tokio::test]
async fn a_bundle_that_came_while_the_disk_was_full_is_stored_when_there_is_room() {
    let world = World::new().await;
    let go = Arc::new(Notify::new());
    let answer = Arc::clone(&go);
    let redeemer = Scripted::redeemer(move |_, _| Answer::After(Arc::clone(&answer), Ok(bundle(2))));
    let controllers = world.run(&redeemer, &Scripted::idle());
    world.create(AccessToken, "my-token", token_body()).await;
    redeemer.wait_calls(1).await;

    world.fill();
    go.notify_one();
    // All offers, and the status.
    world.refused_writes(6).await;
    world.make_room();
    world.wait_message(AccessToken, "my-token", "OK").await;
    world.stop(controllers).await;

    assert_eq!(redeemer.calls().len(), 1);
    assert!(world.get(Link, "my-token-2").await.is_some());
}

#[tokio::test]
async fn a_redemption_that_a_crash_cut_off_is_reported_when_the_next_one_fails() {
    let world = World::new().await;
    let hanging = Scripted::redeemer(|_, _| Answer::Never);
    world.create(AccessToken, "my-token", token_body()).await;
    let controllers = world.run(&hanging, &Scripted::idle());
    hanging.wait_calls(1).await;
    // As a crash does: nothing is finished.
    controllers.abort();
    let _ = controllers.await;

    let refusal = "Controller got failed response: 404 (Not Found) No such access granted";
    let redeemer = Scripted::redeemer(move |_, _| refused(refusal, Retry::Never));
    let controllers = world.run(&redeemer, &Scripted::idle());
    let status = world.wait_status(AccessToken, "my-token", |status| status["status"] == "Error").await;
    world.stop(controllers).await;

    let expected = format!(
        "{refusal}; an earlier attempt was cut off before its answer was stored, and may have used up a redemption; \
         not tried again until the token's spec changes"
    );
    assert_eq!(status["message"], expected);
}
