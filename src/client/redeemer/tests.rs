use std::net::Ipv4Addr;

use tokio::{net::TcpListener, time::timeout};

use super::*;
use crate::client::tls_server::{CODE, Then, authority, serve, serving};

const SOON: Duration = Duration::from_secs(20);

fn token(url: String, ca: String) -> AccessToken {
    AccessToken {
        name: "west".parse().unwrap(),
        url,
        code: CODE.parse().unwrap(),
        ca,
        link_cost: None,
        takes_certificate_requests: false,
    }
}

async fn failing(token: &AccessToken) -> (String, Retry) {
    let redeemer: &dyn Redeemer = &NetworkRedeemer::default();
    let failure = timeout(SOON, redeemer.redeem(token, "", None)).await.unwrap().unwrap_err();
    assert!(!failure.message.contains(CODE), "{}", failure.message);
    (failure.message, failure.retry)
}

#[tokio::test]
async fn a_fault_of_the_token_is_final_and_reported_in_skuppers_words() {
    let ca = authority().as_ref().pem();
    for (url, ca, message) in [
        ("https://127.0.0.1:1/a", "", "token does not have a CA"),
        ("https://127.0.0.1:1/a", "no PEM", "token does not have a CA that can be read"),
        ("AAA", ca.as_str(), "could not parse token url: it is not a whole URL"),
        ("http://127.0.0.1:1/a", ca.as_str(), "token url scheme must be https"),
        ("foo://a:1/b", ca.as_str(), "token url scheme must be https"),
    ] {
        let failed = failing(&token(url.to_owned(), ca.to_owned())).await;
        assert_eq!(failed, (message.to_owned(), Retry::Never));
    }
}

#[tokio::test]
async fn a_refusal_is_reported_as_the_server_worded_it_and_is_final_unless_it_may_change_by_itself() {
    let ca = authority();
    for (status, body, message, retry) in [
        ("404 Not Found", "No such claim\n", "404 (Not Found) No such claim", Retry::Never),
        ("403 Forbidden", "Redemption refused\n", "403 (Forbidden) Redemption refused", Retry::Never),
        ("400 Bad Request", "Header name not valid\n", "400 (Bad Request) Header name not valid", Retry::Never),
        ("405 No", "Only POST is supported\n", "405 (Method Not Allowed) Only POST is supported", Retry::Never),
        ("409 No", "Key already used\n", "409 (Conflict) Key already used", Retry::Never),
        ("413 No", "Request body too large\n", "413 (Payload Too Large) Request body too large", Retry::Never),
        ("429 Slow Down", "", "429 (Too Many Requests)", Retry::Later),
        ("500 No", "Could not\n", "500 (Internal Server Error) Could not", Retry::Later),
        ("503 No", "Internal error\n", "503 (Service Unavailable) Internal error", Retry::Later),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let (address, server) = serve(serving(&ca, &["127.0.0.1"], |_| ()), Then::Answer(answer.into())).await;
        let failed = failing(&token(format!("https://{address}/a"), ca.as_ref().pem())).await;
        assert_eq!(failed, (format!("Controller got failed response: {message}"), retry));
        timeout(SOON, server).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_is_no_bundle_could_not_be_decoded_and_costs_no_second_redemption() {
    let host = |text: &str| text.split_once(" of ").map(|(start, _)| start.to_owned()).unwrap();
    for (length, body, said, retry) in [
        (2, "hi", "the answer", Retry::Never),
        (3 << 20, "", "the answer", Retry::Never),
        (20, "---\n", "the answer", Retry::Later),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        let (message, answered) = failing_with(answer).await;
        assert_eq!(host(&message), format!("Controller could not decode response: {said}"), "{message}");
        assert_eq!(answered, retry, "{message}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_time_gets_it_up_to_an_hour() {
    let seconds = Duration::from_secs;
    for (status, header, retry) in [
        ("429 Slow", "retry-after: 77\r\n", Retry::After(seconds(77))),
        ("503 No", "retry-after: 99999999\r\n", Retry::After(seconds(3600))),
        ("503 No", "retry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n", Retry::Later),
        ("404 No", "retry-after: 77\r\n", Retry::Never),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\n{header}content-length: 0\r\n\r\n");
        assert_eq!(failing_with(answer).await.1, retry, "{status} {header}");
    }
}

#[tokio::test]
async fn a_server_that_says_what_it_was_sent_brings_no_code_into_a_status() {
    let body = format!("{}{CODE} and {CODE}\u{202e}", "x".repeat(1010));
    let length = body.len();
    for head in [
        format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {length}"),
        format!("HTTP/1.1 302 Found\r\nlocation: https://a/{CODE}\r\ncontent-length: {length}"),
    ] {
        let (message, _) = failing_with(format!("{head}\r\n\r\n{body}")).await;
        assert!(!message.contains(&CODE[..6]), "{message}");
        assert!(message.contains("(redacted)"), "{message}");
    }
}

#[tokio::test]
async fn a_refusal_counts_also_when_its_text_never_comes() {
    let answer = "HTTP/1.1 403 Forbidden\r\ncontent-length: 100\r\n\r\nRedemption of";
    let ca = authority();
    let (address, server) = serve(serving(&ca, &["127.0.0.1"], |_| ()), Then::AnswerAndStay(answer.into())).await;
    let failed = failing(&token(format!("https://{address}/a"), ca.as_ref().pem())).await;
    assert_eq!(failed, ("Controller got failed response: 403 (Forbidden)".to_owned(), Retry::Never));
    timeout(SOON, server).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_names_in_a_certificate_do_not_fill_a_status() {
    let ca = authority();
    let names: Vec<_> = (0..100).map(|number| format!("{}-{number}.example.com", "long".repeat(12))).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (address, server) = serve(serving(&ca, &names, |_| ()), Then::SayNothing).await;
    let (message, retry) = failing(&token(format!("https://{address}/a"), ca.as_ref().pem())).await;
    assert!(message.len() <= MAX_MESSAGE_BYTES, "{}", message.len());
    assert_eq!(retry, Retry::Later);
    timeout(SOON, server).await.unwrap().unwrap();
}

async fn failing_with(answer: String) -> (String, Retry) {
    let ca = authority();
    let (address, server) = serve(serving(&ca, &["127.0.0.1"], |_| ()), Then::Answer(answer.into())).await;
    let failed = failing(&token(format!("https://{address}/a"), ca.as_ref().pem())).await;
    timeout(SOON, server).await.unwrap().unwrap();
    failed
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_may_be_there_later() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let url = format!("https://{free}/a");
    let (message, retry) = failing(&token(url.clone(), authority().as_ref().pem())).await;
    let expected =
        format!("Controller got error: Post \"{url}\": cannot connect to {free} at {free}: Connection refused");
    assert!(message.starts_with(&expected), "{message}");
    assert_eq!(retry, Retry::Later);
}
