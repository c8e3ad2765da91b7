//! The certificate of a site's router, as far as links depend on it.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

use super::{certificate, error::PkiError, serving::is_trusted};
use crate::{file, time::Timestamp};

/// A router's certificate with its chain, which was read and not checked.
#[derive(Debug)]
pub struct RouterCertificate {
    chain: Vec<CertificateDer<'static>>,
    dns_names: Vec<String>,
    not_after: Timestamp,
    is_ca: bool,
}

impl RouterCertificate {
    /// Reads a PEM file, leaf first.
    ///
    /// # Errors
    /// [`PkiError`] naming the file, when there is no certificate in it.
    pub fn load(path: &Path) -> Result<Self, PkiError> {
        let pem = file::read(path).map_err(PkiError::File)?;
        let fault = |source| PkiError::Router { path: path.to_owned(), source };
        let chain = certificate::read_all(&pem).map_err(fault)?;
        let damaged = || fault(super::CertificateFault::Damaged { number: 1 });
        let (dns_names, not_after, is_ca) = {
            let leaf = chain.first().and_then(|der| certificate::parse(der)).ok_or_else(damaged)?;
            (dns_names(&leaf), certificate::validity(&leaf).not_after, leaf.is_ca())
        };
        Ok(Self { dns_names, not_after, is_ca, chain })
    }

    /// Its last second.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether it is the certificate of a CA, and not of a router.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Whether it comes from one of these CA certificates (PEM), or is one of them.
    pub fn comes_from(&self, ca_pem: &[u8], now: Timestamp) -> bool {
        let Ok(anchors) = certificate::read_all(ca_pem) else { return false };
        let anchors: Vec<_> = anchors.iter().filter_map(|der| certificate::parse(der)).collect();
        let chain: Vec<_> = self.chain.iter().filter_map(|der| certificate::parse(der)).collect();
        chain.split_first().is_some_and(|(leaf, intermediates)| is_trusted(leaf, intermediates, &anchors, now))
    }

    /// Whether it has this DNS name, or one with a wildcard for its first label.
    pub fn has_dns_name(&self, host: &str) -> bool {
        let rest = host.split_once('.').map(|(_, rest)| rest);
        self.dns_names.iter().any(|name| {
            name.eq_ignore_ascii_case(host)
                || name.strip_prefix("*.").is_some_and(|own| rest.is_some_and(|rest| own.eq_ignore_ascii_case(rest)))
        })
    }
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten().map(|names| &names.value.general_names);
    let dns =
        |name: &GeneralName<'_>| if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None };
    names.into_iter().flatten().filter_map(dns).collect()
}
