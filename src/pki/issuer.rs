//! The issuer: a CA's certificate and key, and what it issues.

use std::{fmt, path::Path};

use x509_parser::certificate::X509Certificate;

use super::{
    certificate::{self, fingerprint},
    certificate_request::CertificateRequest,
    client_key::ClientKey,
    error::{CertificateFault, IssueError, IssuerFault, PkiError},
    key::{self, SigningKey},
    leaf::{Leaf, Template},
    pem::{self, PrivateKeyPem},
    profile::{ClientKeyType, KeyUsage, Profile, Validity, common_name},
};
use crate::{
    file,
    grant::{Admission, CertificateRecord, Certified, SerialNumber, Signed},
    time::Timestamp,
};

/// A CA that signs client certificates: any CA whose key is RSA (2048 to 4096 bits), ECDSA P-256 or P-384, or Ed25519,
/// whatever its name looks like.
///
/// Every value of this type has signed a trial certificate, which verified.
pub struct Issuer {
    key: SigningKey,
    template: Template,
    certificate_pem: String,
    validity: Validity,
}

/// A certificate and its key pair, unless that is the client's own. An issuer gives it out only as a part of a [`Signed`], so
/// that it is counted before it is sent.
#[derive(Debug)]
pub struct ClientCredential {
    certificate: Vec<u8>,
    key: Option<PrivateKeyPem>,
    record: CertificateRecord,
}

impl ClientCredential {
    /// The certificate alone, as PEM (docs/protocol.md section 3.1).
    pub fn certificate_pem(&self) -> String {
        certificate_pem(&self.certificate)
    }

    /// The private key, as PKCS#8 PEM; `None` when the client has it.
    pub fn key(&self) -> Option<&PrivateKeyPem> {
        self.key.as_ref()
    }
}

impl Certified for ClientCredential {
    fn record(&self) -> &CertificateRecord {
        &self.record
    }

    /// A certificate for a client's own key: it is of no use to others, and can be sent again.
    fn kept(&self) -> Option<&[u8]> {
        match self.key {
            Some(_) => None,
            None => Some(&self.certificate),
        }
    }
}

/// A certificate in DER as PEM text.
pub fn certificate_pem(der: &[u8]) -> String {
    pem::encode(pem::CERTIFICATE, der)
}

impl Issuer {
    /// Reads a CA from a certificate file and a key file, both PEM. Of several certificates the first is the CA.
    ///
    /// # Errors
    /// [`PkiError::File`], or [`PkiError::Issuer`] with the file at fault and what to do about it.
    pub fn load(certificate: &Path, key: &Path, now: Timestamp) -> Result<Self, PkiError> {
        let certificate_pem = file::read(certificate).map_err(PkiError::File)?;
        let key_pem = file::read(key).map_err(PkiError::File)?;
        let issuer = Self::from_pem(&certificate_pem, &key_pem, now).map_err(|source| {
            let (what, path) = match &source {
                IssuerFault::Key(_) | IssuerFault::KeyMismatch => ("key", key),
                IssuerFault::Certificate(_)
                | IssuerFault::NotCa
                | IssuerFault::NoCertSign
                | IssuerFault::NoClientAuth
                | IssuerFault::NotYetValid { .. }
                | IssuerFault::Expired { .. }
                | IssuerFault::Probe { .. } => ("certificate", certificate),
            };
            PkiError::Issuer { what, path: path.to_owned(), source }
        })?;
        // Last: of a file that is no key, the mode does not matter.
        file::check_key_mode(key).map_err(PkiError::File)?;
        Ok(issuer)
    }

    /// Reads a CA from the contents of its files, checks it, and has it sign a trial certificate.
    ///
    /// # Errors
    /// The first [`IssuerFault`] that applies.
    pub fn from_pem(certificate_pem: &[u8], key_pem: &[u8], now: Timestamp) -> Result<Self, IssuerFault> {
        let chain = certificate::read_all(certificate_pem).map_err(IssuerFault::Certificate)?;
        let damaged = || IssuerFault::Certificate(CertificateFault::Damaged { number: 1 });
        let der = chain.first().ok_or_else(damaged)?;
        let ca = certificate::parse(der).ok_or_else(damaged)?;
        let key = key::read(key_pem).map_err(IssuerFault::Key)?.key;
        check_ca(&ca)?;
        if !key.belongs_to(ca.public_key()) {
            return Err(IssuerFault::KeyMismatch);
        }
        let issuer = Self {
            template: Template::new(key.algorithm(), ca.subject().as_raw(), certificate::key_identifier(&ca)),
            key,
            // It is text: reading it as PEM has checked that.
            certificate_pem: String::from_utf8_lossy(certificate_pem).into_owned(),
            validity: certificate::validity(&ca),
        };
        issuer.check(now)?;
        issuer.probe(&ca, now)?;
        Ok(issuer)
    }

    /// Makes a key pair and signs its certificate. Records nothing and releases nothing.
    ///
    /// The instant of admission is the instant of issuing. An admission is consumed, so it is signed once:
    ///
    /// ```compile_fail,E0382
    /// fn twice(issuer: &grantd::pki::Issuer, profile: &grantd::pki::Profile, admission: grantd::grant::Admission) {
    ///     let first = issuer.issue(admission, profile);
    ///     let second = issuer.issue(admission, profile);
    /// }
    /// ```
    ///
    /// # Errors
    /// [`IssueError::Issuer`] when the CA is outside its dates, [`IssueError::Crypto`] when the machine fails.
    pub fn issue(&self, admission: Admission, profile: &Profile) -> Result<Signed<ClientCredential>, IssueError> {
        let credential = self.credential(admission.subject().as_str(), admission.admitted_at(), profile)?;
        Ok(Signed::new(admission, credential))
    }

    /// Signs a certificate for the key of a client's request. Otherwise as [`issue`](Self::issue); the kind of key in the
    /// profile means nothing here.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn issue_for(
        &self,
        admission: Admission,
        request: &CertificateRequest,
        profile: &Profile,
    ) -> Result<Signed<ClientCredential>, IssueError> {
        let (public_key, usage) = (&request.public_key, request.key_usage);
        let (subject, now) = (admission.subject().as_str(), admission.admitted_at());
        let (certificate, record) = self.certificate(subject, now, profile, public_key, usage)?;
        Ok(Signed::new(admission, ClientCredential { certificate, key: None, record }))
    }

    /// Whether signing alone, without making a key, takes most of a millisecond.
    pub fn signs_slowly(&self) -> bool {
        self.key.is_slow()
    }

    /// Whether issuing with this profile takes so long (most of a millisecond for an RSA CA, a tenth of a second and more
    /// for an RSA client key) that it must not run on a thread that serves connections.
    pub fn is_slow(&self, profile: &Profile) -> bool {
        self.key.is_slow() || profile.key_type.is_slow()
    }

    /// The bytes of the certificate file, as they were read: routers of linking sites are to trust these certificates.
    pub fn ca_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The CA's last second.
    pub fn not_after(&self) -> Timestamp {
        self.validity.not_after
    }

    /// Whether the CA can sign at `now`.
    ///
    /// # Errors
    /// [`IssuerFault::NotYetValid`] or [`IssuerFault::Expired`].
    pub fn check(&self, now: Timestamp) -> Result<(), IssuerFault> {
        check_dates(self.validity, now)
    }

    fn credential(&self, subject: &str, now: Timestamp, profile: &Profile) -> Result<ClientCredential, IssueError> {
        self.check(now).map_err(IssueError::Issuer)?;
        let key = ClientKey::generate(profile.key_type).map_err(|_| IssueError::Crypto { action: "make a key" })?;
        let usage = profile.key_type.key_usage();
        let (certificate, record) = self.certificate(subject, now, profile, &key.public_key, usage)?;
        Ok(ClientCredential { certificate, key: Some(key.private_key), record })
    }

    /// The certificate of a public key, in DER, and its record.
    fn certificate(
        &self,
        subject: &str,
        now: Timestamp,
        profile: &Profile,
        public_key: &[u8],
        key_usage: KeyUsage,
    ) -> Result<(Vec<u8>, CertificateRecord), IssueError> {
        self.check(now).map_err(IssueError::Issuer)?;
        let serial = random_serial()?;
        let validity = self.validity.within(now, profile.validity);
        let common_name = &common_name(subject);
        let der = self.sign(&Leaf { serial, common_name, validity, public_key, key_usage })?;
        let key_fingerprint = fingerprint(public_key);
        Ok((der, CertificateRecord { serial, key_fingerprint, not_after: validity.not_after }))
    }

    fn sign(&self, leaf: &Leaf<'_>) -> Result<Vec<u8>, IssueError> {
        let to_be_signed = self.template.to_be_signed(leaf);
        let signature =
            self.key.sign(&to_be_signed).map_err(|_| IssueError::Crypto { action: "sign a certificate" })?;
        Ok(self.template.certificate(&to_be_signed, &signature))
    }

    /// Signs a certificate and reads it back, so that an unusual CA that does not work is refused at the start, and not later
    /// by a peer.
    fn probe(&self, ca: &X509Certificate<'_>, now: Timestamp) -> Result<(), IssuerFault> {
        let profile = Profile { key_type: ClientKeyType::EcdsaP256, ..Profile::default() };
        let credential = self
            .credential("probe", now, &profile)
            .map_err(|_| IssuerFault::Probe { what: "it could not be signed" })?;
        let read = certificate::read_all(credential.certificate_pem().as_bytes()).unwrap_or_default();
        let leaf = read.first().and_then(|der| certificate::parse(der));
        let leaf = leaf.ok_or(IssuerFault::Probe { what: "it cannot be read back" })?;
        if leaf.issuer().as_raw() != ca.subject().as_raw() {
            return Err(IssuerFault::Probe { what: "it names another issuer" });
        }
        if !certificate::is_issued_by(&leaf, ca) {
            return Err(IssuerFault::Probe { what: "its signature does not verify" });
        }
        Ok(())
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("validity", &self.validity).finish_non_exhaustive()
    }
}

/// Checks what verifiers require of the CA of a client certificate, except its dates and its signature.
fn check_ca(ca: &X509Certificate<'_>) -> Result<(), IssuerFault> {
    let is_ca = ca.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.value.ca);
    if !is_ca {
        return Err(IssuerFault::NotCa);
    }
    if !certificate::may_sign_certificates(ca) {
        return Err(IssuerFault::NoCertSign);
    }
    // OpenSSL, which routers use, applies a CA's extended key usage to all certificates below it, and ignores "any".
    let allows_clients = match ca.extended_key_usage() {
        Ok(usages) => usages.is_none_or(|usages| usages.value.client_auth),
        Err(_) => false,
    };
    if !allows_clients {
        return Err(IssuerFault::NoClientAuth);
    }
    certificate::check_public_key(ca.public_key()).map_err(IssuerFault::Certificate)
}

/// Whether `now` lies within a CA's dates.
pub(super) fn check_dates(validity: Validity, now: Timestamp) -> Result<(), IssuerFault> {
    let Validity { not_before, not_after } = validity;
    if now < not_before {
        Err(IssuerFault::NotYetValid { not_before })
    } else if now > not_after {
        Err(IssuerFault::Expired { not_after })
    } else {
        Ok(())
    }
}

fn random_serial() -> Result<SerialNumber, IssueError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| IssueError::Crypto { action: "draw a serial number" })?;
    Ok(SerialNumber::from_random(bytes))
}
