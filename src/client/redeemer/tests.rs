use std::net::Ipv4Addr;

use tokio::{net::TcpListener, time::timeout};

use super::*;
use crate::client::tls_server::{CODE, Then, authority, serve, serving};

const SOON: Duration = Duration::from_secs(20);

fn token(url: String, ca: String) -> AccessToken {
    AccessToken { name: "west".parse().unwrap(), url, code: CODE.parse().unwrap(), ca, link_cost: None }
}

async fn failing(token: &AccessToken) -> (String, Again) {
    let redeemer: &dyn Redeemer = &NetworkRedeemer::default();
    let failure = timeout(SOON, redeemer.redeem(token, "")).await.unwrap().unwrap_err();
    assert!(!failure.message.contains(CODE), "{}", failure.message);
    (failure.message, failure.again)
}

#[tokio::test]
async fn what_is_wrong_in_the_token_stays_so_and_is_told_in_skuppers_words() {
    let ca = authority().as_ref().pem();
    for (url, ca, message) in [
        ("https://127.0.0.1:1/a", "", "token does not have a CA"),
        ("https://127.0.0.1:1/a", "no PEM", "token does not have a CA that can be read"),
        ("AAA", ca.as_str(), "could not parse token url: it is not a whole URL"),
        ("http://127.0.0.1:1/a", ca.as_str(), "token url scheme must be https"),
        ("foo://a:1/b", ca.as_str(), "token url scheme must be https"),
    ] {
        let failed = failing(&token(url.to_owned(), ca.to_owned())).await;
        assert_eq!(failed, (message.to_owned(), Again::Never));
    }
}

#[tokio::test]
async fn an_answer_is_told_as_the_server_said_it_and_only_two_are_final() {
    let ca = authority();
    for (status, body, message, again) in [
        ("404 Not Found", "No such claim\n", "404 (Not Found) No such claim", Again::Never),
        ("403 Forbidden", "Redemption refused\n", "403 (Forbidden) Redemption refused", Again::Never),
        ("429 Slow Down", "", "429 (Too Many Requests)", Again::Later),
        ("500 No", "Could not\n", "500 (Internal Server Error) Could not", Again::Later),
        ("503 No", "Internal error\n", "503 (Service Unavailable) Internal error", Again::Later),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let (address, server) = serve(serving(&ca, &["127.0.0.1"], |_| ()), Then::Answer(answer.into())).await;
        let failed = failing(&token(format!("https://{address}/a"), ca.as_ref().pem())).await;
        assert_eq!(failed, (format!("Controller got failed response: {message}"), again));
        timeout(SOON, server).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_is_no_bundle_could_not_be_decoded() {
    let ca = authority();
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_vec();
    let (address, server) = serve(serving(&ca, &["127.0.0.1"], |_| ()), Then::Answer(answer)).await;
    let failed = failing(&token(format!("https://{address}/a"), ca.as_ref().pem())).await;
    assert_eq!(failed, ("Controller could not decode response".to_owned(), Again::Later));
    timeout(SOON, server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_may_be_there_later() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let url = format!("https://{free}/a");
    let (message, again) = failing(&token(url.clone(), authority().as_ref().pem())).await;
    let expected =
        format!("Controller got error: Post \"{url}\": cannot connect to {free} at {free}: Connection refused");
    assert!(message.starts_with(&expected), "{message}");
    assert_eq!(again, Again::Later);
}
