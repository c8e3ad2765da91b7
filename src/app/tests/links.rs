//! The controller of Links.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use super::world::{Answer, Scripted, World, link_body, secret_body};
use crate::{
    app::ProbeFailure,
    store::ObjectKind::{Link, Secret},
};

fn well() -> Answer<(), ProbeFailure> {
    Answer::Now(Ok(()))
}

fn failed() -> Answer<(), ProbeFailure> {
    Answer::Now(Err(ProbeFailure { message: "connection refused".to_owned() }))
}

fn condition(status: &Value, name: &str) -> (Value, Value, Value) {
    let conditions = status["conditions"].as_array().unwrap();
    let condition = conditions.iter().find(|condition| condition["type"] == name).unwrap_or(&Value::Null);
    (condition["status"].clone(), condition["reason"].clone(), condition["message"].clone())
}

fn words(status: &str, reason: &str, message: &str) -> (Value, Value, Value) {
    (status.into(), reason.into(), message.into())
}

#[tokio::test]
async fn a_link_is_pending_until_it_is_tried_then_ready_and_follows_what_the_other_site_does() {
    let world = World::new().await;
    let up = Arc::new(AtomicBool::new(false));
    let first = Arc::new(tokio::sync::Notify::new());
    let (is_up, go) = (Arc::clone(&up), Arc::clone(&first));
    let prober = Scripted::prober(move |_, before| match before {
        0 => Answer::After(Arc::clone(&go), Ok(())),
        _ if is_up.load(Ordering::SeqCst) => well(),
        _ => failed(),
    });
    world.create(Secret, "keys", secret_body()).await;
    world.create(Link, "to-east", link_body()).await;
    let controllers = world.run(&Scripted::idle(), &prober);

    let calls = prober.wait_calls(1).await;
    assert_eq!((calls[0].name.as_str(), calls[0].subject.as_str()), ("east.example.com:55671", "keys"));
    let pending = world.wait_message(Link, "to-east", "Not Operational").await;
    assert_eq!(pending["status"], "Pending");
    assert_eq!(condition(&pending, "Configured"), words("True", "Ready", "OK"));
    assert_eq!(condition(&pending, "Operational").0, Value::Null);
    assert_eq!(condition(&pending, "Ready"), words("False", "Pending", "Not Operational"));

    first.notify_one();
    let ready = world.wait_message(Link, "to-east", "OK").await;
    assert_eq!(ready["status"], "Ready");
    assert_eq!(condition(&ready, "Operational"), words("True", "Ready", "OK"));
    assert!(world.app.metrics().render().contains("grantd_links{state=\"ready\"} 1"));

    let down = world.wait_message(Link, "to-east", "Not Operational: connection refused").await;
    assert_eq!(down["status"], "Pending");
    assert_eq!(condition(&down, "Operational"), words("False", "Pending", "Not Operational: connection refused"));

    assert!(world.app.metrics().render().contains("grantd_links{state=\"ready\"} 0"));

    up.store(true, Ordering::SeqCst);
    world.wait_message(Link, "to-east", "OK").await;
    world.stop(controllers).await;
}

#[tokio::test]
async fn what_stays_as_it_was_is_not_written() {
    let world = World::new().await;
    let prober = Scripted::prober(|at, _| if at.starts_with("east") { well() } else { failed() });
    let mut down = link_body();
    down["spec"]["endpoints"][1]["host"] = "north.example.com".into();
    world.create(Secret, "keys", secret_body()).await;
    world.create(Link, "to-east", link_body()).await;
    world.create(Link, "to-north", down).await;
    let controllers = world.run(&Scripted::idle(), &prober);
    world.wait_message(Link, "to-east", "OK").await;
    world.wait_message(Link, "to-north", "Not Operational: connection refused").await;

    let before = world.app.revision().await.unwrap();
    prober.wait_calls(prober.calls().len() + 10).await;
    assert_eq!(world.app.revision().await.unwrap(), before);
    world.stop(controllers).await;

    // Nor is it when controllers begin anew.
    let prober = Scripted::prober(|_, _| well());
    let world = world.reopened().await;
    let before = world.app.revision().await.unwrap();
    let controllers = world.run(&Scripted::idle(), &prober);
    world.wait_message(Link, "to-north", "OK").await;
    prober.wait_calls(4).await;
    assert_eq!(world.app.revision().await.unwrap().0, before.0 + 1);
    world.stop(controllers).await;
}

#[tokio::test]
async fn a_link_needs_a_secret_that_a_router_can_read() {
    let world = World::new().await;
    let prober = Scripted::prober(|_, _| well());
    let controllers = world.run(&Scripted::idle(), &prober);
    world.create(Link, "to-east", link_body()).await;
    let missing = "TLS credentials secret \"keys\" not found";
    let status = world.wait_message(Link, "to-east", missing).await;
    assert_eq!(status["status"], "Error");
    assert_eq!(condition(&status, "Configured"), words("False", "Error", missing));
    assert_eq!(prober.calls().len(), 0);

    world.create(Secret, "keys", secret_body()).await;
    world.wait_message(Link, "to-east", "OK").await;

    world.delete(Secret, "keys").await;
    let status = world.wait_message(Link, "to-east", missing).await;
    assert_eq!(condition(&status, "Ready"), words("False", "Error", missing));

    for (field, value, fault) in [
        ("ca.crt", json!(null), "ca.crt is missing"),
        ("tls.crt", json!("!"), "tls.crt is not PEM text in base64"),
        ("tls.key", json!("AAAA"), "tls.key is not a private key in PEM"),
        ("tls.crt", secret_body()["data"]["tls.key"].clone(), "tls.crt is not a certificate in PEM"),
    ] {
        let mut body = secret_body();
        body["data"][field] = value;
        world.create(Secret, "keys", body).await;
        world.wait_message(Link, "to-east", &format!("TLS credentials secret \"keys\": {fault}")).await;
        world.delete(Secret, "keys").await;
    }
    world.stop(controllers).await;
}

#[tokio::test]
async fn a_link_that_leads_nowhere_names_the_field() {
    let world = World::new().await;
    let controllers = world.run(&Scripted::idle(), &Scripted::prober(|_, _| well()));
    world.create(Secret, "keys", secret_body()).await;
    world.create(Link, "to-east", link_body()).await;
    let endpoint = |name: &str, host: &str, port: Value| json!([{"name": name, "host": host, "port": port}]);
    for (endpoints, credentials, message) in [
        (json!([]), "keys", "spec.endpoints has neither an inter-router nor an edge endpoint"),
        (
            endpoint("inter-router", "a b", "1".into()),
            "keys",
            "spec.endpoints[0].host must be a host name or an IP address, without a port",
        ),
        (endpoint("edge", "a", "x".into()), "keys", "spec.endpoints[0].port must be a port between 1 and 65535"),
        (endpoint("edge", "a", 1.into()), "", "spec.tlsCredentials must be the name of a Secret"),
        (endpoint("edge", "a", 1.into()), "keys", "OK"),
    ] {
        world.change_spec(Link, "to-east", json!({"endpoints": endpoints, "tlsCredentials": credentials})).await;
        world.wait_message(Link, "to-east", message).await;
    }
    world.stop(controllers).await;
}

#[tokio::test]
async fn a_link_is_tried_at_once_when_it_or_its_secret_changes() {
    let world = World::new().await;
    let prober = Scripted::prober(|_, _| well());
    world.create(Secret, "keys", secret_body()).await;
    world.create(Link, "to-east", link_body()).await;
    let controllers = world.run_slowly(&Scripted::idle(), &prober);
    world.wait_message(Link, "to-east", "OK").await;
    assert_eq!(prober.calls().len(), 1);

    let mut spec = link_body()["spec"].clone();
    spec["endpoints"][1]["host"] = "north.example.com".into();
    world.change_spec(Link, "to-east", spec).await;
    let calls = prober.wait_calls(2).await;
    assert_eq!(calls[1].name, "north.example.com:55671");

    world.change(Secret, "keys", "data", secret_body()["data"].clone()).await;
    prober.wait_calls(3).await;
    world.stop(controllers).await;
    assert_eq!(prober.calls().len(), 3, "what the controller writes itself is no reason to try again");
}

#[tokio::test]
async fn a_link_that_is_changed_is_not_ready_until_it_was_tried_as_it_is_now() {
    let world = World::new().await;
    let prober = Scripted::prober(|at, _| if at.starts_with("east") { well() } else { Answer::Never });
    world.create(Secret, "keys", secret_body()).await;
    world.create(Link, "to-east", link_body()).await;
    let controllers = world.run_slowly(&Scripted::idle(), &prober);
    world.wait_message(Link, "to-east", "OK").await;

    let mut spec = link_body()["spec"].clone();
    spec["endpoints"][1]["host"] = "north.example.com".into();
    world.change_spec(Link, "to-east", spec).await;
    let status = world.wait_message(Link, "to-east", "Not Operational").await;
    world.stop(controllers).await;

    assert_eq!(condition(&status, "Operational").0, Value::Null);
    assert_eq!(condition(&status, "Ready").0, "False");
    assert_eq!(status["conditions"][0]["observedGeneration"], 2);
}

#[tokio::test]
async fn a_link_that_is_written_into_is_tried_at_once() {
    let world = World::new().await;
    let prober = Scripted::prober(|_, _| failed());
    world.create(Secret, "keys", secret_body()).await;
    world.create(Link, "to-east", link_body()).await;
    let controllers = world.run_slowly(&Scripted::idle(), &prober);
    world.wait_message(Link, "to-east", "Not Operational: connection refused").await;

    world.annotate(Link, "to-east", "again", "1").await;
    prober.wait_calls(2).await;
    world.create(Secret, "others", secret_body()).await;
    world.annotate(Link, "to-east", "again", "2").await;
    prober.wait_calls(3).await;
    world.stop(controllers).await;
    assert_eq!(prober.calls().len(), 3);
}

fn to(host: &str) -> Value {
    let mut body = link_body();
    body["spec"]["endpoints"][1]["host"] = host.into();
    body
}

#[tokio::test]
async fn what_hangs_takes_no_more_than_the_places_of_its_host() {
    let world = World::new().await;
    let prober = Scripted::prober(|at, _| if at.starts_with("east") { Answer::Never } else { well() });
    world.create(Secret, "keys", secret_body()).await;
    for number in 0..12 {
        world.create(Link, &format!("to-{number}"), link_body()).await;
    }
    let controllers = world.run(&Scripted::idle(), &prober);
    prober.wait_calls(8).await;
    for number in 0..12 {
        world.wait_message(Link, &format!("to-{number}"), "Not Operational").await;
    }
    world.create(Link, "to-north", to("north.example.com")).await;
    world.wait_message(Link, "to-north", "OK").await;
    // Ends at once, also with probes in progress.
    world.stop(controllers).await;
    assert_eq!(prober.calls().iter().filter(|call| call.name.starts_with("east")).count(), 8);
}

#[tokio::test]
async fn a_new_link_is_tried_while_many_that_failed_before_do_not_answer() {
    let world = World::new().await;
    let prober = Scripted::prober(|at, before| match before {
        _ if at.starts_with("new") => well(),
        0 => failed(),
        _ => Answer::Never,
    });
    world.create(Secret, "keys", secret_body()).await;
    for number in 0..40 {
        world.create(Link, &format!("to-{number}"), to(&format!("dead-{number}.example.com"))).await;
    }
    let controllers = world.run(&Scripted::idle(), &prober);
    prober.wait_calls(40 + 32).await;

    world.create(Link, "to-new", to("new.example.com")).await;
    world.wait_message(Link, "to-new", "OK").await;
    world.stop(controllers).await;
}
