use std::net::{Ipv4Addr, SocketAddr};

use proptest::prelude::*;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    time::timeout,
};

use super::*;
use crate::client::tls_server::{CODE, Credential, Then, authority, credential, serve, serving};
use crate::link::{BundleParts, Endpoint, Site, write_bundle};

const SOON: Duration = Duration::from_secs(10);

fn token(url: String, ca: String) -> AccessToken {
    let (name, code) = ("west".parse().unwrap(), CODE.parse().unwrap());
    AccessToken { name, url, code, ca, link_cost: None, takes_certificate_requests: false }
}

fn token_for(address: SocketAddr, ca: &str) -> AccessToken {
    token(format!("https://{address}/87426fa9-5623-49af-a612-47d33b7a4200"), ca.to_owned())
}

fn options(deadline: Duration) -> RedeemOptions {
    RedeemOptions { subject: "Köln".to_owned(), deadline }
}

fn bundle_named(name: &str) -> Vec<u8> {
    let pem = |label: &str| format!("-----BEGIN {label}-----\nAA==\n-----END {label}-----\n");
    let endpoint = Endpoint {
        group: "g".parse().unwrap(),
        name: "edge".parse().unwrap(),
        host: "10.1.1.1".parse().unwrap(),
        port: 45671.try_into().unwrap(),
    };
    let site =
        Site { namespace: "n".parse().unwrap(), name: "s".parse().unwrap(), edge: false, endpoints: vec![endpoint] };
    let (certificate, key) = (pem("CERTIFICATE"), pem("PRIVATE KEY"));
    let name = name.parse().unwrap();
    let parts =
        BundleParts { name: &name, ca_pem: &certificate, certificate_pem: &certificate, key: Some(&key), site: &site };
    write_bundle(&parts).to_vec()
}

fn http(status: &str, headers: &str, body: &[u8]) -> Then {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    Then::Answer([head.as_bytes(), body].concat())
}

/// The result of a redemption when a trusted server sends this answer.
async fn redeem_from(then: Then, deadline: Duration) -> (Result<Bundle, RedeemTokenError>, String) {
    let ca = authority();
    let (address, server) = serve(serving(&ca, &["127.0.0.1"], |_| ()), then).await;
    let outcome = redeem(&token_for(address, &ca.as_ref().pem()), &options(deadline), None).await;
    (outcome, timeout(SOON, server).await.unwrap().unwrap())
}

#[tokio::test]
async fn a_redemption_sends_the_code_and_brings_the_bundle() {
    let (bundle, request) = redeem_from(http("200 OK", "", &bundle_named("west")), SOON).await;

    assert_eq!(bundle.unwrap().links[0].endpoints[0].host.as_str(), "10.1.1.1");
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, CODE);
    assert!(head.starts_with("POST /87426fa9-5623-49af-a612-47d33b7a4200 HTTP/1.1\r\n"), "{head}");
    for header in ["Name: west", "Subject: Köln", "Content-Length: 24"] {
        assert!(head.lines().any(|line| line == header), "{header} is missing in {head}");
    }
    assert!(!head.to_lowercase().contains("content-type"));
}

#[tokio::test]
async fn an_empty_subject_is_sent_too() {
    let ca = authority();
    let (address, server) =
        serve(serving(&ca, &["127.0.0.1"], |_| ()), http("200 OK", "", &bundle_named("west"))).await;
    let token = token_for(address, &ca.as_ref().pem());

    redeem(&token, &RedeemOptions { subject: String::new(), deadline: SOON }, None).await.unwrap();

    let request = timeout(SOON, server).await.unwrap().unwrap();
    assert!(request.lines().any(|line| line.trim_end() == "Subject:"), "{request}");
}

#[tokio::test]
async fn a_chunked_answer_is_read() {
    let bundle = bundle_named("west");
    let (first, second) = bundle.split_at(100);
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in [first, second, b""] {
        answer.extend(format!("{:x}\r\n", chunk.len()).bytes().chain(chunk.iter().copied()).chain(*b"\r\n"));
    }

    redeem_from(Then::Answer(answer.clone()), SOON).await.0.unwrap();

    answer.truncate(answer.len() - 5);
    let cut = redeem_from(Then::Answer(answer), SOON).await.0.unwrap_err();
    assert!(matches!(cut, RedeemTokenError::CutShort { .. }), "{cut:?}");
}

/// The result of a redemption from a server that presents this credential, with a token that holds this CA.
async fn trusting(credential: Credential, ca: &str) -> Result<Bundle, RedeemTokenError> {
    let (address, server) = serve(credential, http("200 OK", "", &bundle_named("west"))).await;
    let outcome = redeem(&token_for(address, ca), &options(SOON), None).await;
    timeout(SOON, server).await.unwrap().unwrap();
    outcome
}

fn fault(outcome: Result<Bundle, RedeemTokenError>) -> TlsFault {
    match outcome {
        Err(RedeemTokenError::Tls { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_the_tokens_ca_is_believed() {
    let (ours, other) = (authority(), authority());
    let (ours_pem, other_pem) = (ours.as_ref().pem(), other.as_ref().pem());
    let certificate = || serving(&ours, &["127.0.0.1"], |_| ());

    assert_eq!(fault(trusting(certificate(), &other_pem).await), TlsFault::UnknownIssuer);
    trusting(certificate(), &format!("{other_pem}{ours_pem}")).await.unwrap();
}

#[tokio::test]
async fn the_certificate_must_be_for_the_host_of_the_url() {
    let ca = authority();
    let pem = ca.as_ref().pem();
    let elsewhere = serving(&ca, &["elsewhere.example.com", "10.1.1.1"], |_| ());
    let nameless = serving(&ca, &[], |_| ());

    let names = |fault: TlsFault| fault.to_string();
    let message = names(fault(trusting(elsewhere, &pem).await));
    assert_eq!(message, "its certificate is not for this host, but for elsewhere.example.com, 10.1.1.1");
    assert_eq!(names(fault(trusting(nameless, &pem).await)), "its certificate names no host");
}

#[tokio::test]
async fn the_certificate_must_be_of_now_and_for_servers() {
    let ca = authority();
    let pem = ca.as_ref().pem();
    let expired = serving(&ca, &["127.0.0.1"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let early = serving(&ca, &["127.0.0.1"], |params| params.not_before = rcgen::date_time_ymd(3000, 1, 1));
    let client = serving(&ca, &["127.0.0.1"], |params| {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    });

    assert_eq!(fault(trusting(expired, &pem).await), TlsFault::Expired);
    assert_eq!(fault(trusting(early, &pem).await), TlsFault::NotYetValid);
    assert_eq!(fault(trusting(client, &pem).await), TlsFault::WrongPurpose);
}

#[tokio::test]
async fn a_server_may_present_the_tokens_ca_itself() {
    let key = KeyPair::generate().unwrap();
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa, IsCa::Ca(rcgen::BasicConstraints::Unconstrained)] {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let pinned = credential(&params.self_signed(&key).unwrap(), &key);
        let pem = pinned.pem.clone();
        trusting(pinned, &pem).await.unwrap();
    }

    let issuer = authority();
    let issued = serving(&issuer, &["127.0.0.1"], |_| ());
    let pem = issued.pem.clone();
    trusting(issued, &pem).await.unwrap();
}

#[tokio::test]
async fn a_pinned_certificate_must_still_be_of_now_for_servers_and_for_the_host() {
    let issuer = authority();
    let pinned = |names: &[&str], change: fn(&mut CertificateParams)| {
        let credential = serving(&issuer, names, change);
        let pem = credential.pem.clone();
        async move { fault(trusting(credential, &pem).await) }
    };

    assert_eq!(pinned(&["127.0.0.1"], |p| p.not_after = rcgen::date_time_ymd(2020, 1, 1)).await, TlsFault::Expired);
    assert_eq!(
        pinned(&["127.0.0.1"], |p| p.not_before = rcgen::date_time_ymd(3000, 1, 1)).await,
        TlsFault::NotYetValid
    );
    let for_clients = |p: &mut CertificateParams| p.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    assert_eq!(pinned(&["127.0.0.1"], for_clients).await, TlsFault::WrongPurpose);
    assert!(matches!(pinned(&["127.0.0.2"], |_| ()).await, TlsFault::WrongHost { .. }));
}

#[tokio::test]
async fn a_server_of_tls_1_2_is_refused() {
    let ca = authority();
    let credential = serving(&ca, &["127.0.0.1"], |_| ());
    let directory = std::env::temp_dir().join(format!("grantd-redeem-{}", uuid::Uuid::new_v4()));
    crate::file::create_private_directory(&directory).unwrap();
    std::fs::write(directory.join("tls.crt"), &credential.pem).unwrap();
    std::fs::write(directory.join("tls.key"), credential.key.secret_der()).unwrap();
    let mut openssl = tokio::process::Command::new("openssl")
        .args([
            "s_server",
            "-tls1_2",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            "tls.crt",
            "-keyform",
            "DER",
            "-key",
            "tls.key",
        ])
        .current_dir(&directory)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .stdin(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(openssl.stdout.take().unwrap()).lines();
    let address = loop {
        let line = timeout(SOON, lines.next_line()).await.unwrap().unwrap().expect("openssl has ended");
        if let Some(address) = line.strip_prefix("ACCEPT ") {
            break address.parse().unwrap();
        }
    };

    let outcome = redeem(&token_for(address, &ca.as_ref().pem()), &options(SOON), None).await;

    assert_eq!(fault(outcome), TlsFault::OldProtocol);
    openssl.kill().await.unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_refused() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let token = token_for(address, &authority().as_ref().pem());

    assert_eq!(fault(redeem(&token, &options(SOON), None).await), TlsFault::NotTls);
    assert_eq!(fault(redeem(&token, &options(SOON), None).await), TlsFault::HungUp);
    timeout(SOON, server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (outcome, _) = redeem_from(http("302 Found", "location: https://evil.example.com/\u{1b}\r\n", b""), SOON).await;
    // An HTTP parser refuses an escape character in a header.
    assert!(matches!(outcome, Err(RedeemTokenError::Connection { .. })), "{outcome:?}");

    for status in ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"] {
        let (outcome, _) = redeem_from(http(status, "location: https://evil.example.com/\r\n", b""), SOON).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, RedeemTokenError::Redirect { .. }), "{error:?}");
        assert!(error.to_string().contains("https://evil.example.com/, which a token must not follow"), "{error}");
    }
}

#[tokio::test]
async fn whatever_is_not_200_is_a_refusal_with_the_servers_words() {
    for (status, says, hint) in [
        ("404 Not Found", "404 (Not Found) No such claim", "unknown, expired or used up"),
        ("403 Forbidden", "403 (Forbidden) No such claim", "the code is wrong"),
        ("503 Busy", "503 (Service Unavailable) No such claim", "try again"),
        ("201 Created", "201 (Created) No such claim", ""),
        ("304 Not Modified", "304 (Not Modified)", ""),
    ] {
        let (outcome, _) = redeem_from(http(status, "", b"\n  No such claim\n"), SOON).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, RedeemTokenError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{error}");
    }

    let body = ["\u{1b}[2Jx\r\n".repeat(1000), "never".to_owned()].concat();
    let error = redeem_from(http("500 No", "", body.as_bytes()), SOON).await.0.unwrap_err().to_string();
    assert!(error.len() < 1200 && !error.contains("never") && !error.contains(|c: char| c.is_control()), "{error:?}");
}

#[tokio::test]
async fn an_answer_shorter_than_announced_is_cut_short() {
    let whole = http("200 OK", "", &bundle_named("west"));
    let Then::Answer(mut answer) = whole else { panic!() };
    answer.truncate(answer.len() - 1);

    let error = redeem_from(Then::Answer(answer), SOON).await.0.unwrap_err();

    assert!(matches!(error, RedeemTokenError::CutShort { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("may have been counted"));
}

#[tokio::test]
async fn a_huge_answer_is_refused() {
    let announced = Then::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec());
    let mut unannounced = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    unannounced.resize(2 * 1024 * 1024, b'a');

    for then in [announced, Then::Answer(unannounced)] {
        let error = redeem_from(then, SOON).await.0.unwrap_err();
        assert!(matches!(error, RedeemTokenError::TooLarge { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_no_bundle_of_this_name_is_refused() {
    let html = redeem_from(http("200 OK", "", b"<html></html>"), SOON).await.0.unwrap_err();
    assert!(matches!(html, RedeemTokenError::NotABundle { .. }), "{html:?}");

    let other = redeem_from(http("200 OK", "", &bundle_named("other")), SOON).await.0.unwrap_err();
    assert!(matches!(other, RedeemTokenError::WrongName { .. }), "{other:?}");
}

#[tokio::test]
async fn a_silent_server_costs_no_more_than_the_deadline() {
    let limit = Duration::from_millis(500);
    let silent = redeem_from(Then::SayNothing, limit).await.0.unwrap_err();
    assert!(matches!(silent, RedeemTokenError::Deadline { step: Step::Answer, .. }), "{silent:?}");

    // The kernel accepts the connection, and the server never answers the handshake.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let token = token_for(listener.local_addr().unwrap(), &authority().as_ref().pem());
    let mute = timeout(SOON, redeem(&token, &options(limit), None)).await.unwrap().unwrap_err();
    assert!(matches!(mute, RedeemTokenError::Deadline { step: Step::Handshake, .. }), "{mute:?}");
    assert_eq!(
        mute.to_string(),
        format!("not done within 0.5 s: still setting up TLS with {}", listener.local_addr().unwrap())
    );
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    // `localhost` may be ::1 too, where no server listens.
    let ca = authority();
    let (address, _server) =
        serve(serving(&ca, &["localhost"], |_| ()), http("200 OK", "", &bundle_named("west"))).await;
    let token = token(format!("https://localhost:{}/a", address.port()), ca.as_ref().pem());

    redeem(&token, &options(SOON), None).await.unwrap();
}

#[tokio::test]
async fn a_name_without_an_address_is_an_error_in_time() {
    let token = token("https://nowhere.invalid/a".to_owned(), authority().as_ref().pem());

    let error = timeout(SOON, redeem(&token, &options(Duration::from_secs(2)), None)).await.unwrap().unwrap_err();

    // The deadline passes where the name server is slow or there is none.
    let expected = matches!(
        error,
        RedeemTokenError::NameNotResolved { .. } | RedeemTokenError::Deadline { step: Step::Resolve, .. }
    );
    assert!(expected, "{error:?}");
}

#[tokio::test]
async fn a_refused_connection_is_reported_plainly() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();

    let error = redeem(&token_for(free, &authority().as_ref().pem()), &options(SOON), None).await.unwrap_err();

    assert_eq!(error.to_string(), format!("cannot connect to {free} at {free}"));
    assert!(error.hint().unwrap().starts_with("nothing listens there"));
}

#[tokio::test]
async fn a_token_that_cannot_be_redeemed_is_refused_before_anything_is_sent() {
    let pem = authority().as_ref().pem();
    let fails = async |url: &str, ca: &str, subject: &str| {
        let options = RedeemOptions { subject: subject.to_owned(), ..options(SOON) };
        redeem(&token(url.to_owned(), ca.to_owned()), &options, None).await.unwrap_err()
    };
    let url = "https://127.0.0.1:1/a";
    let broken = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

    assert!(matches!(fails("http://127.0.0.1:1/a", &pem, "").await, RedeemTokenError::NotHttps { .. }));
    assert!(matches!(fails("AAA", &pem, "").await, RedeemTokenError::BadUrl { .. }));
    assert!(matches!(fails(url, " \n", "").await, RedeemTokenError::NoCa));
    assert!(matches!(fails(url, "no PEM", "").await, RedeemTokenError::CaUnreadable));
    assert!(matches!(fails(url, broken, "").await, RedeemTokenError::CaUnreadable));
    assert!(matches!(fails(url, &pem, "a\nb").await, RedeemTokenError::BadSubject));
}

proptest! {
    #[test]
    fn no_ca_text_panics(text in "(-----BEGIN CERTIFICATE-----\n)?.{0,80}(\n-----END CERTIFICATE-----)?") {
        let _ = client_config(&text);
    }
}
