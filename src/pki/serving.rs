//! The certificate of the redeem listener, and whether clients will accept it.

use std::{fmt, net::IpAddr, path::Path, time::Duration};

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName};
use zeroize::Zeroizing;

use super::{
    certificate,
    error::{CertificateFault, KeyFault, PkiError, ServingFault},
    key,
    profile::Validity,
};
use crate::{file, link::Host, time::Timestamp};

/// A certificate chain, its key, and the CA file that tokens carry. They are checked against each other as clients do it.
pub struct ServingIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: Zeroizing<PrivateKeyDer<'static>>,
    ca_pem: String,
    validity: Validity,
    names: Vec<Name>,
}

/// A subjectAltName that matters to clients.
#[derive(Debug, PartialEq, Eq)]
enum Name {
    Dns(String),
    Address(IpAddr),
}

/// One of the three files, to name the one at fault.
#[derive(Debug, Clone, Copy)]
enum ServingFile {
    Certificate,
    Key,
    Ca,
}

impl ServingIdentity {
    /// Reads and checks the three PEM files: the chain (leaf first), its key, and the CA certificates that tokens carry.
    ///
    /// What is accepted is what Skupper's clients accept (docs/protocol.md section 1.4): the leaf chains to a
    /// certificate of the CA file or is one of them; it is within its dates, has `serverAuth` or no extended key usage,
    /// and has a subjectAltName.
    ///
    /// # Errors
    /// [`PkiError::File`], or [`PkiError::Serving`] with the file at fault and what to do about it.
    pub fn load(certificate: &Path, key: &Path, ca: &Path, now: Timestamp) -> Result<Self, PkiError> {
        let certificate_pem = file::read(certificate).map_err(PkiError::File)?;
        let key_pem = file::read(key).map_err(PkiError::File)?;
        let ca_pem = file::read(ca).map_err(PkiError::File)?;
        let identity = Self::from_pem(&certificate_pem, &key_pem, &ca_pem, now).map_err(|(file, source)| {
            let (what, path) = match file {
                ServingFile::Certificate => ("certificate", certificate),
                ServingFile::Key => ("key", key),
                ServingFile::Ca => ("CA file", ca),
            };
            PkiError::Serving { what, path: path.to_owned(), source }
        })?;
        // Last: of a file that is no key, the mode does not matter.
        file::check_key_mode(key).map_err(PkiError::File)?;
        Ok(identity)
    }

    fn from_pem(
        certificate: &[u8],
        key: &[u8],
        ca: &[u8],
        now: Timestamp,
    ) -> Result<Self, (ServingFile, ServingFault)> {
        let fault = |file| move |fault| (file, ServingFault::Certificate(fault));
        let chain = certificate::read_all(certificate).map_err(fault(ServingFile::Certificate))?;
        let anchors = certificate::read_all(ca).map_err(fault(ServingFile::Ca))?;
        let key = key::read(key).map_err(|fault| (ServingFile::Key, ServingFault::Key(fault)))?;
        let certificates: Vec<_> = chain.iter().filter_map(|der| certificate::parse(der)).collect();
        let anchors: Vec<_> = anchors.iter().filter_map(|der| certificate::parse(der)).collect();
        let damaged = (ServingFile::Certificate, ServingFault::Certificate(CertificateFault::Damaged { number: 1 }));
        let (leaf, intermediates) = certificates.split_first().ok_or(damaged)?;

        let (validity, names) = check_leaf(leaf, now).map_err(|fault| (ServingFile::Certificate, fault))?;
        if !key.key.belongs_to(leaf.public_key()) {
            return Err((ServingFile::Key, ServingFault::KeyMismatch));
        }
        if !is_trusted(leaf, intermediates, &anchors, now) {
            return Err((ServingFile::Ca, ServingFault::Untrusted));
        }
        let key = PrivateKeyDer::try_from(key.der.to_vec())
            .map_err(|_| (ServingFile::Key, ServingFault::Key(KeyFault::Unsupported)))?;
        // It is text: reading it as PEM has checked that.
        let ca_pem = String::from_utf8_lossy(ca).into_owned();
        Ok(Self { key: Zeroizing::new(key), ca_pem, validity, names, chain })
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    /// A copy of the leaf's private key.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// The bytes of the CA file, as they were read: what tokens carry.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The leaf's first second.
    pub fn not_before(&self) -> Timestamp {
        self.validity.not_before
    }

    /// The leaf's last second.
    pub fn not_after(&self) -> Timestamp {
        self.validity.not_after
    }

    /// Whether a client that connects to `host` finds it in the certificate: an address among the iPAddress names, a name
    /// among the dNSName ones, where `*.` matches one label.
    pub fn covers(&self, host: &Host) -> bool {
        match host.ip() {
            Some(address) => self.names.contains(&Name::Address(address)),
            None => self.names.iter().any(|name| match name {
                Name::Dns(pattern) => matches(pattern, host.as_str()),
                Name::Address(_) => false,
            }),
        }
    }

    /// Whether the certificate names these hosts, each of them once, and nothing else.
    pub fn names_exactly(&self, hosts: &[Host]) -> bool {
        let is_named = |host: &Host| match host.ip() {
            Some(address) => self.names.contains(&Name::Address(address)),
            None => self.names.iter().any(|name| matches!(name, Name::Dns(name) if name == host.as_str())),
        };
        self.names.len() == hosts.len() && hosts.iter().all(is_named)
    }

    /// Whether a client that trusts only the certificates of this CA file accepts the certificate.
    pub fn is_trusted_by(&self, ca_pem: &str, now: Timestamp) -> bool {
        let Ok(anchors) = certificate::read_all(ca_pem.as_bytes()) else { return false };
        let anchors: Vec<_> = anchors.iter().filter_map(|der| certificate::parse(der)).collect();
        let chain: Vec<_> = self.chain.iter().filter_map(|der| certificate::parse(der)).collect();
        chain.split_first().is_some_and(|(leaf, intermediates)| is_trusted(leaf, intermediates, &anchors, now))
    }

    /// Whether two thirds of the leaf's validity are over, so that it is time to renew it.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let life = self.validity.not_after.since(self.validity.not_before);
        now >= self.validity.not_before.saturating_add(Duration::from_secs(life.as_secs() / 3 * 2))
    }
}

impl fmt::Debug for ServingIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServingIdentity")
            .field("names", &self.names)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

fn check_leaf(leaf: &X509Certificate<'_>, now: Timestamp) -> Result<(Validity, Vec<Name>), ServingFault> {
    certificate::check_public_key(leaf.public_key()).map_err(ServingFault::Certificate)?;
    let validity @ Validity { not_before, not_after } = certificate::validity(leaf);
    if now < not_before {
        return Err(ServingFault::NotYetValid { not_before });
    }
    if now > not_after {
        return Err(ServingFault::Expired { not_after });
    }
    let allows_servers = match leaf.extended_key_usage() {
        Ok(usages) => usages.is_none_or(|usages| usages.value.server_auth || usages.value.any),
        Err(_) => false,
    };
    if !allows_servers {
        return Err(ServingFault::NoServerAuth);
    }
    let names = names(leaf);
    if names.is_empty() {
        return Err(ServingFault::NoHosts);
    }
    Ok((validity, names))
}

fn names(leaf: &X509Certificate<'_>) -> Vec<Name> {
    let Ok(Some(alternatives)) = leaf.subject_alternative_name() else { return Vec::new() };
    alternatives
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(Name::Dns(name.to_ascii_lowercase())),
            GeneralName::IPAddress(octets) => <[u8; 4]>::try_from(*octets)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from))
                .map(Name::Address)
                .ok(),
            GeneralName::OtherName(..)
            | GeneralName::RFC822Name(_)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::URI(_)
            | GeneralName::RegisteredID(_)
            | GeneralName::Invalid(..) => None,
        })
        .collect()
}

/// Whether `pattern` covers `host`, which is in lower case; `*` is one whole first label (RFC 9525 6.3).
fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => pattern == host,
    }
}

/// Walks from the leaf through the intermediates until a certificate of the CA file has issued one, or is one.
pub(super) fn is_trusted(
    leaf: &X509Certificate<'_>,
    intermediates: &[X509Certificate<'_>],
    anchors: &[X509Certificate<'_>],
    now: Timestamp,
) -> bool {
    if anchors.iter().any(|anchor| anchor.as_raw() == leaf.as_raw()) {
        return true;
    }
    let issued = |current: &X509Certificate<'_>, issuer: &X509Certificate<'_>| {
        let Validity { not_before, not_after } = certificate::validity(issuer);
        (not_before..=not_after).contains(&now)
            && issuer.is_ca()
            && certificate::may_sign_certificates(issuer)
            && certificate::is_issued_by(current, issuer)
    };
    let mut current = leaf;
    // One step for each intermediate at most, so the walk ends also when they have issued each other.
    for _ in 0..=intermediates.len() {
        if anchors.iter().any(|anchor| issued(current, anchor)) {
            return true;
        }
        match intermediates.iter().find(|intermediate| issued(current, intermediate)) {
            Some(next) => current = next,
            None => return false,
        }
    }
    false
}
