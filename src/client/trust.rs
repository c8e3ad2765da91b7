//! Verifies a redeem listener's certificate with the certificates of the token alone.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
    version::TLS13,
};

use super::redeem_error::RedeemTokenError;

/// TLS 1.3 with the token's certificates as the only roots; no ALPN and no resumption: there is only one request.
///
/// # Errors
/// [`RedeemTokenError::NoCa`], [`RedeemTokenError::CaUnreadable`].
pub(super) fn client_config(ca: &str) -> Result<Arc<ClientConfig>, RedeemTokenError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = TokenVerifier::new(ca, &provider)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|source| RedeemTokenError::TlsSetup { source })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Trusts a chain that ends in one of the token's certificates, and a server that presents one of them itself.
///
/// The latter is what Go's clients do too (docs/protocol.md section 1.4): a self-signed serving certificate may be the
/// token's CA. The library's own verifier requires that a server's certificate is not a CA and has an issuer.
#[derive(Debug)]
struct TokenVerifier {
    certificates: Vec<CertificateDer<'static>>,
    chains: Arc<WebPkiServerVerifier>,
}

impl TokenVerifier {
    fn new(ca: &str, provider: &Arc<CryptoProvider>) -> Result<Self, RedeemTokenError> {
        if ca.trim().is_empty() {
            return Err(RedeemTokenError::NoCa);
        }
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(ca.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| RedeemTokenError::CaUnreadable)?;
        let mut roots = RootCertStore::empty();
        // Text that is not a certificate is skipped, as Go's clients do: the others are still valid.
        roots.add_parsable_certificates(certificates.iter().cloned());
        // Fails when there is no root certificate.
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|_| RedeemTokenError::CaUnreadable)?;
        Ok(Self { certificates, chains })
    }
}

impl ServerCertVerifier for TokenVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.certificates.contains(end_entity) {
            return self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        }
        check_pinned(end_entity, now)?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Checks dates and purpose of a certificate that is itself trusted, so that its issuer does not matter.
pub(super) fn check_pinned(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let refuse = |error| Err(Error::InvalidCertificate(error));
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else {
        return refuse(CertificateError::BadEncoding);
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < certificate.validity().not_before.timestamp() {
        return refuse(CertificateError::NotValidYet);
    }
    if now > certificate.validity().not_after.timestamp() {
        return refuse(CertificateError::Expired);
    }
    match certificate.extended_key_usage() {
        Ok(None) => Ok(()),
        Ok(Some(usage)) if usage.value.server_auth || usage.value.any => Ok(()),
        Ok(Some(_)) => refuse(CertificateError::InvalidPurpose),
        Err(_) => refuse(CertificateError::BadEncoding),
    }
}
