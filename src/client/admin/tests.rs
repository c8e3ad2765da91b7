use std::{io, path::Path};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
    task::JoinHandle,
};

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// A directory for one test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("grantd-admin-{}", uuid::Uuid::new_v4()));
        crate::file::create_private_directory(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("admin.sock")
    }

    fn client(&self) -> AdminClient {
        AdminClient::unix(self.socket(), SOON)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Answers one request with these bytes, once the request ends as it should; gives the request back.
fn answer_once(scratch: &Scratch, request_end: &'static str, answer: Vec<u8>) -> JoinHandle<String> {
    let listener = UnixListener::bind(scratch.socket()).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(request_end.as_bytes()) {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request ends too early");
        }
        let _ = stream.write_all(&answer).await;
        String::from_utf8(request).unwrap()
    })
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn get(answer: Vec<u8>) -> Result<Value, AdminError> {
    let scratch = Scratch::new();
    let server = answer_once(&scratch, "\r\n\r\n", answer);
    let outcome = scratch.client().send(AdminMethod::Get, "/apis?limit=1", None).await;
    let request = timeout(SOON, server).await.unwrap().unwrap();
    assert!(request.starts_with("GET /apis?limit=1 HTTP/1.1\r\n"), "{request}");
    outcome
}

#[tokio::test]
async fn an_object_goes_out_and_an_object_comes_back() {
    for (method, line, content_type) in [
        (AdminMethod::Post, "POST", "application/json"),
        (AdminMethod::Put, "PUT", "application/json"),
        (AdminMethod::MergePatch, "PATCH", "application/merge-patch+json"),
        (AdminMethod::Delete, "DELETE", "application/json"),
    ] {
        let scratch = Scratch::new();
        let server = answer_once(&scratch, r#"{"a":1}"#, http("201 Created", r#"{"b":2}"#));

        let answer = scratch.client().send(method, "/x", Some(&json!({"a": 1}))).await.unwrap();

        assert_eq!(answer, json!({"b": 2}));
        let request = timeout(SOON, server).await.unwrap().unwrap();
        assert!(request.starts_with(&format!("{line} /x HTTP/1.1\r\n")), "{request}");
        assert!(request.contains(&format!("Content-Type: {content_type}\r\n")), "{request}");
        assert!(
            request.contains("Accept: application/json\r\n") && request.contains("Host: localhost\r\n"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn an_empty_success_is_null() {
    assert_eq!(get(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn a_refusal_keeps_its_reason_and_causes() {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422, "reason": "Invalid",
        "message": "AccessGrant \"a\" is invalid", "metadata": {},
        "details": {"name": "a", "causes": [{"reason": "FieldValueInvalid", "message": "must be ...", "field": "spec.x"}]},
    });

    let error = get(http("422 Unprocessable Entity", &status.to_string())).await.unwrap_err();

    assert_eq!(error.to_string(), "AccessGrant \"a\" is invalid");
    let AdminError::Refused(status) = error else { panic!("{error:?}") };
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(status.causes[0].field, "spec.x");
}

#[tokio::test]
async fn a_refusal_that_is_no_status_keeps_its_text() {
    let error = get(http("503 Service Unavailable", "busy\u{1b}\n")).await.unwrap_err();

    let AdminError::Refused(status) = error else { panic!("{error:?}") };
    assert_eq!((status.code, status.reason.as_str(), status.message.as_str()), (503, "Service Unavailable", "busy"));
}

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let error = get(http("200 OK", "<html>")).await.unwrap_err();
    assert!(matches!(error, AdminError::Malformed { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_has_its_limit() {
    let error = get(b"HTTP/1.1 200 OK\r\ncontent-length: 67108865\r\n\r\n".to_vec()).await.unwrap_err();
    assert!(matches!(error, AdminError::Malformed { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failed_connection() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"] {
        let error = get(answer.into()).await.unwrap_err();
        assert!(matches!(error, AdminError::Connection { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn without_a_server_the_error_says_where_one_was_looked_for() {
    let scratch = Scratch::new();
    let says = format!("no grantd is serving at {}", scratch.socket().display());

    let absent = scratch.client().send(AdminMethod::Get, "/", None).await.unwrap_err();
    assert_eq!(absent.to_string(), says);

    drop(UnixListener::bind(scratch.socket()).unwrap());
    let left_behind = scratch.client().send(AdminMethod::Get, "/", None).await.unwrap_err();
    assert_eq!(left_behind.to_string(), says);
}

#[test]
fn another_users_socket_is_said_to_be_one() {
    let error = not_connected(Path::new("/run/grantd/admin.sock"), io::ErrorKind::PermissionDenied.into());
    assert_eq!(error.to_string(), "this user may not use /run/grantd/admin.sock");
}

#[tokio::test]
async fn a_silent_server_costs_no_more_than_the_deadline() {
    let scratch = Scratch::new();
    let _listener = UnixListener::bind(scratch.socket()).unwrap();
    let client = AdminClient::unix(scratch.socket(), Duration::from_millis(200));

    let error = timeout(SOON, client.send(AdminMethod::Get, "/", None)).await.unwrap().unwrap_err();

    assert!(matches!(error, AdminError::Deadline { .. }), "{error:?}");
}

#[tokio::test]
async fn a_path_is_one_before_anything_is_sent() {
    for path in ["", "apis", "/a b", "http://a/b"] {
        let error = Scratch::new().client().send(AdminMethod::Get, path, None).await.unwrap_err();
        assert!(matches!(error, AdminError::Malformed { .. }), "{path}: {error:?}");
    }
}

/// The lines of a watch whose answer is these bytes.
async fn watched(answer: Vec<u8>) -> (Vec<Value>, Result<(), AdminError>) {
    let scratch = Scratch::new();
    let server = answer_once(&scratch, "\r\n\r\n", answer);
    let mut documents = Vec::new();
    let ended = match scratch.client().watch(Form::Table, "/apis?watch=true").await {
        Err(error) => Err(error),
        Ok(mut lines) => loop {
            match timeout(SOON, lines.next()).await.unwrap() {
                Ok(Some(document)) => documents.push(document),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        },
    };
    let request = timeout(SOON, server).await.unwrap().unwrap();
    assert!(request.contains("Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json\r\n"), "{request}");
    (documents, ended)
}

fn in_chunks(chunks: &[&str]) -> Vec<u8> {
    let chunks = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunks.collect::<String>()).into_bytes()
}

#[tokio::test]
async fn a_watch_gives_its_lines_wherever_they_were_cut() {
    let (documents, ended) = watched(in_chunks(&["{\"a\"", ":1}\n\n{\"b\":2}\n{\"c\":", "3}\n{\"cut", ""])).await;
    ended.unwrap();
    assert_eq!(documents, [json!({"a": 1}), json!({"b": 2}), json!({"c": 3})]);
}

#[tokio::test]
async fn a_watch_that_breaks_off_is_a_failed_connection() {
    let (documents, ended) = watched(in_chunks(&["{}\n"])).await;
    assert_eq!(documents, [json!({})]);
    assert!(matches!(ended, Err(AdminError::Connection { .. })), "{ended:?}");
}

#[tokio::test]
async fn a_line_of_a_watch_is_json_and_has_its_limit() {
    let (_, broken) = watched(in_chunks(&["{\n", ""])).await;
    assert_eq!(broken.unwrap_err().to_string(), "the answer is not JSON");
    let long = " ".repeat(lines::MAX_LINE_BYTES + 1);
    let (_, long) = watched(in_chunks(&[&long, ""])).await;
    assert_eq!(long.unwrap_err().to_string(), "a line of the answer is larger than 8 MiB");
}

#[tokio::test]
async fn a_watch_that_is_refused_says_why() {
    let (_, refused) = watched(http("405 Method Not Allowed", "no")).await;
    assert!(matches!(refused, Err(AdminError::Refused(Status { code: 405, .. }))), "{refused:?}");
}

#[tokio::test]
async fn a_watch_outlives_the_deadline_once_it_is_answered() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.socket()).unwrap();
    let limit = Duration::from_millis(500);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        tokio::time::sleep(limit * 2).await;
        stream.write_all(b"{}\n").await.unwrap();
        // The request must be read, or the end of the connection is an error.
        stream.read_u8().await.unwrap();
    });
    let mut lines = AdminClient::unix(scratch.socket(), limit).watch(Form::Objects, "/x").await.unwrap();
    assert_eq!(timeout(SOON, lines.next()).await.unwrap().unwrap(), Some(json!({})));
    timeout(SOON, server).await.unwrap().unwrap();
}
