//! Certificates that grantd makes for itself: a CA, and a serving certificate that it signs.

use std::{str::FromStr, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize, SanType, SerialNumber,
};
use rustls_pki_types::PrivateKeyDer;
use x509_parser::asn1_rs::{Any, FromDer};
use zeroize::Zeroizing;

use super::{
    certificate,
    error::{CertificateFault, IssuerFault, PkiError},
    issuer::check_dates,
    key,
    pem::{self, PrivateKeyPem},
    profile::{BACKDATING, common_name},
};
use crate::{grant, link::Host, time::Timestamp};

/// How long a self-made CA is valid.
const CA_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// The common name of serving certificates; clients look at the subjectAltName alone.
const SERVING_NAME: &str = "grantd";

/// The key of a self-made CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CaKeyType {
    /// ECDSA P-256, written as PKCS#8.
    #[default]
    EcdsaP256,
    /// RSA-2048, written as PKCS#1: the only kind Skupper's own code can sign with (docs/protocol.md section 3.4).
    Rsa2048,
}

impl CaKeyType {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::EcdsaP256, Self::Rsa2048];

    /// The name in flags and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::Rsa2048 => "rsa-2048",
        }
    }
}

impl std::fmt::Display for CaKeyType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no kind of CA key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 'ecdsa-p256' or 'rsa-2048'")]
pub struct ParseCaKeyTypeError;

impl FromStr for CaKeyType {
    type Err = ParseCaKeyTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(ParseCaKeyTypeError)
    }
}

/// A CA that grantd has made: self-signed, and valid for ten years.
#[derive(Debug)]
pub struct SelfMadeCa {
    /// Its certificate, as PEM.
    pub certificate_pem: String,
    /// Its key, as PEM.
    pub key: PrivateKeyPem,
}

/// Makes a self-signed CA that may sign certificates and revocation lists, valid from five minutes ago.
///
/// A common name of more than 64 bytes is shortened as a client's is.
///
/// # Errors
/// [`PkiError::Make`] when the machine fails.
pub fn make_ca(name: &str, key_type: CaKeyType, now: Timestamp) -> Result<SelfMadeCa, PkiError> {
    let key = match key_type {
        CaKeyType::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        CaKeyType::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
    }
    .map(Zeroizing::new)
    .map_err(|source| PkiError::Make { what: "CA key", source })?;
    let make = |source| PkiError::Make { what: "CA certificate", source };
    let mut params = params(&common_name(name), now, CA_VALIDITY).map_err(make)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&*key).map_err(make)?;
    let key = match key_type {
        CaKeyType::EcdsaP256 => PrivateKeyPem::from_der(pem::PRIVATE_KEY, key.serialized_der()),
        CaKeyType::Rsa2048 => {
            let inner = private_key_octets(key.serialized_der());
            let inner = inner.ok_or_else(|| make(rcgen::Error::CouldNotParseKeyPair))?;
            PrivateKeyPem::from_der(pem::RSA_PRIVATE_KEY, inner)
        }
    };
    Ok(SelfMadeCa { certificate_pem: pem::encode(pem::CERTIFICATE, certificate.der()), key })
}

/// Makes an ECDSA P-256 key and a serving certificate for these hosts, valid from five minutes ago and never past its CA.
/// The CA is one that [`make_ca`] has made.
///
/// The chain is the certificate alone: its issuer is in the CA file that tokens carry.
///
/// # Errors
/// [`PkiError::NoHosts`], [`PkiError::Authority`] when the CA cannot be used, [`PkiError::Make`] when the machine fails.
pub fn make_serving(
    ca_certificate_pem: &[u8],
    ca_key_pem: &[u8],
    hosts: &[Host],
    now: Timestamp,
    validity: Duration,
) -> Result<(String, PrivateKeyPem), PkiError> {
    if hosts.is_empty() {
        return Err(PkiError::NoHosts);
    }
    let what = "serving certificate";
    let make = |source| PkiError::Make { what, source };
    let mut params = params(SERVING_NAME, now, validity).map_err(make)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.subject_alt_names = hosts.iter().map(alternative_name).collect::<Result<_, _>>().map_err(make)?;
    sign_with(ca_certificate_pem, ca_key_pem, params, now, what)
}

/// Makes a key and has the CA sign a certificate with these `params`, valid no longer than the CA. Errors name it as `what`.
pub(super) fn sign_with(
    ca_certificate_pem: &[u8],
    ca_key_pem: &[u8],
    mut params: CertificateParams,
    now: Timestamp,
    what: &'static str,
) -> Result<(String, PrivateKeyPem), PkiError> {
    let chain = certificate::read_all(ca_certificate_pem).map_err(certificate_fault)?;
    let damaged = || certificate_fault(CertificateFault::Damaged { number: 1 });
    let ca_der = chain.first().ok_or_else(damaged)?;
    let ca = certificate::parse(ca_der).ok_or_else(damaged)?;
    let ca_key = key::read(ca_key_pem).map_err(|fault| PkiError::Authority(IssuerFault::Key(fault)))?;
    if !ca_key.key.belongs_to(ca.public_key()) {
        return Err(PkiError::Authority(IssuerFault::KeyMismatch));
    }
    let ca_validity = certificate::validity(&ca);
    check_dates(ca_validity, now).map_err(PkiError::Authority)?;

    let make = |source| PkiError::Make { what, source };
    params.not_after = params.not_after.min(ca_validity.not_after.to_offset_date_time());
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(Zeroizing::new).map_err(make)?;
    let ca_key =
        PrivateKeyDer::try_from(ca_key.der.as_slice()).map_err(|_| make(rcgen::Error::CouldNotParseKeyPair))?;
    let ca_key = KeyPair::try_from(&ca_key).map(Zeroizing::new).map_err(make)?;
    let issuer = rcgen::Issuer::from_ca_cert_der(ca_der, &*ca_key).map_err(make)?;
    let certificate = params.signed_by(&*key, &issuer).map_err(make)?;
    // rcgen encodes the issuer's name again, which changes some names of CAs that are not self-made.
    let issued = certificate::parse(certificate.der()).is_some_and(|leaf| certificate::is_issued_by(&leaf, &ca));
    if !issued {
        return Err(PkiError::Authority(IssuerFault::Probe { what: "it is not issued by the CA" }));
    }
    Ok((
        pem::encode(pem::CERTIFICATE, certificate.der()),
        PrivateKeyPem::from_der(pem::PRIVATE_KEY, key.serialized_der()),
    ))
}

fn certificate_fault(fault: CertificateFault) -> PkiError {
    PkiError::Authority(IssuerFault::Certificate(fault))
}

pub(super) fn params(name: &str, now: Timestamp, validity: Duration) -> Result<CertificateParams, rcgen::Error> {
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| rcgen::Error::RingUnspecified)?;
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    let mut params = CertificateParams::default();
    params.not_before = now.saturating_sub(BACKDATING).to_offset_date_time();
    params.not_after = now.saturating_add(validity).to_offset_date_time();
    params.serial_number = Some(SerialNumber::from_slice(grant::SerialNumber::from_random(serial).as_bytes()));
    params.distinguished_name = distinguished_name;
    Ok(params)
}

fn alternative_name(host: &Host) -> Result<SanType, rcgen::Error> {
    Ok(match host.ip() {
        Some(address) => SanType::IpAddress(address),
        None => SanType::DnsName(host.as_str().try_into()?),
    })
}

/// The key inside a PKCS#8 document, which for RSA is a PKCS#1 document (RFC 5208 5).
fn private_key_octets(pkcs8: &[u8]) -> Option<&[u8]> {
    let (_, document) = Any::from_der(pkcs8).ok()?;
    let (rest, _version) = Any::from_der(document.data).ok()?;
    let (rest, _algorithm) = Any::from_der(rest).ok()?;
    let (_, key) = Any::from_der(rest).ok()?;
    Some(key.data)
}
