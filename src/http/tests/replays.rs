//! Requests with a key of the client's own, and answers that are sent again.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::server::{Answer, CODE, Server};
use crate::{
    grant::{Grant, Replay, ReplayKind},
    http::Limits,
    pki::{CertificateRequest, RequestKey},
};

const OK: &str = "HTTP/1.1 200 OK";

fn key() -> RequestKey {
    RequestKey::generate().unwrap()
}

impl Server {
    /// Redeems with a key of the client's own.
    async fn redeem_with(&self, grant: &Grant, key: &RequestKey, name: &str, code: &str) -> Answer {
        let headers = format!("Name: {name}\r\nContent-Type: application/pkcs10\r\nAuthorization: Bearer {code}\r\n");
        self.post(&format!("/{}", grant.id), &headers, key.certificate_request().unwrap()).await
    }

    async fn replays(&self, grant: &Grant) -> Vec<Replay> {
        self.app.replays(grant.id, (0, 0), 1000).await.unwrap()
    }
}

#[tokio::test]
async fn a_key_of_the_clients_own_gets_a_certificate_and_no_key() {
    let server = Server::start().await;
    let grant = server.grant(1).await;

    let answer = server.redeem_with(&grant, &key(), "east", CODE).await;

    assert_eq!(answer.status(), OK);
    assert!(answer.body.contains("tls.crt:") && answer.body.contains("ca.crt:"), "{}", answer.body);
    assert!(answer.body.contains("kind: Link"), "{}", answer.body);
    assert!(!answer.body.contains("tls.key"), "{}", answer.body);
    let ledger = server.redemptions(&grant).await;
    assert_eq!((ledger.len(), ledger[0].link_name.as_str()), (1, "east"));
}

#[tokio::test]
async fn a_key_of_the_clients_own_is_certified_by_the_issuer_that_the_grant_names() {
    let server = Server::start().await;
    let grant = server.grant_of("west", 1, Some("other-ca")).await;

    let answer = server.redeem_with(&grant, &key(), "east", CODE).await;

    assert_eq!(answer, Answer::error("500 Internal Server Error", "Could not get issuer for requested certificate"));
    assert_eq!(server.redemptions(&grant).await, []);
}

#[tokio::test]
async fn the_same_key_gets_the_same_answer_again_uncounted_also_from_a_used_up_grant() {
    let server = Server::start().await;
    let (grant, key) = (server.grant(1).await, key());
    let first = server.redeem_with(&grant, &key, "east", CODE).await;
    assert_eq!(first.status(), OK);

    for _ in 0..2 {
        assert_eq!(server.redeem_with(&grant, &key, "east", CODE).await, first);
    }

    assert_eq!(server.redemptions(&grant).await.len(), 1);
    let replays = server.replays(&grant).await;
    assert_eq!(replays.iter().map(|replay| replay.kind).collect::<Vec<_>>(), [ReplayKind::Replayed; 2]);
    assert_eq!(server.metric("grantd_redemptions_total{outcome=\"issued\"}"), 1);
    assert_eq!(server.metric("grantd_redemptions_total{outcome=\"replayed\"}"), 2);
    let other = server.redeem_with(&grant, &RequestKey::generate().unwrap(), "east", CODE).await;
    assert_eq!(other, Answer::error("404 Not Found", "No such access granted"));
}

#[tokio::test]
async fn the_code_decides_before_the_certificate_request_is_looked_at() {
    let server = Server::start().await;
    let (grant, key) = (server.grant(1).await, key());
    let refused = Answer::error("403 Forbidden", "Redemption of access token refused");
    assert_eq!(server.redeem_with(&grant, &key, "east", "wrong").await, refused);
    let headers = "Content-Type: application/pkcs10\r\nAuthorization: Bearer wrong\r\n";
    assert_eq!(server.post(&format!("/{}", grant.id), headers, "no request").await, refused);

    assert_eq!(server.redeem_with(&grant, &key, "east", CODE).await.status(), OK);
    let used_up = Answer::error("404 Not Found", "No such access granted");
    assert_eq!(server.redeem_with(&grant, &key, "east", "wrong").await, used_up);
    let headers = format!("Content-Type: application/pkcs10\r\nAuthorization: Bearer {CODE}\r\n");
    assert_eq!(server.post(&format!("/{}", grant.id), &headers, "no request").await, used_up);
    server.clock.set(grant.expires_at);
    let expired = Answer::error("404 Not Found", "No such claim");
    assert_eq!(server.redeem_with(&grant, &key, "east", CODE).await, expired);
    assert_eq!(server.replays(&grant).await, []);
}

#[tokio::test]
async fn a_request_that_is_none_or_comes_without_its_code_is_refused_and_not_counted() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    let good = key().certificate_request().unwrap();
    let code = format!("Authorization: Bearer {CODE}\r\n");
    let long = vec![0; CertificateRequest::MAX_BYTES + 1];
    for (headers, body, status, text) in [
        (code.clone(), b"no".to_vec(), "400 Bad Request", "Certificate request not valid: must be PKCS#10 in DER"),
        (code.clone(), Vec::new(), "400 Bad Request", "Certificate request not valid: must be PKCS#10 in DER"),
        (code, long, "413 Payload Too Large", "Request body too large"),
        (String::new(), good, "400 Bad Request", "Header authorization not valid: must be Bearer and the code, once"),
    ] {
        let headers = format!("Content-Type: application/pkcs10\r\n{headers}");
        let answer = server.post(&format!("/{}", grant.id), &headers, body).await;
        assert_eq!(answer, Answer::error(status, text));
    }
    assert_eq!(server.redemptions(&grant).await, []);
    assert_eq!(server.metric("grantd_refusals_total{reason=\"bad_certificate_request\"}"), 2);
}

#[tokio::test]
async fn a_key_has_one_name_in_a_grant() {
    let server = Server::start().await;
    let (grant, key) = (server.grant(2).await, key());
    assert_eq!(server.redeem_with(&grant, &key, "east", CODE).await.status(), OK);

    let other = server.redeem_with(&grant, &key, "north", CODE).await;

    assert_eq!(other, Answer::error("409 Conflict", "Key already used with another name or subject"));
    assert_eq!((server.redemptions(&grant).await.len(), server.replays(&grant).await.len()), (1, 0));
    assert_eq!(server.metric("grantd_refusals_total{reason=\"key_reused\"}"), 1);
}

#[tokio::test]
async fn of_concurrent_requests_with_one_key_all_are_answered_and_one_is_counted() {
    let server = Arc::new(Server::start().await);
    let (grant, key) = (server.grant(5).await, Arc::new(key()));
    let mut tasks = JoinSet::new();
    for _ in 0..12 {
        let (server, grant, key) = (Arc::clone(&server), grant.clone(), Arc::clone(&key));
        tasks.spawn(async move { server.redeem_with(&grant, &key, "east", CODE).await });
    }

    let answers = tasks.join_all().await;

    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.status() == OK));
    assert_eq!(server.redemptions(&grant).await.len(), 1);
    assert_eq!(server.replays(&grant).await.len(), 11);
}

#[tokio::test]
async fn within_the_retry_window_the_same_name_and_subject_is_answered_three_times_more() {
    let server = Server::start_with_window(Limits::default(), Duration::from_secs(60)).await;
    let grant = server.grant(1).await;
    let first = server.redeem(&grant).await;
    assert_eq!(first.status(), OK);
    let used_up = Answer::error("404 Not Found", "No such access granted");
    assert_eq!(server.post(&format!("/{}", grant.id), "Name: north\r\n", CODE).await, used_up);
    let wrong = server.post(&format!("/{}", grant.id), "Name: east\r\nSubject: site-uid\r\n", "wrong").await;
    assert_eq!(wrong, used_up);

    for _ in 0..3 {
        let again = server.redeem(&grant).await;
        assert_eq!(again.status(), OK);
        assert_ne!(again, first, "the key and the certificate are new");
    }

    assert_eq!(server.redeem(&grant).await, used_up);
    assert_eq!(server.redemptions(&grant).await.len(), 1);
    let replays = server.replays(&grant).await;
    assert_eq!(replays.iter().map(|replay| replay.kind).collect::<Vec<_>>(), [ReplayKind::Reissued; 3]);
    assert_eq!(server.metric("grantd_redemptions_total{outcome=\"replayed\"}"), 3);
}

#[tokio::test]
async fn in_the_last_second_of_the_retry_window_nothing_is_counted_and_after_it_a_redemption_counts_again() {
    let server = Server::start_with_window(Limits::default(), Duration::from_secs(60)).await;
    let grant = server.grant(2).await;
    let begun = server.clock.now();
    for (seconds, counted, replayed) in [(0, 1, 0), (60, 1, 1), (61, 2, 1)] {
        server.clock.set(begun.saturating_add(Duration::from_secs(seconds)));

        assert_eq!(server.redeem(&grant).await.status(), OK);

        let rows = (server.redemptions(&grant).await.len(), server.replays(&grant).await.len());
        assert_eq!(rows, (counted, replayed), "after {seconds} s");
    }
}
