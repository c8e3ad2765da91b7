//! `grantd token check` says whether a token can be redeemed, and uses nothing up.

use std::{fs, net::TcpListener};

use crate::{
    server::{Scratch, Server, grantd},
    wire::Client,
};

fn check(scratch: &Scratch, arguments: &[&str]) -> (Option<i32>, String) {
    let output = grantd(["token", "check"]).args(arguments).current_dir(scratch.path()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_checked_without_spending_it() {
    let server = Server::start();
    server.ok(&["token", "issue", "t", "--name", "offer"]);
    let scratch = server.scratch();

    // More often than wrong codes are taken at once.
    for _ in 0..25 {
        let (code, said) = check(scratch, &["t"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("ok    grant       open"), "{said}");
    }
    let (_, document) = check(scratch, &["t", "-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["ok"], true);
    let checks: Vec<_> = document["findings"].as_array().unwrap().iter().map(|finding| &finding["check"]).collect();
    assert_eq!(checks, ["token", "connection", "clock", "grant"]);
    assert_eq!(server.grant_named("offer")["status"]["redemptions"], 0);
    assert!(server.ledger_named("offer").is_empty());

    let token = grantd::link::AccessToken::read(&fs::read_to_string(scratch.file("t")).unwrap()).unwrap();
    assert_eq!(Client::new(server.redeem, &token).redeem(&token, "east").await.unwrap().status, 200);
    let (code, said) = check(scratch, &["t"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("fail  grant       used up"), "{said}");

    server.ok(&["grant", "delete", "offer"]);
    let (code, said) = check(scratch, &["t"]);
    assert_eq!((code, said.contains("fail  grant       expired, deleted, or never there")), (Some(1), true), "{said}");
}

#[test]
fn a_token_of_another_ca_or_of_no_server_is_told_apart() {
    let (server, other) = (Server::start(), Server::start());
    server.ok(&["token", "issue", "t"]);
    let scratch = server.scratch();
    let token = fs::read_to_string(scratch.file("t")).unwrap();

    let foreign = token.replace(&server.redeem.port().to_string(), &other.redeem.port().to_string());
    fs::write(scratch.file("foreign"), foreign).unwrap();
    let (code, said) = check(scratch, &["foreign"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("fail  connection"), "{said}");

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    fs::write(scratch.file("gone"), token.replace(&server.redeem.port().to_string(), &closed.to_string())).unwrap();
    let (code, said) = check(scratch, &["gone"]);
    assert_eq!(code, Some(69), "{said}");

    fs::write(scratch.file("none"), "kind: Nothing\n").unwrap();
    assert_eq!(check(scratch, &["none"]).0, Some(64));
}
