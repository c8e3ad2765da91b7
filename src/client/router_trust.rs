//! Verifies a router's certificate as routers do: the CA of the link's Secret, and the names
//! (docs/protocol.md section 3.3).

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
    version::TLS13,
};

use super::{
    router_name::{covers, names},
    trust::check_pinned,
};
use crate::link::{Host, TlsSecret};

/// Why the texts of a Secret cannot be used as credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialsError {
    #[error("the Secret's ca.crt holds no certificate that can be read")]
    Ca,
    #[error("the Secret's tls.crt holds no certificate that can be read")]
    Certificate,
    #[error("the Secret's tls.key holds no private key that can be read")]
    Key,
    #[error("the Secret's tls.key does not belong to its tls.crt")]
    Mismatch,
    #[error("cannot set up TLS 1.3")]
    Setup,
}

/// TLS 1.3 with the Secret's certificate, which trusts the Secret's CA only, for a router at `host`. No ALPN and no
/// resumption: there is only one handshake.
pub(super) fn client_config(credentials: &TlsSecret, host: &Host) -> Result<Arc<ClientConfig>, CredentialsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = RouterVerifier::new(&credentials.ca_pem, host, &provider)?;
    let chain = certificates(&credentials.certificate_pem).ok_or(CredentialsError::Certificate)?;
    // Routers accept keys in PKCS#1, SEC1 and PKCS#8.
    let key = PrivateKeyDer::from_pem_slice(credentials.key.expose().as_bytes()).map_err(|_| CredentialsError::Key)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|_| CredentialsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(chain, key)
        .map_err(|error| not_a_pair(&error))?;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the TLS library's enum, which grows")]
fn not_a_pair(error: &Error) -> CredentialsError {
    match error {
        Error::InconsistentKeys(_) => CredentialsError::Mismatch,
        Error::InvalidCertificate(_) => CredentialsError::Certificate,
        _ => CredentialsError::Key,
    }
}

/// All certificates of a PEM text, at least one.
fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().ok()?;
    (!found.is_empty()).then_some(found)
}

/// Trusts a certificate that names the host and that one of the Secret's CA certificates has issued, or is.
#[derive(Debug)]
struct RouterVerifier {
    host: Host,
    anchors: Vec<CertificateDer<'static>>,
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl RouterVerifier {
    fn new(ca: &str, host: &Host, provider: &CryptoProvider) -> Result<Self, CredentialsError> {
        let anchors = certificates(ca).ok_or(CredentialsError::Ca)?;
        let mut roots = RootCertStore::empty();
        // Text that is not a certificate is skipped: the others are still valid.
        let (added, _) = roots.add_parsable_certificates(anchors.iter().cloned());
        if added == 0 {
            return Err(CredentialsError::Ca);
        }
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { host: host.clone(), anchors, roots, algorithms })
    }

    /// To be called after the chain is verified: the names of an unverified certificate prove nothing.
    fn check_name(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let names = names(&parsed);
        if names.iter().any(|name| covers(name, self.host.as_str())) {
            return Ok(());
        }
        let mut presented: Vec<String> = Vec::new();
        for name in names {
            if !presented.iter().any(|seen| seen == name) {
                presented.push(name.to_owned());
            }
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            // The handshake has parsed the host already, so it is a server name here.
            expected: server_name(&self.host).ok_or(Error::InvalidCertificate(CertificateError::NotValidForName))?,
            presented,
        }))
    }
}

/// The host in the form of the TLS library, which sends a name as SNI and does not send an address.
pub(super) fn server_name(host: &Host) -> Option<ServerName<'static>> {
    ServerName::try_from(host.as_str().to_owned()).ok()
}

impl ServerCertVerifier for RouterVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.anchors.contains(end_entity) {
            check_pinned(end_entity, now)?;
        } else {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        }
        self.check_name(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
