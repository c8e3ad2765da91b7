//! How each answer is counted: what is the caller's to act on is refused, what is the operator's has failed.

use super::{
    server::{CODE, Outcomes, Server},
    store::Flaw,
};
use crate::grant::{Grant, GrantId};

const NOTHING: Outcomes = Outcomes { issued: 0, refused: 0, failed: 0 };

/// Redeems `grant`, which fails, and checks that this is what is counted.
async fn failure_counts_as(server: &Server, grant: &Grant, reason: &str) {
    let line = format!("grantd_redemption_failures_total{{reason=\"{reason}\"}}");
    let (before, outcomes) = (server.metric(&line), server.outcomes());

    let answer = server.redeem(grant).await;

    assert!(answer.status().starts_with("HTTP/1.1 5"), "{reason}: {answer:?}");
    assert_eq!(server.metric(&line), before + 1, "{reason}");
    assert_eq!(server.outcomes(), Outcomes { failed: outcomes.failed + 1, ..outcomes }, "{reason}");
}

/// Asks with this path, headers and code, and checks under which reason the refusal is counted.
async fn refusal_counts_as(server: &Server, reason: &str, path: &str, headers: &str, code: &str) {
    let line = format!("grantd_refusals_total{{reason=\"{reason}\"}}");
    let (before, outcomes) = (server.metric(&line), server.outcomes());

    let answer = server.post(path, headers, code).await;

    assert!(answer.status().starts_with("HTTP/1.1 4"), "{reason}: {answer:?}");
    assert_eq!(server.metric(&line), before + 1, "{reason}");
    assert_eq!(server.outcomes(), Outcomes { refused: outcomes.refused + 1, ..outcomes }, "{reason}");
}

#[tokio::test]
async fn a_redemption_that_succeeds_is_issued() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    assert_eq!(server.outcomes(), NOTHING);

    server.redeem(&grant).await;

    assert_eq!(server.outcomes(), Outcomes { issued: 1, ..NOTHING });
    for phase in ["read", "sign", "commit"] {
        assert_eq!(server.metric(&format!("grantd_redemption_phase_seconds_count{{phase=\"{phase}\"}}")), 1, "{phase}");
    }
}

#[tokio::test]
async fn what_the_caller_can_act_on_is_refused_under_its_reason() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    let path = format!("/{}", grant.id);

    refusal_counts_as(&server, "wrong_code", &path, "", "wrong").await;
    refusal_counts_as(&server, "bad_header", &path, "Name: -\r\n", CODE).await;
    refusal_counts_as(&server, "body_too_large", &path, "", &"x".repeat(2000)).await;
    refusal_counts_as(&server, "unknown", &format!("/{}", GrantId::random()), "", CODE).await;
    refusal_counts_as(&server, "unknown", "/x", "", CODE).await;
    server.redeem(&grant).await;
    refusal_counts_as(&server, "exhausted", &path, "", CODE).await;
    server.clock.set(grant.expires_at);
    refusal_counts_as(&server, "expired", &path, "", CODE).await;
    assert_eq!(server.metric("grantd_redemptions_total{outcome=\"failed\"}"), 0);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_a_failure_with_a_reason() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    for (flaw, reason) in [
        (Flaw::ReadUnavailable, "store"),
        (Flaw::CommitUnavailable, "store"),
        (Flaw::CorruptRow, "corrupt"),
        (Flaw::DeletedBeforeCommit, "gone"),
        (Flaw::ReadPanics, "panic"),
    ] {
        server.store.set(flaw);
        failure_counts_as(&server, &grant, reason).await;
    }
}

#[tokio::test]
async fn a_site_that_cannot_be_linked_to_is_a_failure_with_a_reason() {
    let server = Server::start().await;
    for (namespace, issuer) in [("nowhere", None), ("west", Some("other-ca")), ("rim", None), ("bare", None)] {
        let grant = server.grant_of(namespace, 1, issuer).await;
        failure_counts_as(&server, &grant, "site").await;
    }
}
