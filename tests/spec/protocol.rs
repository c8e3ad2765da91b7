//! What Skupper's own tests assert of a grant server (docs/protocol.md sections 10.1 and 10.3), and the answers of
//! section 1.2, byte for byte.

use std::fs;

use grantd::link::AccessToken;
use serde_json::Value;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    server::{Scratch, Server, wait_until},
    wire::{self, Answer, Client},
};

/// A server with a site for each fault that a site can have.
fn with_sites() -> Server {
    let scratch = Scratch::new();
    let endpoint =
        |group: &str, host: &str| format!("{{group: {group}, name: inter-router, host: {host}, port: \"55671\"}}");
    let config = format!(
        "sites:\n- {{name: west, namespace: default, endpoints: [{}, {}]}}\n- {{name: rim, namespace: rim, edge: true}}\n\
         - {{name: bare, namespace: bare, endpoints: []}}\n",
        endpoint("two", "b.example.com"),
        endpoint("one", "a.example.com"),
    );
    let file = scratch.file("grantd.yaml");
    fs::write(&file, config).unwrap();
    Server::start_in(scratch, vec!["--config".to_owned(), file.to_str().unwrap().to_owned()])
}

/// A token for this grant, whatever state it is in.
fn token_of(server: &Server, namespace: &str, name: &str) -> AccessToken {
    let text = server.ok(&["grant", "show", name, "-n", namespace, "-o", "json"]);
    let grant: Value = serde_json::from_str(&text).unwrap();
    let status = |field: &str| grant["status"][field].as_str().unwrap().to_owned();
    AccessToken {
        name: name.parse().unwrap(),
        url: status("url"),
        code: status("code").parse().unwrap(),
        ca: status("ca"),
        link_cost: None,
        takes_certificate_requests: false,
    }
}

fn create(server: &Server, namespace: &str, name: &str, more: &[&str]) -> AccessToken {
    server.ok(&[&["grant", "create", name, "-n", namespace], more].concat());
    token_of(server, namespace, name)
}

async fn ask(server: &Server, token: &AccessToken, change: impl Fn(String) -> String) -> Answer {
    let request = String::from_utf8(wire::request(token, "my-token", "")).unwrap();
    Client::new(server.redeem, token).exchange(change(request).as_bytes()).await.unwrap()
}

/// The whole refusal: status, text and newline, and the headers that upstream's answers carry
/// (docs/protocol.md section 1.2).
fn assert_refused(row: &str, answer: &Answer, status: u16, text: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (status, format!("{text}\n").as_str()), "{row}");
    let header = |name: &str| answer.headers.get(name).map(String::as_str);
    assert_eq!(header("content-type"), Some("text/plain; charset=utf-8"), "{row}");
    assert_eq!(header("x-content-type-options"), Some("nosniff"), "{row}");
    assert_eq!(header("content-length"), Some((text.len() + 1).to_string().as_str()), "{row}");
    assert_eq!(header("connection"), Some("close"), "{row}");
    assert!(header("date").is_some(), "{row}");
    assert_eq!(header("allow"), None, "{row}");
    assert_eq!(header("transfer-encoding"), None, "{row}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_answered_as_skuppers_grant_server_answers_it() {
    let server = with_sites();
    let open = create(&server, "default", "open", &["--redemptions-allowed", "4"]);
    let other_code = "AAAAAAAAAAAAAAAAAAAAAAAA";
    let id = open.url.rsplit('/').next().unwrap().to_owned();
    let used_up = create(&server, "default", "used-up", &[]);
    assert_eq!(ask(&server, &used_up, |r| r).await.status, 200);
    let brief = create(&server, "default", "brief", &["--expiration-window", "1s"]);
    wait_until("brief has expired", || server.grant_named("brief")["status"]["message"] == "Expired");

    let path = |from: &str, to: String| {
        let from = format!("/{from} ");
        move |r: String| r.replacen(&from, &to, 1)
    };
    let code = |token: &AccessToken, to: &str| {
        let (from, to) = (token.code.expose().to_owned(), to.to_owned());
        move |r: String| r.replace(&from, &to)
    };
    for (row, answer, status, text) in [
        ("GET", ask(&server, &open, |r| r.replace("POST", "GET")).await, 405, "Only POST is supported"),
        ("PUT", ask(&server, &open, |r| r.replace("POST", "PUT")).await, 405, "Only POST is supported"),
        (
            "GET /",
            ask(&server, &open, |_| "GET / HTTP/1.1\r\nHost: a\r\n\r\n".into()).await,
            405,
            "Only POST is supported",
        ),
        (
            "unknown uid",
            ask(&server, &open, path(&id, format!("/{} ", uuid::Uuid::new_v4()))).await,
            404,
            "No such claim",
        ),
        ("no uid", ask(&server, &open, path(&id, "/really-invalid ".into())).await, 404, "No such claim"),
        ("namespace/name", ask(&server, &open, path(&id, "/default/open ".into())).await, 404, "No such claim"),
        ("two segments", ask(&server, &open, path(&id, format!("/a/{id} "))).await, 404, "No such claim"),
        ("expired", ask(&server, &brief, |r| r).await, 404, "No such claim"),
        ("expired before code", ask(&server, &brief, code(&brief, other_code)).await, 404, "No such claim"),
        ("used up", ask(&server, &used_up, |r| r).await, 404, "No such access granted"),
        (
            "used up before code",
            ask(&server, &used_up, code(&used_up, other_code)).await,
            404,
            "No such access granted",
        ),
        ("wrong code", ask(&server, &open, code(&open, other_code)).await, 403, "Redemption of access token refused"),
    ] {
        assert_refused(row, &answer, status, text);
    }
    let newline = |r: String| r.replace("Content-Length: 24", "Content-Length: 25") + "\n";
    assert_refused("trailing newline", &ask(&server, &open, newline).await, 403, "Redemption of access token refused");
    assert_eq!(server.grant_named("open")["status"]["redemptions"], 0, "a refusal was counted");

    for (row, to) in [
        ("uid", format!("/{id} ")),
        ("upper case", format!("/{} ", id.to_uppercase())),
        ("slash", format!("/{id}/ ")),
        ("query", format!("/{id}?a=b ")),
    ] {
        assert_eq!(ask(&server, &open, path(&id, to)).await.status, 200, "{row}");
    }
    assert_eq!(server.grant_named("open")["status"]["redemptions"], 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_the_site_are_answered_in_skuppers_words_and_count_nothing() {
    let server = with_sites();
    let rim = create(&server, "rim", "a", &[]);
    let bare = create(&server, "bare", "b", &[]);
    let nowhere = create(&server, "nowhere", "c", &[]);
    let issuer = create(&server, "default", "d", &["--issuer", "missing"]);
    for (row, token, namespace, text) in [
        ("edge site", &rim, "rim", "Edge sites cannot accept incoming links from remote sites"),
        ("no endpoints", &bare, "bare", "No valid endpoints found for site"),
        ("no site", &nowhere, "nowhere", "Site not yet defined for nowhere"),
        ("no issuer", &issuer, "default", "Could not get issuer for requested certificate"),
    ] {
        assert_refused(row, &ask(&server, token, |r| r).await, 500, text);
        let grant = server.ok(&["grant", "show", token.name.as_str(), "-n", namespace, "-o", "json"]);
        let grant: Value = serde_json::from_str(&grant).unwrap();
        assert_eq!(grant["status"]["redemptions"], 0, "{row}");
        assert_eq!(condition(&grant, "Ready")["status"], "False", "{row}");
        assert!(grant["status"]["message"].as_str().unwrap().contains(text), "{row}: {}", grant["status"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_grant_is_a_corrupted_claim_even_when_used_up() {
    let server = Server::start();
    let token = server.issue(1);
    assert_eq!(ask(&server, &token, |r| r).await.status, 200);
    let file = SqliteConnectOptions::new().filename(server.data_dir.join("grantd.db"));
    let mut database = SqliteConnection::connect_with(&file).await.unwrap();
    sqlx::query("UPDATE access_grant SET expiration_window = 'iamnotaduration'").execute(&mut database).await.unwrap();
    assert_refused("corrupt", &ask(&server, &token, |r| r).await, 500, "Corrupted claim");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bundle_is_a_secret_and_a_link_for_each_group_in_order() {
    let server = with_sites();
    let token = create(&server, "default", "open", &["--redemptions-allowed", "2"]);
    let named = ask(&server, &token, |r| r).await;
    assert_eq!(named.status, 200);
    assert_eq!(named.headers["content-length"], named.body.len().to_string());
    assert_eq!(named.headers["connection"], "close");
    assert!(named.body.starts_with("---\napiVersion: v1\n"), "the Secret comes first");
    assert!(!named.body.contains("namespace:"));
    let documents: Vec<&str> = named.body.split("---\n").filter(|d| d.starts_with("apiVersion")).collect();
    let read = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
    let (secret, links) = (read(documents[0]), documents[1..].iter().map(|d| read(d)).collect::<Vec<_>>());
    assert_eq!((secret["kind"].as_str(), secret["type"].as_str()), (Some("Secret"), Some("kubernetes.io/tls")));
    assert_eq!(secret["metadata"]["name"], "my-token");
    let keys: Vec<&String> = secret["data"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["ca.crt", "tls.crt", "tls.key"]);
    for (link, (name, group, host)) in
        links.iter().zip([("my-token-1", "one", "a.example.com"), ("my-token-2", "two", "b.example.com")])
    {
        assert_eq!((&link["apiVersion"], &link["kind"]), (&"skupper.io/v2alpha1".into(), &"Link".into()));
        assert_eq!((&link["metadata"]["name"], &link["spec"]["tlsCredentials"]), (&name.into(), &"my-token".into()));
        let endpoint = serde_json::json!([{"group": group, "host": host, "name": "inter-router", "port": "55671"}]);
        assert_eq!(link["spec"]["endpoints"], endpoint);
        assert_eq!(link["spec"]["cost"], Value::Null);
    }
    assert_eq!(links.len(), 2);

    let nameless = ask(&server, &token, |r| r.replace("Name: my-token\r\n", "")).await;
    assert!(nameless.body.contains("name: \"open\"") || nameless.body.contains("name: open\n"), "the grant names it");
}

fn condition<'a>(grant: &'a Value, kind: &str) -> &'a Value {
    let conditions = grant["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|condition| condition["type"] == kind).unwrap()
}

#[test]
fn a_grant_is_whole_when_it_is_made() {
    let server = Server::start();
    fs::write(server.scratch().file("code"), "my-own-code").unwrap();
    server.ok(&["grant", "create", "own", "--code-file", "code"]);
    assert_eq!(server.grant_named("own")["status"]["code"], "my-own-code");

    let document =
        "apiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nmetadata: {name: zero}\nspec: {redemptionsAllowed: 0}\n";
    fs::write(server.scratch().file("zero.yaml"), document).unwrap();
    server.ok(&["apply", "-f", "zero.yaml"]);
    let grant = server.grant_named("zero");
    assert_eq!(grant["spec"]["redemptionsAllowed"], 1);
    assert_eq!(grant["status"]["code"].as_str().unwrap().len(), 24);
    assert!(grant["status"]["expirationTime"].as_str().unwrap().parse::<grantd::time::Timestamp>().is_ok());
    let url = format!("https://{}/{}", server.redeem, grant["metadata"]["uid"].as_str().unwrap());
    assert_eq!(grant["status"]["url"], url);
    assert!(grant["status"]["ca"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    for kind in ["Processed", "Resolved", "Ready"] {
        assert_eq!(
            (&condition(&grant, kind)["status"], &condition(&grant, kind)["message"]),
            (&"True".into(), &"OK".into())
        );
    }
    assert_eq!((&grant["status"]["status"], &grant["status"]["message"]), (&"Ready".into(), &"OK".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_made_again_under_its_name_has_another_url_and_the_old_one_is_dead() {
    let server = Server::start();
    let old = create(&server, "default", "again", &[]);
    server.ok(&["grant", "delete", "again"]);
    let new = create(&server, "default", "again", &[]);
    assert_ne!(old.url, new.url);
    assert_refused("the old uid", &ask(&server, &old, |r| r).await, 404, "No such claim");
    assert_eq!(ask(&server, &new, |r| r).await.status, 200);
}

#[test]
fn a_window_that_is_none_is_refused_in_gos_words() {
    let server = Server::start();
    let output = server.run(&["grant", "create", "bad", "--expiration-window", "iamnotaduration"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("invalid duration \"iamnotaduration\""), "{output:?}");
    assert_eq!(server.ok(&["grant", "list", "-o", "name"]), "");
}
