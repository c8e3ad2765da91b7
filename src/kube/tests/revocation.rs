//! Users whose certificates are revoked, with real connections.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    tls_listener::{Running, over_http1, request},
    world::GRANTS,
};
use crate::{app::UserRegister, time::Clock};

const DEADLINE: Duration = Duration::from_secs(30);

/// Revokes every user named alice, which is the name of all users here, also those whose certificates the test makes later.
fn revoke(running: &Running) {
    let mut register = UserRegister::default();
    register.revoke_name(&"alice".parse().unwrap(), Clock::system().now().saturating_add(2 * DEADLINE));
    running.world.app.admin_users().replace(register);
}

#[tokio::test]
async fn a_revocation_cuts_open_connections_and_their_watches() {
    let running = Running::start().await;
    let user = || Some((&running.ca, "grantd:*:write"));
    let stream = running.connect(user(), "h2").await;
    let watch = request("GET", &format!("{GRANTS}?watch=true"), &Value::Null);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(async { drop(connection.await) });
    let answer = timeout(DEADLINE, sender.send_request(watch)).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);

    revoke(&running);

    let _ = timeout(DEADLINE, answer.into_body().collect()).await.unwrap();
    timeout(DEADLINE, connection).await.unwrap().unwrap();
    running.close().await;
}

#[tokio::test]
async fn a_revoked_user_is_told_so_and_gets_the_documents_that_kubectl_needs_to_print_it() {
    let running = Running::start().await;
    revoke(&running);
    for (method, path) in [("GET", GRANTS), ("POST", GRANTS), ("GET", "/api/v1/namespaces"), ("GET", "/x")] {
        let stream = running.connect(Some((&running.ca, "grantd:*:write")), "http/1.1").await;
        let (status, answer) = over_http1(stream, request(method, path, &Value::Null)).await;
        assert_eq!((status, &answer["reason"]), (401, &"Unauthorized".into()), "{method} {path}");
        let message = "the certificate of this kubeconfig was revoked: ask the operator of grantd for a new one";
        assert_eq!(answer["message"], message, "{method} {path}");
    }
    let stream = running.connect(Some((&running.ca, "grantd:*:write")), "http/1.1").await;
    assert_eq!(over_http1(stream, request("GET", "/api", &Value::Null)).await.0, 200);
    running.close().await;
}

#[tokio::test]
async fn a_user_whose_certificate_is_not_listed_is_served_and_noted() {
    let running = Running::start().await;
    let stream = running.connect(Some((&running.ca, "grantd:west:read")), "http/1.1").await;
    let (status, _) = over_http1(stream, request("GET", GRANTS, &Value::Null)).await;
    assert_eq!(status, 200);
    let seen = running.world.app.admin_users().take_seen();
    assert_eq!(seen.iter().map(|one| one.user.scope.to_string()).collect::<Vec<_>>(), ["grantd:west:read"]);
    running.close().await;
}
