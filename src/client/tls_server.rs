//! A real TLS server for one connection, and the certificates that it presents.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

pub(super) const CODE: &str = "L1qCl2mZ7D81gbXp3ax4YT0K";

pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(super) fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(super) struct Credential {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) pem: String,
    pub(super) key: PrivateKeyDer<'static>,
}

/// A serving certificate for these names and addresses, after `change` has been made to it.
pub(super) fn serving(issuer: &Authority, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Credential {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "serving");
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    credential(&certificate, &key)
}

pub(super) fn credential(certificate: &rcgen::Certificate, key: &KeyPair) -> Credential {
    Credential {
        certificate: certificate.der().clone(),
        pem: certificate.pem(),
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    }
}

/// What the server does once it has read a request.
pub(super) enum Then {
    Answer(Vec<u8>),
    /// Answers, and keeps the connection open until the client closes it.
    AnswerAndStay(Vec<u8>),
    SayNothing,
}

/// Accepts handshakes with this credential.
pub(super) fn acceptor(credential: Credential) -> TlsAcceptor {
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![credential.certificate], credential.key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A TLS server for one connection; gives back the request it has read.
pub(super) async fn serve(credential: Credential, then: Then) -> (SocketAddr, JoinHandle<String>) {
    let acceptor = acceptor(credential);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = acceptor.accept(stream).await else { return String::new() };
        let mut request = vec![0; 4096];
        let mut length = 0;
        while !request[..length].ends_with(CODE.as_bytes()) {
            let read = stream.read(&mut request[length..]).await.unwrap();
            assert!(read > 0, "the request ends before its code");
            length += read;
        }
        request.truncate(length);
        match then {
            Then::Answer(answer) => {
                // The client may close the connection before all of the answer is written.
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
            Then::AnswerAndStay(answer) => {
                let _ = stream.write_all(&answer).await;
                drop(stream.read(&mut [0]).await);
            }
            Then::SayNothing => drop(stream.read(&mut [0]).await),
        }
        String::from_utf8(request).unwrap()
    });
    (address, server)
}
