//! The table of docs/protocol.md section 1.2, row by row and byte for byte.

use super::{
    server::{Answer, CODE, Server},
    store::Flaw,
};
use crate::{grant::GrantId, link::Bundle};

#[tokio::test]
async fn row_1_any_method_but_post_is_refused_on_any_path() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "post"] {
        for path in ["/", &format!("/{}", grant.id), "/metrics"] {
            let answer = server.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            assert_eq!(answer, Answer::error("405 Method Not Allowed", "Only POST is supported"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn row_1_head_gets_the_same_headers_and_no_body() {
    let server = Server::start().await;

    let answer = server.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;

    let expected = Answer::error("405 Method Not Allowed", "Only POST is supported");
    assert_eq!((answer.head, answer.body), (expected.head, String::new()));
}

#[tokio::test]
async fn row_1_comes_before_the_body_is_looked_at() {
    let server = Server::start().await;

    let answer = server.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n").await;

    assert_eq!(answer, Answer::error("405 Method Not Allowed", "Only POST is supported"));
}

#[tokio::test]
async fn row_2_a_body_that_cannot_be_read_is_refused() {
    let server = Server::start().await;

    let answer = server.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n").await;

    assert_eq!(answer, Answer::error("400 Bad Request", "Request body not valid"));
}

#[tokio::test]
async fn row_3_an_unknown_grant_is_no_claim() {
    let server = Server::start().await;

    let answer = server.post(&format!("/{}", GrantId::random()), "", CODE).await;

    assert_eq!(answer, Answer::error("404 Not Found", "No such claim"));
}

#[tokio::test]
async fn row_4_a_row_that_cannot_be_read_is_a_corrupted_claim() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    server.store.set(Flaw::CorruptRow);

    assert_eq!(server.redeem(&grant).await, Answer::error("500 Internal Server Error", "Corrupted claim"));
}

#[tokio::test]
async fn row_5_an_expired_grant_is_no_claim_even_when_it_is_used_up_and_the_code_wrong() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    assert_eq!(server.redeem(&grant).await.status(), "HTTP/1.1 200 OK");
    server.clock.set(grant.expires_at);

    let answer = server.post(&format!("/{}", grant.id), "", "wrong").await;

    assert_eq!(answer, Answer::error("404 Not Found", "No such claim"));
}

#[tokio::test]
async fn row_6_a_used_up_grant_says_so_whatever_the_code() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    assert_eq!(server.redeem(&grant).await.status(), "HTTP/1.1 200 OK");

    for code in [CODE, "wrong", ""] {
        let answer = server.post(&format!("/{}", grant.id), "", code).await;
        assert_eq!(answer, Answer::error("404 Not Found", "No such access granted"));
    }
}

#[tokio::test]
async fn row_7_the_whole_body_is_the_code() {
    let server = Server::start().await;
    let grant = server.grant(1).await;

    for code in ["", "wrong", &format!("{CODE}\n"), &CODE[1..], &CODE.to_lowercase()] {
        let answer = server.post(&format!("/{}", grant.id), "", code).await;
        assert_eq!(answer, Answer::error("403 Forbidden", "Redemption of access token refused"), "{code:?}");
    }
    assert_eq!(server.redemptions(&grant).await, []);
}

#[tokio::test]
async fn beyond_the_budget_a_wrong_code_is_told_to_wait_and_the_right_one_is_taken() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    let path = format!("/{}", grant.id);
    // At least the 20 of the budget; on a slow machine one more for each second.
    let mut refused = 0;
    let mut wrong = server.post(&path, "", "wrong").await;
    while wrong.status() == "HTTP/1.1 403 Forbidden" {
        refused += 1;
        assert!(refused < 1000, "wrong codes have no budget");
        wrong = server.post(&path, "", "wrong").await;
    }

    let told = Answer::error("429 Too Many Requests", "Too many wrong codes for this access token");
    assert_eq!(wrong, told.with_header("Retry-After: 1"));
    assert!(refused >= 20, "{refused}");
    assert_eq!(server.metric("grantd_refusals_total{reason=\"wrong_code\"}"), refused);
    assert_eq!(server.redeem(&grant).await.status(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn row_8_a_redemption_that_cannot_be_counted_is_to_be_tried_again() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    for flaw in [Flaw::CommitUnavailable, Flaw::DeletedBeforeCommit, Flaw::ReadUnavailable] {
        server.store.set(flaw);
        assert_eq!(server.redeem(&grant).await, Answer::error("503 Service Unavailable", "Internal error"));
    }
    server.store.set(Flaw::None);
    assert_eq!(server.redeem(&grant).await.status(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_failure_of_the_store_counts_under_the_operation_that_failed() {
    for (flaw, read, commit) in [(Flaw::ReadUnavailable, 1, 0), (Flaw::CommitUnavailable, 0, 1)] {
        let server = Server::start().await;
        let grant = server.grant(1).await;
        server.store.set(flaw);

        server.redeem(&grant).await;

        assert_eq!(server.metric("grantd_store_errors_total{operation=\"read\"}"), read);
        assert_eq!(server.metric("grantd_store_errors_total{operation=\"commit\"}"), commit);
    }
}

#[tokio::test]
async fn row_9_a_site_that_cannot_be_linked_to_says_why_and_nothing_is_counted() {
    let server = Server::start().await;
    for (namespace, issuer, text) in [
        ("nowhere", None, "Site not yet defined for nowhere"),
        ("west", Some("other-ca"), "Could not get issuer for requested certificate"),
        ("rim", None, "Edge sites cannot accept incoming links from remote sites"),
        ("bare", None, "No valid endpoints found for site"),
    ] {
        let grant = server.grant_of(namespace, 1, issuer).await;
        assert_eq!(server.redeem(&grant).await, Answer::error("500 Internal Server Error", text));
        assert_eq!(server.redemptions(&grant).await, []);
    }
}

#[tokio::test]
async fn success_is_a_bundle_that_says_its_length_and_is_not_to_be_stored() {
    let server = Server::start().await;
    let grant = server.grant(1).await;

    let answer = server.redeem(&grant).await;

    let length = format!("Content-Length: {}", answer.body.len());
    assert_eq!(
        answer.head,
        [
            "HTTP/1.1 200 OK",
            "Cache-Control: no-store",
            "Connection: close",
            &length,
            "Content-Type: text/plain; charset=utf-8",
        ]
    );
    let bundle = Bundle::read(answer.body.as_bytes()).unwrap();
    assert_eq!(bundle.links.len(), 1);
    let redemptions = server.redemptions(&grant).await;
    let [redemption] = redemptions.as_slice() else { panic!("{redemptions:?}") };
    assert_eq!((redemption.link_name.as_str(), redemption.subject.as_str()), ("east", "site-uid"));
    assert_eq!(redemption.peer, Some("127.0.0.1".parse().unwrap()));
}

#[tokio::test]
async fn a_panic_costs_one_request_and_not_the_server() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    server.store.set(Flaw::ReadPanics);
    assert_eq!(server.redeem(&grant).await, Answer::error("500 Internal Server Error", "Internal error"));
    assert_eq!(server.metric("grantd_redemptions_total{outcome=\"failed\"}"), 1);

    server.store.set(Flaw::None);
    assert_eq!(server.redeem(&grant).await.status(), "HTTP/1.1 200 OK");
}
