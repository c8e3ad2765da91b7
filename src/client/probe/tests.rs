use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::client::tls_server::{Authority, Credential, authority, serving};

const SOON: Duration = Duration::from_secs(10);

/// What a router does with a connection that it has accepted.
#[derive(Clone, Copy)]
enum Then {
    Wait,
    Speak,
    Close,
    HangUp,
}

/// A router for one connection, which accepts links of `clients` alone and returns the server name of the request.
async fn router(credential: Credential, clients: &Authority, then: Then) -> (SocketAddr, JoinHandle<Option<String>>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(clients.as_ref().der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![credential.certificate], credential.key)
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.ok()?;
        match then {
            Then::Wait => {}
            Then::Speak => stream.write_all(b"AMQP").await.unwrap(),
            Then::Close => stream.shutdown().await.unwrap(),
            Then::HangUp => return None,
        }
        // Reads until the other side closes the connection.
        while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
        stream.get_ref().1.server_name().map(str::to_owned)
    });
    (address, router)
}

/// The Secret of a link whose certificate `clients` has issued and whose CA certificate is `ca`.
fn secret(ca: &Authority, clients: &Authority) -> TlsSecret {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "east");
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    let certificate = params.signed_by(&key, clients).unwrap();
    TlsSecret {
        name: "west".parse().unwrap(),
        ca_pem: ca.as_ref().pem(),
        certificate_pem: certificate.pem(),
        key: crate::link::KeyPem::new(key.serialize_pem().into()),
    }
}

fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint {
        group: "g".parse().unwrap(),
        name: "inter-router".parse().unwrap(),
        host: host.parse().unwrap(),
        port: port.try_into().unwrap(),
    }
}

/// A prober with shorter deadlines, so that tests of silent routers are quick.
fn prober() -> NetworkProber {
    NetworkProber { connected_within: Duration::from_secs(5), alert_within: Duration::from_millis(300) }
}

/// The result of probing a router with this certificate at the name `host`.
async fn linking(host: &str, credential: Credential, ca: &Authority) -> Result<(), String> {
    let (address, router) = router(credential, ca, Then::Wait).await;
    let outcome = prober().probe(&endpoint(host, address.port()), &secret(ca, ca)).await;
    timeout(SOON, router).await.unwrap().unwrap();
    outcome.map_err(|failure| failure.message.replace(&address.port().to_string(), "PORT"))
}

/// A certificate with these alternative names and no others, and the common name `serving`.
fn named(ca: &Authority, names: Vec<SanType>) -> Credential {
    serving(ca, &[], |params| {
        params.subject_alt_names = names;
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    })
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

#[tokio::test]
async fn a_router_that_takes_the_certificate_is_ready_whether_it_waits_speaks_or_closes() {
    let ca = authority();
    for then in [Then::Wait, Then::Speak, Then::Close] {
        let (address, router) = router(named(&ca, vec![dns("127.0.0.1")]), &ca, then).await;
        prober().probe(&endpoint("127.0.0.1", address.port()), &secret(&ca, &ca)).await.unwrap();
        timeout(SOON, router).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_name_is_sent_and_an_address_is_not() {
    let ca = authority();
    for (host, sent) in [("localhost", Some("localhost")), ("127.0.0.1", None)] {
        let (address, router) = router(named(&ca, vec![dns(host)]), &ca, Then::Wait).await;
        prober().probe(&endpoint(host, address.port()), &secret(&ca, &ca)).await.unwrap();
        assert_eq!(timeout(SOON, router).await.unwrap().unwrap().as_deref(), sent);
    }
}

#[tokio::test]
async fn an_address_must_be_among_the_names_and_not_the_addresses() {
    let ca = authority();
    let address = SanType::IpAddress(Ipv4Addr::LOCALHOST.into());

    assert_eq!(linking("127.0.0.1", named(&ca, vec![dns("127.0.0.1")]), &ca).await, Ok(()));
    let refused = linking("127.0.0.1", named(&ca, vec![address]), &ca).await;
    assert_eq!(refused, Err("127.0.0.1:PORT: certificate does not name 127.0.0.1 (its names: serving)".to_owned()));
}

#[tokio::test]
async fn a_star_or_the_common_name_is_enough() {
    let ca = authority();
    let common = serving(&ca, &[], |params| {
        params.distinguished_name.push(DnType::CommonName, "LocalHost");
        params.subject_alt_names = vec![dns("elsewhere.example.com")];
    });

    assert_eq!(linking("localhost", named(&ca, vec![dns("*")]), &ca).await, Ok(()));
    assert_eq!(linking("127.0.0.1", named(&ca, vec![dns("127.0.*.1")]), &ca).await, Ok(()));
    assert_eq!(linking("localhost", common, &ca).await, Ok(()));
}

#[tokio::test]
async fn a_certificate_for_other_hosts_is_reported_with_its_names() {
    let ca = authority();
    let elsewhere = named(&ca, vec![dns("a.example.com"), dns("b.example.com")]);
    assert_eq!(
        linking("localhost", elsewhere, &ca).await.unwrap_err(),
        "localhost:PORT: certificate does not name localhost (its names: a.example.com, b.example.com, serving)"
    );
}

#[tokio::test]
async fn a_certificate_must_be_of_the_secrets_ca_of_now_and_for_servers() {
    let (ca, other) = (authority(), authority());
    let good = [dns("localhost")];
    let changed = |change: fn(&mut CertificateParams)| serving(&ca, &["localhost"], change);
    let expired = changed(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let early = changed(|params| params.not_before = rcgen::date_time_ymd(3000, 1, 1));
    let client = changed(|params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth));

    for (credential, cause) in [
        (named(&other, good.to_vec()), "its certificate was issued by another CA than the Secret's"),
        (expired, "its certificate has expired"),
        (early, "its certificate is not valid yet"),
        (client, "its certificate is not one for servers"),
    ] {
        let message = linking("localhost", credential, &ca).await.unwrap_err();
        assert_eq!(message, format!("localhost:PORT: {cause}"));
    }
}

#[tokio::test]
async fn a_router_that_refuses_our_certificate_after_the_handshake_is_not_ready() {
    let (ca, other) = (authority(), authority());
    let (address, router) = router(named(&ca, vec![dns("localhost")]), &ca, Then::Wait).await;
    let failure = prober().probe(&endpoint("localhost", address.port()), &secret(&ca, &other)).await.unwrap_err();
    timeout(SOON, router).await.unwrap().unwrap();
    assert!(failure.message.contains("it refused our certificate: it does not know our CA"), "{failure}");
}

#[tokio::test]
async fn a_router_that_hangs_up_without_a_word_has_not_taken_the_link() {
    let ca = authority();
    let (address, router) = router(named(&ca, vec![dns("localhost")]), &ca, Then::HangUp).await;
    let failure = prober().probe(&endpoint("localhost", address.port()), &secret(&ca, &ca)).await.unwrap_err();
    timeout(SOON, router).await.unwrap().unwrap();
    assert!(failure.message.contains("after the handshake, as when it refuses our certificate"), "{failure}");
}

#[test]
fn a_key_may_be_in_any_form_that_routers_read() {
    let ca_pem = authority().as_ref().pem();
    for (label, make) in [
        ("RSA PRIVATE KEY", "openssl genrsa -traditional 2048"),
        ("PRIVATE KEY", "openssl genpkey -algorithm RSA"),
        ("EC PARAMETERS", "openssl ecparam -name prime256v1 -genkey"),
        ("EC PRIVATE KEY", "openssl ecparam -name prime256v1 -genkey -noout"),
        ("PRIVATE KEY", "openssl genpkey -algorithm ED25519"),
    ] {
        // The key goes through the shell's memory, never through a file.
        let script = format!(
            "key=\"$({make})\" && echo \"$key\" && echo \"$key\" | openssl req -x509 -key /dev/stdin -subj /CN=east"
        );
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let (key, certificate) = printed.split_once("-----BEGIN CERTIFICATE").unwrap();
        assert!(key.starts_with(&format!("-----BEGIN {label}-----")), "{make}");

        let credentials = TlsSecret {
            name: "west".parse().unwrap(),
            ca_pem: ca_pem.clone(),
            certificate_pem: format!("-----BEGIN CERTIFICATE{certificate}"),
            key: crate::link::KeyPem::new(key.to_owned().into()),
        };
        let config = client_config(&credentials, &"localhost".parse().unwrap());
        assert!(config.is_ok(), "{make}: {}", config.unwrap_err());
    }
}

#[tokio::test]
async fn a_silent_port_costs_no_more_than_the_deadline() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let ca = authority();
    let hasty = NetworkProber { connected_within: Duration::from_millis(300), ..prober() };

    let (place, credentials) = (endpoint("127.0.0.1", address.port()), secret(&ca, &ca));
    let failure = timeout(SOON, hasty.probe(&place, &credentials)).await.unwrap().unwrap_err();

    assert_eq!(failure.message, format!("{address}: it took the connection and did not answer within 0.3 s"));
}

#[tokio::test]
async fn an_endpoint_that_is_no_router_is_reported_in_plain_words() {
    let ca = authority();
    let credentials = secret(&ca, &ca);
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let refused = prober().probe(&endpoint("127.0.0.1", free.port()), &credentials).await.unwrap_err();
    assert_eq!(refused.message, format!("{free}: connection refused"));

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let plain = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        stream.write_all(b"AMQP\x03\x01\x00\x00").await.unwrap();
    });
    let no_tls = prober().probe(&endpoint("127.0.0.1", address.port()), &credentials).await.unwrap_err();
    timeout(SOON, plain).await.unwrap().unwrap();
    assert_eq!(no_tls.message, format!("{address}: it does not speak TLS"));

    let unknown = timeout(SOON, prober().probe(&endpoint("nowhere.invalid", 1), &credentials)).await.unwrap();
    let message = unknown.unwrap_err().message;
    // The deadline passes where the name server is slow or there is none.
    assert!(message.contains("does not resolve") || message.contains("name server did not answer"), "{message}");
}

#[tokio::test]
async fn an_unusable_secret_is_reported_without_its_key() {
    let ca = authority();
    let place = endpoint("127.0.0.1", 1);
    let good = secret(&ca, &ca);
    let no_ca = TlsSecret { ca_pem: "x".to_owned(), ..good.clone() };
    let no_certificate = TlsSecret { certificate_pem: String::new(), ..good.clone() };
    let no_key = TlsSecret { key: crate::link::KeyPem::new("canary".to_owned().into()), ..good.clone() };
    let other_key = TlsSecret { key: secret(&ca, &ca).key, ..good };
    for (credentials, cause) in [
        (no_ca, "the Secret's ca.crt holds no certificate that can be read"),
        (no_certificate, "the Secret's tls.crt holds no certificate that can be read"),
        (no_key, "the Secret's tls.key holds no private key that can be read"),
        (other_key, "the Secret's tls.key does not belong to its tls.crt"),
    ] {
        let failure = prober().probe(&place, &credentials).await.unwrap_err();
        assert_eq!(failure.message, format!("127.0.0.1:1: {cause}"));
    }
}
