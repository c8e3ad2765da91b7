use std::{path::PathBuf, time::Duration};

use clap::Parser;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
    time::timeout,
};

use super::*;
use crate::client::AdminError;

const SOON: Duration = Duration::from_secs(20);

#[derive(Debug, Parser)]
struct Get {
    #[command(flatten)]
    args: GetArgs,
}

/// What a command printed, what it noted, and how it ended.
struct Outcome {
    results: String,
    notes: String,
    ended: Result<(), CliError>,
    /// The paths that the command asked for.
    asked: Vec<String>,
}

/// A new data directory, which is removed at the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the command against a server that gives one of these answers on each connection, and then stops. An empty answer
/// means that the server is not running for a moment.
async fn get(line: &str, answers: Vec<String>) -> Outcome {
    let scratch = Scratch(std::env::temp_dir().join(format!("grantd-get-{}", uuid::Uuid::new_v4())));
    crate::file::create_private_directory(&scratch.0).unwrap();
    let (args, server) = (Get::try_parse_from(["get"].into_iter().chain(line.split(' '))), Server::of(&scratch.0));
    let socket = scratch.0.join("admin.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let script = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            if answer.is_empty() {
                continue;
            }
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request ends too early");
            }
            let request = String::from_utf8(request).unwrap();
            asked.push(request.split(' ').nth(1).unwrap().to_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    let (mut results, mut notes) = (Vec::new(), Vec::new());
    let mut console = Console::new(&mut results, &mut notes);
    let ended = timeout(SOON, run(&args.unwrap().args, &server, &mut console)).await.expect("the command has no end");
    let asked = timeout(SOON, script).await.expect("the server waits for a request").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { results: text(results), notes: text(notes), ended, asked }
}

fn answer(body: &Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn refusal(code: u16, message: &str) -> String {
    let body = status(code, message).to_string();
    format!("HTTP/1.1 {code} No\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn status(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message})
}

/// A watch with these events, which the server then ends.
fn watch(events: &[(&str, Value)]) -> String {
    let lines = events.iter().map(|(kind, object)| json!({"type": kind, "object": object}).to_string() + "\n");
    format!("HTTP/1.1 200 OK\r\n\r\n{}", lines.collect::<String>())
}

/// A table of links.
fn table(version: &str, token: &str, rows: &[(&str, Value)]) -> Value {
    let row = |(name, message): &(&str, Value)| json!({"cells": [name, 7, message, "detail"], "object": {"metadata": {"name": name, "namespace": "west"}}});
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version, "continue": token},
        "columnDefinitions": [
            {"name": "Name"}, {"name": "Sites In Network"}, {"name": "Message", "priority": 0},
            {"name": "Detail", "priority": 1},
        ],
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

#[tokio::test]
async fn a_list_is_printed_page_by_page_under_one_line_of_headings() {
    let pages = vec![
        answer(&table("5", "a/b", &[("one", Value::Null), ("three", "OK\u{1b}[2J\nnow".into())])),
        answer(&table("5", "", &[("two", "fine".into())])),
    ];

    let outcome = get("links -n west -l side=left", pages).await;

    outcome.ended.unwrap();
    assert_eq!(
        outcome.results,
        "NAME   SITES IN NETWORK  MESSAGE\none    7\nthree  7                 OK\u{fffd}[2J now\n\
         two    7                 fine\n"
    );
    let path = "/apis/skupper.io/v2alpha1/namespaces/west/links?limit=500";
    assert_eq!(
        outcome.asked,
        [format!("{path}&labelSelector=side%3Dleft"), format!("{path}&continue=a%2Fb&labelSelector=side%3Dleft")]
    );
}

#[tokio::test]
async fn of_all_namespaces_each_row_begins_with_its_own() {
    let outcome = get("secrets -A", vec![answer(&table("5", "", &[("one", Value::Null)]))]).await;
    assert_eq!(outcome.results, "NAMESPACE  NAME  SITES IN NETWORK  MESSAGE\nwest       one   7\n");
    assert_eq!(outcome.asked, ["/api/v1/secrets?limit=500"]);
}

#[tokio::test]
async fn names_are_those_that_kubectl_takes() {
    for (kind, name) in [("token", "accesstoken.skupper.io/one\n"), ("secret", "secret/one\n")] {
        let outcome = get(&format!("{kind} -o name"), vec![answer(&table("5", "", &[("one", Value::Null)]))]).await;
        assert_eq!(outcome.results, name);
    }
}

#[tokio::test]
async fn where_there_is_nothing_a_note_says_so() {
    for (line, note) in [
        ("accesstokens -n west", "No accesstokens found in namespace west.\n"),
        ("accesstokens -A", "No accesstokens found.\n"),
    ] {
        let outcome = get(line, vec![answer(&table("5", "", &[]))]).await;
        outcome.ended.unwrap();
        assert_eq!((outcome.results.as_str(), outcome.notes.as_str()), ("", note));
    }
    let outcome = get("accesstokens -o json", vec![answer(&json!({"items": []}))]).await;
    assert_eq!(serde_json::from_str::<Value>(&outcome.results).unwrap()["kind"], "AccessTokenList");
    assert_eq!(outcome.notes, "");
}

#[tokio::test]
async fn a_name_that_is_not_there_is_refused_in_the_server_s_words() {
    let error = get("link a/b", vec![refusal(404, "links \"a/b\" not found")]).await;
    assert_eq!(error.asked, ["/apis/skupper.io/v2alpha1/namespaces/default/links/a%2Fb"]);
    let (ended, empty) = (error.ended.unwrap_err(), answer(&table("5", "", &[])));
    assert_eq!((ended.to_string().as_str(), ended.exit().code()), ("links \"a/b\" not found", 1));
    assert_eq!(ended.hint().unwrap(), "'grantd get links -A' shows the links there are");

    let watched = get("link a -w", vec![empty, refusal(404, "links \"a\" not found")]).await;
    assert_eq!(watched.ended.unwrap_err().to_string(), "links \"a\" not found");
    assert!(watched.asked[0].ends_with("links?limit=500&fieldSelector=metadata.name%3Da"), "{:?}", watched.asked);
}

#[tokio::test]
async fn an_unknown_kind_and_an_unknown_name_have_different_messages() {
    let error = get("links", vec!["HTTP/1.1 404 No\r\n\r\n404 page not found".to_owned()]).await.ended.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.exit().code()), ("this server has no links", 1));
}

#[tokio::test]
async fn a_server_that_cannot_watch_is_left_with_its_message_after_the_list() {
    let outcome = get("links -w", vec![answer(&table("5", "", &[("one", "OK".into())])), refusal(405, "no")]).await;
    assert_eq!(outcome.results.lines().count(), 2);
    assert_eq!(outcome.ended.unwrap_err().to_string(), "no");
}

#[tokio::test]
async fn events_are_rows_and_a_watch_that_ends_goes_on_where_it_was() {
    let first = [
        ("ADDED", table("6", "", &[("two", "new".into())])),
        ("DELETED", table("7", "", &[("one", "OK".into())])),
        ("BOOKMARK", json!({"kind": "Table", "metadata": {"resourceVersion": "9"}, "rows": null})),
    ];
    let second = [("MODIFIED", table("10", "", &[("two", "OK".into())])), ("ERROR", status(403, "no longer"))];
    let answers = vec![answer(&table("5", "", &[("one", "OK".into())])), watch(&first), String::new(), watch(&second)];

    let outcome = get("links -w", answers).await;

    assert_eq!(outcome.ended.unwrap_err().to_string(), "no longer");
    let rows: Vec<Vec<&str>> = outcome.results.lines().map(|line| line.split("  ").collect()).collect();
    let names: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(names, ["NAME", "one", "two", "one", "two"]);
    assert_eq!(outcome.results.lines().last(), Some("two   7                 OK"));
    let watch = "/apis/skupper.io/v2alpha1/namespaces/default/links?watch=true&resourceVersion=";
    let asked = &outcome.asked;
    assert_eq!(asked[1..], ["5", "9"].map(|version| format!("{watch}{version}&allowWatchBookmarks=true")));
    let [waiting, back] = outcome.notes.lines().collect::<Vec<_>>()[..] else { panic!("{}", outcome.notes) };
    assert!(waiting.ends_with("; waiting for it") && back == "grantd answers again", "{waiting}");
}

#[tokio::test]
async fn what_the_server_has_forgotten_is_listed_again() {
    for expired in [watch(&[("ERROR", status(410, "too old"))]), refusal(410, "too old")] {
        let answers = vec![
            answer(&table("5", "", &[])),
            expired,
            answer(&table("8", "", &[("one", "OK".into())])),
            watch(&[("ERROR", status(500, "done"))]),
        ];

        let outcome = get("links -w", answers).await;

        assert_eq!(outcome.ended.unwrap_err().to_string(), "done");
        assert_eq!(outcome.results, "NAME  SITES IN NETWORK  MESSAGE\none   7                 OK\n");
        assert!(outcome.asked[3].contains("resourceVersion=8&"), "{:?}", outcome.asked);
        assert_eq!(outcome.notes, "No links found in namespace default.\n");
    }
}

#[tokio::test]
async fn watched_documents_stand_each_for_itself() {
    let object = |version: &str| json!({"kind": "Link", "metadata": {"name": "a", "resourceVersion": version}});
    let answers = vec![
        answer(&json!({"metadata": {"resourceVersion": "5"}, "items": [object("4")]})),
        watch(&[("MODIFIED", object("6"))]),
        refusal(403, "done"),
    ];

    let outcome = get("links -w -o yaml", answers).await;

    let documents: Vec<Value> =
        outcome.results.split("---\n").map(|text| serde_saphyr::from_str(text).unwrap()).collect();
    assert_eq!(documents, [object("4"), object("6")]);
    assert!(outcome.asked[2].contains("resourceVersion=6&"), "{:?}", outcome.asked);
}

#[tokio::test]
async fn an_event_that_is_none_ends_the_watch() {
    for line in ["{", "{\"type\":\"MOVED\",\"object\":{}}", "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Link\"}}"] {
        let answers = vec![answer(&table("5", "", &[])), format!("HTTP/1.1 200 OK\r\n\r\n{line}\n")];
        let error = get("links -w", answers).await.ended.unwrap_err();
        assert!(matches!(error, CliError::Admin(AdminError::Malformed { .. })), "{line}: {error:?}");
    }
}
