//! Redemptions with a key of the client's own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::{
    client::tls_server::{Authority, CODE, acceptor, authority, serving},
    link::{BundleParts, Site, write_bundle},
    pki::CertificateRequest,
};

const SOON: Duration = Duration::from_secs(10);

/// A TLS server that answers one request after the other with these; gives back the heads and bodies of the requests.
async fn serve(ca: &Authority, answers: Vec<Vec<u8>>) -> (SocketAddr, JoinHandle<Vec<(String, Vec<u8>)>>) {
    let acceptor = acceptor(serving(ca, &["127.0.0.1"], |_| ()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut request = Vec::new();
            let (head, body) = loop {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request ends early");
                let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                let head = String::from_utf8(request[..end].to_vec()).unwrap().to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                let body = &request[end + 4..];
                if body.len() == length.parse::<usize>().unwrap() {
                    break (head, body.to_vec());
                }
            };
            requests.push((head, body));
            stream.write_all(&answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
        requests
    });
    (address, server)
}

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// A bundle with this certificate, and with a key if one is given.
fn bundle(certificate: &str, key: Option<&str>) -> Vec<u8> {
    let endpoint = crate::link::Endpoint {
        group: "g".parse().unwrap(),
        name: "edge".parse().unwrap(),
        host: "10.1.1.1".parse().unwrap(),
        port: 45671.try_into().unwrap(),
    };
    let site =
        Site { namespace: "n".parse().unwrap(), name: "s".parse().unwrap(), edge: false, endpoints: vec![endpoint] };
    let name = "west".parse().unwrap();
    write_bundle(&BundleParts { name: &name, ca_pem: certificate, certificate_pem: certificate, key, site: &site })
        .to_vec()
}

fn token(address: SocketAddr, ca: &Authority, takes_certificate_requests: bool) -> AccessToken {
    let (name, code) = ("west".parse().unwrap(), CODE.parse().unwrap());
    let (url, ca) = (format!("https://{address}/a"), ca.as_ref().pem());
    AccessToken { name, url, code, ca, link_cost: None, takes_certificate_requests }
}

async fn redeem_with(key: &RequestKey, token: &AccessToken) -> Result<Bundle, RedeemTokenError> {
    let options = RedeemOptions { subject: "east".to_owned(), deadline: SOON };
    timeout(SOON, redeem(token, &options, Some(key))).await.unwrap()
}

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";

#[tokio::test]
async fn a_server_that_does_not_know_the_form_is_asked_in_the_other_one() {
    let ca = authority();
    let pem = ca.as_ref().pem();
    let answers = vec![answer("403 Forbidden", b"no"), answer("200 OK", &bundle(&pem, Some(KEY)))];
    let (address, server) = serve(&ca, answers).await;
    let key = RequestKey::generate().unwrap();

    let redeemed = redeem_with(&key, &token(address, &ca, true)).await.unwrap();

    assert_eq!(redeemed.secret.key.expose(), KEY, "the key that the server has made");
    let requests = timeout(SOON, server).await.unwrap().unwrap();
    let (head, body) = &requests[0];
    assert!(head.contains("content-type: application/pkcs10") && head.contains("authorization: bearer "), "{head}");
    let own = CertificateRequest::read(&key.certificate_request().unwrap()).unwrap();
    assert_eq!(CertificateRequest::read(body).unwrap().key_fingerprint(), own.key_fingerprint());
    let (head, body) = &requests[1];
    assert!(!head.contains("content-type") && !head.contains("authorization"), "{head}");
    assert_eq!(body, CODE.as_bytes());
}

#[tokio::test]
async fn no_other_answer_leads_to_a_second_request() {
    for status in ["400 No", "404 No", "409 No", "413 No", "429 No", "500 No", "503 No"] {
        let ca = authority();
        let (address, server) = serve(&ca, vec![answer(status, b"")]).await;

        let refused = redeem_with(&RequestKey::generate().unwrap(), &token(address, &ca, true)).await;

        assert!(matches!(refused, Err(RedeemTokenError::Refused { .. })), "{status}: {refused:?}");
        assert_eq!(timeout(SOON, server).await.unwrap().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_certificate_for_another_key_is_not_taken() {
    let ca = authority();
    let (address, server) = serve(&ca, vec![answer("200 OK", &bundle(&ca.as_ref().pem(), None))]).await;

    let refused = redeem_with(&RequestKey::generate().unwrap(), &token(address, &ca, true)).await.unwrap_err();

    assert!(matches!(refused, RedeemTokenError::WrongKey { .. }) && refused.is_in_doubt(), "{refused:?}");
    timeout(SOON, server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_offer_it_is_not_asked_for_it() {
    let ca = authority();
    let (address, server) = serve(&ca, vec![answer("200 OK", &bundle(&ca.as_ref().pem(), Some(KEY)))]).await;

    redeem_with(&RequestKey::generate().unwrap(), &token(address, &ca, false)).await.unwrap();

    assert_eq!(timeout(SOON, server).await.unwrap().unwrap()[0].1, CODE.as_bytes());
}
