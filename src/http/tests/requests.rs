//! What a request may look like, and what is said of any other.

use std::{io::Write as _, sync::atomic::Ordering};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::server::{Answer, CODE, PATIENCE, Server, post};

const OK: &str = "HTTP/1.1 200 OK";

#[tokio::test]
async fn a_grant_is_found_by_its_id_in_any_case_with_a_slash_or_a_query_after_it() {
    let server = Server::start().await;
    let grant = server.grant(10).await;
    let id = grant.id.to_string();
    for path in [
        format!("/{id}"),
        format!("/{id}/"),
        format!("/{}", id.to_uppercase()),
        format!("/{id}?a=/b"),
        format!("https://127.0.0.1:9090/{id}"),
    ] {
        assert_eq!(server.post(&path, "", CODE).await.status(), OK, "{path}");
    }
    assert_eq!(server.redemptions(&grant).await.len(), 5);
}

#[tokio::test]
async fn any_other_path_is_no_claim() {
    let server = Server::start().await;
    let grant = server.grant(10).await;
    let id = grant.id.to_string();
    for path in [
        "/".to_owned(),
        "*".to_owned(),
        "/metrics".to_owned(),
        "/west/offer".to_owned(),
        format!("//{id}"),
        format!("/{id}//"),
        format!("/a/{id}"),
        format!("/{id}/a"),
        format!("/./{id}"),
        format!("/{}", id.replace('-', "")),
        format!("/{}", id.replace('-', "%2d")),
        format!("/{{{id}}}"),
    ] {
        let answer = server.post(&path, "", CODE).await;
        assert_eq!(answer, Answer::error("404 Not Found", "No such claim"), "{path}");
    }
    assert_eq!(server.metric("grantd_refusals_total{reason=\"unknown\"}"), 12);
}

#[tokio::test]
async fn without_headers_the_grant_names_the_link_and_the_link_the_subject() {
    let server = Server::start().await;
    let grant = server.grant(3).await;
    for (headers, name, subject) in [
        ("", grant.name.as_str(), grant.name.as_str()),
        ("Name:\r\nSubject: \r\n", grant.name.as_str(), grant.name.as_str()),
        ("nAmE:  east \r\nSUBJECT: K\u{f6}ln, CN=\"x\"\r\n", "east", "K\u{f6}ln, CN=\"x\""),
    ] {
        assert_eq!(server.post(&format!("/{}", grant.id), headers, CODE).await.status(), OK, "{headers}");
        let redemptions = server.redemptions(&grant).await;
        let last = redemptions.last().unwrap();
        assert_eq!((last.link_name.as_str(), last.subject.as_str()), (name, subject));
    }
}

#[tokio::test]
async fn a_bad_header_is_named_with_its_rule_and_nothing_is_counted() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    let letters = "Header name not valid: must consist of lower case letters, digits, '-' or '.', \
                   and start and end with a letter or digit";
    let table: &[(Vec<u8>, &str)] = &[
        (b"Name: East\r\n".to_vec(), letters),
        (b"Name: a/b\r\n".to_vec(), letters),
        (b"Name: k\xc3\xb6ln\r\n".to_vec(), letters),
        (b"Name: \xff\r\n".to_vec(), letters),
        (format!("Name: {}\r\n", "a".repeat(246)).into(), "Header name not valid: must be no more than 245 characters"),
        (b"Name: a\r\nname: a\r\n".to_vec(), "Header name not valid: must not be repeated"),
        (b"Subject: K\xf6ln\r\n".to_vec(), "Header subject not valid: must be UTF-8 text"),
        (b"Subject: a\tb\r\n".to_vec(), "Header subject not valid: must not contain control characters"),
        (b"Subject: a\xc2\x85b\r\n".to_vec(), "Header subject not valid: must not contain control characters"),
        (
            format!("Subject: {}\r\n", "a".repeat(254)).into(),
            "Header subject not valid: must be no more than 253 bytes",
        ),
        (b"Subject:\r\nSubject: a\r\n".to_vec(), "Header subject not valid: must not be repeated"),
    ];
    for (header, text) in table {
        let mut request = format!("POST /{} HTTP/1.1\r\nHost: a\r\nContent-Length: 24\r\n", grant.id).into_bytes();
        request.extend_from_slice(header);
        request.extend_from_slice(format!("\r\n{CODE}").as_bytes());
        assert_eq!(server.send(request).await, Answer::error("400 Bad Request", text));
    }
    assert_eq!(server.redemptions(&grant).await, []);
    assert_eq!(server.metric("grantd_refusals_total{reason=\"bad_header\"}"), 11);
}

#[tokio::test]
async fn a_path_is_judged_before_the_headers() {
    let server = Server::start().await;

    let answer = server.post("/nothing", "Name: East\r\n", CODE).await;

    assert_eq!(answer, Answer::error("404 Not Found", "No such claim"));
}

#[tokio::test]
async fn a_body_of_a_kibibyte_is_read_and_a_longer_one_refused_unread() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    let path = format!("/{}", grant.id);

    let longest = server.post(&path, "", "x".repeat(1024)).await;
    assert_eq!(longest, Answer::error("403 Forbidden", "Redemption of access token refused"));

    let too_large = Answer::error("413 Payload Too Large", "Request body too large");
    // Not a byte of the body is sent: the answer does not wait for one.
    for length in ["1025", "18446744073709551613"] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(server.send(head).await, too_large, "{length}");
    }
    assert_eq!(server.metric("grantd_refusals_total{reason=\"body_too_large\"}"), 2);
}

#[tokio::test]
async fn a_chunked_body_is_read_up_to_the_same_limit() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    let head = format!("POST /{} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", grant.id);
    let (first, second) = CODE.split_at(7);

    let endless = format!("{head}400\r\n{}\r\n1\r\nx\r\n", "x".repeat(0x400));
    assert_eq!(server.send(endless).await, Answer::error("413 Payload Too Large", "Request body too large"));

    let whole = format!("{head}7\r\n{first}\r\n11\r\n{second}\r\n0\r\nTrailer: x\r\n\r\n");
    assert_eq!(server.send(whole).await.status(), OK);
}

#[tokio::test]
async fn an_answer_survives_a_body_that_is_not_read() {
    let server = Server::start().await;
    let mut tls = server.connect().await;
    let head = format!("POST /{CODE} HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    tls.write_all(head.as_bytes()).await.unwrap();
    tls.write_all(&[b'x'; 200_000]).await.unwrap();

    let answer = Answer::read(&mut tls).await;

    assert_eq!(answer, Answer::error("413 Payload Too Large", "Request body too large"));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_valid_and_nothing_is_counted() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    let mut tls = server.connect().await;
    let request = post(&format!("/{}", grant.id), "", CODE);
    tls.write_all(&request[..request.len() - 1]).await.unwrap();
    tls.shutdown().await.unwrap();

    assert_eq!(Answer::read(&mut tls).await, Answer::error("400 Bad Request", "Request body not valid"));
    assert_eq!(server.redemptions(&grant).await, []);
}

#[tokio::test]
async fn a_client_that_closes_its_side_with_the_request_is_not_counted() {
    let server = Server::start().await;
    let grant = server.grant(20).await;
    for _ in 0..20 {
        let (stream, mut tls) = server.connect().await.into_inner();
        // In one write, so that the end of the stream has arrived when the request is complete.
        let mut sent = Vec::new();
        tls.writer().write_all(&post(&format!("/{}", grant.id), "", CODE)).unwrap();
        tls.send_close_notify();
        while tls.wants_write() {
            tls.write_tls(&mut sent).unwrap();
        }
        let mut stream = stream;
        stream.write_all(&sent).await.unwrap();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("an end in time");
    }

    server.metric_becomes("grantd_connections{state=\"open\"}", 0).await;
    assert_eq!(server.redemptions(&grant).await, []);
}

#[tokio::test]
async fn a_head_of_more_lines_or_bytes_than_allowed_is_refused() {
    let server = Server::start().await;
    for headers in ["a: b\r\n".repeat(33), format!("a: {}\r\n", "b".repeat(8192))] {
        let answer = server.post("/", &headers, "").await;
        assert_eq!(answer.status(), "HTTP/1.1 431 Request Header Fields Too Large");
        assert_eq!(answer.body, "");
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = Server::start().await;
    for nonsense in ["\r\nHELO example.com\r\n\r\n", "POST / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/3.0\r\n\r\n"] {
        assert_eq!(server.send(nonsense).await.status(), "HTTP/1.1 400 Bad Request", "{nonsense:?}");
    }
}

#[tokio::test]
async fn a_request_without_one_well_formed_host_is_refused_and_nothing_is_counted() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nhost: b\r\n", "Host: a b\r\n", "Host:\r\n", "Host: u@a\r\n"]
    {
        let request = format!("POST /{} HTTP/1.1\r\n{hosts}Content-Length: 24\r\n\r\n{CODE}", grant.id);
        let refused = "Header host not valid: must be there once, as a host or host:port";
        assert_eq!(server.send(request).await, Answer::error("400 Bad Request", refused), "{hosts:?}");
    }
    assert_eq!(server.redemptions(&grant).await, []);

    let old = format!("POST /{} HTTP/1.0\r\nContent-Length: 24\r\n\r\n{CODE}", grant.id);
    assert_eq!(server.send(old).await.status(), "HTTP/1.0 200 OK", "HTTP/1.0 has no Host");
}

#[tokio::test]
async fn an_unknown_transfer_coding_is_not_implemented_and_nothing_is_counted() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    for codings in ["Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n"] {
        let request = format!("POST /{} HTTP/1.1\r\nHost: a\r\n{codings}\r\n18\r\n{CODE}\r\n0\r\n\r\n", grant.id);
        let refused = Answer::error("501 Not Implemented", "Transfer coding not supported: only chunked is");
        assert_eq!(server.send(request).await, refused, "{codings:?}");
    }
    assert_eq!(server.redemptions(&grant).await, []);
}

#[tokio::test]
async fn of_pipelined_requests_only_the_first_is_served() {
    let server = Server::start().await;
    let grant = server.grant(2).await;
    let request = post(&format!("/{}", grant.id), "", CODE);

    let answer = server.send([request.clone(), request].concat()).await;

    assert_eq!(answer.status(), OK);
    assert!(answer.body.matches("HTTP/1.1").count() == 0, "{}", answer.body);
    assert_eq!(server.redemptions(&grant).await.len(), 1);
    assert_eq!(server.store.commits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn keep_alive_and_upgrades_are_not_granted() {
    let server = Server::start().await;
    let grant = server.grant(2).await;
    for headers in ["Connection: keep-alive\r\n", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"] {
        let answer = server.post(&format!("/{}", grant.id), headers, CODE).await;
        assert_eq!(answer.status(), OK);
        assert!(answer.head.contains(&"Connection: close".to_owned()), "{:?}", answer.head);
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let server = Server::start().await;
    let grant = server.grant(1).await;
    let mut tls = server.connect().await;
    let head = format!("POST /{} HTTP/1.1\r\nHost: a\r\nContent-Length: 24\r\nExpect: 100-continue\r\n\r\n", grant.id);
    tls.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    timeout(PATIENCE, tls.read_exact(&mut go_on)).await.unwrap().unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");

    tls.write_all(CODE.as_bytes()).await.unwrap();

    assert_eq!(Answer::read(&mut tls).await.status(), OK);
}

#[tokio::test]
async fn a_client_that_asks_to_send_too_much_is_refused_at_once() {
    let server = Server::start().await;

    let answer =
        server.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\nExpect: 100-continue\r\n\r\n").await;

    assert_eq!(answer, Answer::error("413 Payload Too Large", "Request body too large"));
}
