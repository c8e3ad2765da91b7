//! TLS of the redeem listener (docs/protocol.md section 1.4).

use std::sync::Arc;

use rustls::{
    AlertDescription, NamedGroup,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::ServerName,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::server::{Answer, CODE, Directory, Server, post, serving_identity};

#[tokio::test]
async fn the_post_quantum_group_is_preferred_and_each_group_is_counted() {
    let server = Server::start().await;
    for (offered, chosen, label) in [
        (
            vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519],
            NamedGroup::X25519MLKEM768,
            "x25519mlkem768",
        ),
        (vec![aws_lc_rs::kx_group::X25519], NamedGroup::X25519, "x25519"),
        (vec![aws_lc_rs::kx_group::SECP256R1], NamedGroup::secp256r1, "secp256r1"),
    ] {
        let provider = CryptoProvider { kx_groups: offered, ..aws_lc_rs::default_provider() };
        let tls = server.connect_with(server.client_config_with(provider)).await.unwrap();
        assert_eq!(tls.get_ref().1.negotiated_key_exchange_group().unwrap().name(), chosen);
        let line = format!("grantd_tls_handshakes_total{{group=\"{label}\",outcome=\"completed\"}}");
        server.metric_becomes(&line, 1).await;
    }
}

#[tokio::test]
async fn a_client_without_a_common_group_is_refused_and_counted() {
    let server = Server::start().await;
    let provider = CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::SECP384R1], ..aws_lc_rs::default_provider() };

    let error = server.connect_with(server.client_config_with(provider)).await.unwrap_err();

    assert!(error.to_string().contains("HandshakeFailure"), "{error}");
    server.metric_becomes("grantd_tls_handshakes_total{group=\"none\",outcome=\"failed\"}", 1).await;
}

#[tokio::test]
async fn http_1_1_is_agreed_on_when_the_client_asks_and_h2_alone_is_refused() {
    let server = Server::start().await;
    let mut config = server.client_config();
    assert_eq!(server.connect().await.get_ref().1.alpn_protocol(), None);

    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tls = server.connect_with(config.clone()).await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));

    config.alpn_protocols = vec![b"h2".to_vec()];
    let error = server.connect_with(config).await.unwrap_err();
    let alert = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
    assert_eq!(error.to_string(), alert.to_string());
}

#[tokio::test]
async fn any_server_name_and_none_get_the_same_certificate() {
    let server = Server::start().await;
    let by_address = server.connect().await;
    let by_name =
        server.connect_to(ServerName::try_from("localhost").unwrap(), server.client_config().into()).await.unwrap();

    let certificate = |tls: &tokio_rustls::client::TlsStream<_>| tls.get_ref().1.peer_certificates().unwrap().to_vec();
    assert_eq!(certificate(&by_address), certificate(&by_name));
    // Refused by the client, which shows that a certificate was there to refuse.
    let error = server
        .connect_to(ServerName::try_from("other.example.com").unwrap(), server.client_config().into())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn no_ticket_is_sent_so_no_session_is_resumed() {
    let server = Server::start().await;
    let grant = server.grant(2).await;
    let config = Arc::new(server.client_config());
    for _ in 0..2 {
        let mut tls = server.connect_to(server.address.ip().into(), Arc::clone(&config)).await.unwrap();
        tls.write_all(&post(&format!("/{}", grant.id), "", CODE)).await.unwrap();
        assert_eq!(Answer::read(&mut tls).await.status(), "HTTP/1.1 200 OK");
        assert_eq!(tls.get_ref().1.tls13_tickets_received(), 0);
        assert_eq!(tls.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_from_the_next_handshake_on() {
    let server = Server::start().await;
    let mut before = server.connect().await;
    let other = Directory::new();

    let (new, now) = (serving_identity(&other, &server.clock), server.clock.now());
    server.app.publication().replace_serving(new, now, std::time::Duration::ZERO);

    assert!(server.connect_with(server.client_config()).await.is_err(), "the old CA must not do any more");
    std::fs::copy(other.path().join("ca.crt"), server.ca_path()).unwrap();
    drop(server.connect().await);
    // The connection made before goes on.
    before.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(Answer::read(&mut before).await.status(), "HTTP/1.1 405 Method Not Allowed");
}

#[tokio::test]
async fn plain_http_on_the_tls_port_gets_an_alert_and_is_counted() {
    let server = Server::start().await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();

    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(super::server::PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap();

    assert_eq!(bytes.first(), Some(&21), "a TLS alert record, not {bytes:?}");
    server.metric_becomes("grantd_tls_handshakes_total{group=\"none\",outcome=\"failed\"}", 1).await;
}
