//! Certificates that are read from files.

use aws_lc_rs::digest;
use rustls_pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate,
    extensions::ParsedExtension,
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
    },
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

use super::{error::CertificateFault, pem, profile::Validity};
use crate::{grant::KeyFingerprint, time::Timestamp};

/// Reads every certificate of a PEM file, at least one. A file that is accepted may be sent to others as it is.
///
/// # Errors
/// [`CertificateFault`], also when the file holds a private key, which would be sent with the file.
pub(super) fn read_all(contents: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let blocks = pem::blocks(contents).map_err(CertificateFault::Pem)?;
    let found = blocks.first().map_or("nothing", |block| block.label).to_owned();
    // Anywhere, not only as a block: a key that is indented or follows a byte order mark is no PEM block here, but other
    // readers take it as one.
    let has_key = contents.windows(pem::PRIVATE_KEY.len()).any(|text| text == pem::PRIVATE_KEY.as_bytes());
    let certificates: Vec<_> = blocks
        .into_iter()
        .filter(|block| block.label == pem::CERTIFICATE)
        .map(|block| CertificateDer::from(block.der.to_vec()))
        .collect();
    if certificates.is_empty() {
        return Err(CertificateFault::NoCertificate { found });
    }
    if has_key {
        return Err(CertificateFault::HoldsPrivateKey);
    }
    match certificates.iter().position(|der| parse(der).is_none()) {
        Some(index) => Err(CertificateFault::Damaged { number: index + 1 }),
        None => Ok(certificates),
    }
}

/// The certificate in these bytes; `None` also when bytes follow it.
pub(super) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Some(certificate),
        Ok(_) | Err(_) => None,
    }
}

/// Its first and last second.
pub(super) fn validity(certificate: &X509Certificate<'_>) -> Validity {
    let dates = certificate.validity();
    Validity {
        not_before: Timestamp::from_unix_seconds(dates.not_before.timestamp()),
        not_after: Timestamp::from_unix_seconds(dates.not_after.timestamp()),
    }
}

/// Whether `issuer` has issued `certificate`: names are equal as bytes, as Go compares them, and the signature verifies.
pub(super) fn is_issued_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == issuer.subject().as_raw()
        && certificate.verify_signature(Some(issuer.public_key())).is_ok()
}

/// Whether it is a CA that may sign certificates; a certificate without `keyUsage` may do anything.
pub(super) fn may_sign_certificates(certificate: &X509Certificate<'_>) -> bool {
    match certificate.key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.key_cert_sign()),
        Err(_) => false,
    }
}

/// Its subjectKeyIdentifier, when it has one.
pub(super) fn key_identifier<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate.iter_extensions().find_map(|extension| {
        let ParsedExtension::SubjectKeyIdentifier(identifier) = extension.parsed_extension() else { return None };
        (!identifier.0.is_empty()).then_some(identifier.0)
    })
}

/// Checks that signatures of this key can be made and verified here.
///
/// # Errors
/// [`CertificateFault::UnsupportedKey`] or [`CertificateFault::RsaSize`].
pub(super) fn check_public_key(key: &SubjectPublicKeyInfo<'_>) -> Result<(), CertificateFault> {
    let algorithm = &key.algorithm.algorithm;
    if *algorithm == OID_PKCS1_RSAENCRYPTION {
        let bits = rsa_bits(key).ok_or(CertificateFault::UnsupportedKey)?;
        return if (2048..=4096).contains(&bits) { Ok(()) } else { Err(CertificateFault::RsaSize { bits }) };
    }
    let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    let on_curve = curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384);
    if *algorithm == OID_SIG_ED25519 || (*algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY && on_curve) {
        Ok(())
    } else {
        Err(CertificateFault::UnsupportedKey)
    }
}

fn rsa_bits(key: &SubjectPublicKeyInfo<'_>) -> Option<usize> {
    let PublicKey::RSA(rsa) = key.parsed().ok()? else { return None };
    let zeros = rsa.modulus.iter().take_while(|byte| **byte == 0).count();
    let top = rsa.modulus.get(zeros)?;
    Some((rsa.modulus.len() - zeros) * 8 - usize::try_from(top.leading_zeros()).unwrap_or_default())
}

/// SHA-256 of a SubjectPublicKeyInfo.
pub(super) fn fingerprint(public_key: &[u8]) -> KeyFingerprint {
    let digest = digest::digest(&digest::SHA256, public_key);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    KeyFingerprint::from_bytes(bytes)
}
