//! The register of admin users: which certificates were issued to whom, and which were revoked.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::{
    pki::{AdminCertificate, AdminScope, AdminSerial, AdminUser, UserName},
    time::Timestamp,
};

/// The most certificates that are registered, so that the file stays below the limit of its reader. Expired ones do not count.
const MOST_CERTIFICATES: usize = 3000;
/// How long a certificate that has expired is still listed.
const KEPT_EXPIRED: Duration = Duration::from_secs(30 * 24 * 3600);
/// The most certificates that wait to be registered after their clients connected; more are registered when they connect again.
const MOST_SEEN: usize = 256;
/// The version of the document.
const FORMAT: u64 = 1;

/// A certificate in the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredCertificate {
    /// The certificate.
    pub certificate: AdminCertificate,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// The certificates of admin users, and what was revoked. A value; [`AdminUsers`] is what the server shares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserRegister {
    certificates: BTreeMap<AdminSerial, RegisteredCertificate>,
    /// Certificates of these names that are not registered, and were issued until this second, are revoked.
    revoked_names: BTreeMap<UserName, Timestamp>,
    /// Serials that are not registered, and are revoked.
    revoked_serials: BTreeMap<AdminSerial, Timestamp>,
}

/// The text is not a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a register of users: {what}")]
pub struct UserRegisterFault {
    /// What is wrong.
    what: &'static str,
}

/// The register has no place for one more certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MOST_CERTIFICATES} certificates that have not expired are registered already, and no more can be")]
pub struct UserRegisterFull;

impl UserRegister {
    /// Every registered certificate, by user and then by when it was issued.
    pub fn certificates(&self) -> Vec<&RegisteredCertificate> {
        let mut all: Vec<_> = self.certificates.values().collect();
        all.sort_by_key(|one| {
            let AdminCertificate { user, serial, issued_at, .. } = &one.certificate;
            (user.name.as_str(), *issued_at, serial)
        });
        all
    }

    /// When this certificate was revoked; `None` when it was not.
    pub fn revoked_at(&self, certificate: &AdminCertificate) -> Option<Timestamp> {
        let AdminCertificate { user, serial, issued_at, .. } = certificate;
        match self.certificates.get(serial) {
            Some(registered) => registered.revoked_at,
            None => {
                let by_name = self.revoked_names.get(&user.name).filter(|revoked_at| issued_at <= *revoked_at);
                self.revoked_serials.get(serial).or(by_name).copied()
            }
        }
    }

    /// Registers a certificate that was made just now: no earlier revocation of its user's name applies to it.
    ///
    /// # Errors
    /// [`UserRegisterFull`].
    pub fn issued(&mut self, certificate: AdminCertificate, now: Timestamp) -> Result<(), UserRegisterFull> {
        self.add(RegisteredCertificate { certificate, revoked_at: None }, now)
    }

    /// Registers a certificate whose client has connected. Gives `false` when it was there already, or there is no place.
    pub fn seen(&mut self, certificate: &AdminCertificate, now: Timestamp) -> bool {
        if self.certificates.contains_key(&certificate.serial) {
            return false;
        }
        let revoked_at = self.revoked_at(certificate);
        self.add(RegisteredCertificate { certificate: certificate.clone(), revoked_at }, now).is_ok()
    }

    /// Revokes every certificate of this name that was issued until now, also those that are not registered. Gives the
    /// number of registered ones that were still good.
    pub fn revoke_name(&mut self, name: &UserName, now: Timestamp) -> usize {
        self.revoked_names.insert(name.clone(), now);
        let of_name = self.certificates.values_mut().filter(|one| one.certificate.user.name == *name);
        let good: Vec<_> = of_name.filter(|one| one.revoked_at.is_none() && now <= one.certificate.not_after).collect();
        let number = good.len();
        good.into_iter().for_each(|one| one.revoked_at = Some(now));
        number
    }

    /// Revokes one certificate, registered or not. Gives its user when it is registered.
    pub fn revoke_serial(&mut self, serial: &AdminSerial, now: Timestamp) -> Option<AdminUser> {
        let Some(registered) = self.certificates.get_mut(serial) else {
            self.revoked_serials.entry(serial.clone()).or_insert(now);
            return None;
        };
        registered.revoked_at.get_or_insert(now);
        Some(registered.certificate.user.clone())
    }

    fn add(&mut self, one: RegisteredCertificate, now: Timestamp) -> Result<(), UserRegisterFull> {
        self.certificates.retain(|_, one| now <= one.certificate.not_after.saturating_add(KEPT_EXPIRED));
        if self.certificates.len() >= MOST_CERTIFICATES {
            self.certificates.retain(|_, one| now <= one.certificate.not_after);
        }
        if self.certificates.len() >= MOST_CERTIFICATES {
            return Err(UserRegisterFull);
        }
        self.certificates.insert(one.certificate.serial.clone(), one);
        Ok(())
    }

    /// The register as a document, for [`read`](Self::read).
    pub fn document(&self) -> Value {
        let certificates: Vec<Value> = self
            .certificates()
            .into_iter()
            .map(|RegisteredCertificate { certificate, revoked_at }| {
                let AdminCertificate { user, serial, issued_at, not_after } = certificate;
                let mut one = json!({
                    "serial": serial.as_str(), "name": user.name.as_str(), "scope": user.scope.to_string(),
                    "issuedAt": issued_at.to_string(), "notAfter": not_after.to_string(),
                });
                if let Some(revoked_at) = revoked_at {
                    one["revokedAt"] = revoked_at.to_string().into();
                }
                one
            })
            .collect();
        let times = |(key, at): (&str, &Timestamp)| (key.to_owned(), Value::from(at.to_string()));
        let names: Map<_, _> = self.revoked_names.iter().map(|(name, at)| times((name.as_str(), at))).collect();
        let serials: Map<_, _> = self.revoked_serials.iter().map(|(serial, at)| times((serial.as_str(), at))).collect();
        json!({
            "format": FORMAT, "certificates": certificates, "revokedNames": names, "revokedSerials": serials,
        })
    }

    /// Reads what [`document`](Self::document) wrote, as JSON. Nothing is left out: a fault in any part is a fault of the
    /// whole, as the part could be a revocation.
    ///
    /// # Errors
    /// [`UserRegisterFault`].
    pub fn read(json: &[u8]) -> Result<Self, UserRegisterFault> {
        let fault = |what| UserRegisterFault { what };
        let document: Value = serde_json::from_slice(json).map_err(|_| fault("it is not JSON"))?;
        if document["format"].as_u64() != Some(FORMAT) {
            return Err(fault("its format is not 1"));
        }
        let certificates = document["certificates"].as_array().ok_or(fault("it has no list of certificates"))?;
        let certificates: Option<BTreeMap<_, _>> = certificates.iter().map(read_certificate).collect();
        let times = |member: &str| document[member].as_object();
        let (names, serials) = (times("revokedNames"), times("revokedSerials"));
        let (Some(names), Some(serials)) = (names, serials) else { return Err(fault("revocations are missing")) };
        let names = names.iter().map(|(name, at)| Some((name.parse().ok()?, time(at)?)));
        let serials = serials.iter().map(|(serial, at)| Some((serial.parse().ok()?, time(at)?)));
        Ok(Self {
            certificates: certificates.ok_or(fault("a certificate in it is not valid"))?,
            revoked_names: names.collect::<Option<_>>().ok_or(fault("a revoked name in it is not valid"))?,
            revoked_serials: serials.collect::<Option<_>>().ok_or(fault("a revoked serial in it is not valid"))?,
        })
    }
}

fn read_certificate(one: &Value) -> Option<(AdminSerial, RegisteredCertificate)> {
    let serial: AdminSerial = one["serial"].as_str()?.parse().ok()?;
    let scope: AdminScope = one["scope"].as_str()?.parse().ok()?;
    let user = AdminUser { name: one["name"].as_str()?.parse().ok()?, scope };
    let revoked_at = match one.get("revokedAt") {
        Some(at) => Some(time(at)?),
        None => None,
    };
    let (issued_at, not_after) = (time(&one["issuedAt"])?, time(&one["notAfter"])?);
    let certificate = AdminCertificate { user, serial: serial.clone(), issued_at, not_after };
    Some((serial, RegisteredCertificate { certificate, revoked_at }))
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// The register that the running server goes by.
#[derive(Debug)]
pub struct AdminUsers {
    register: watch::Sender<Arc<UserRegister>>,
    /// Certificates that are not registered, and whose clients have connected.
    seen: Mutex<VecDeque<AdminCertificate>>,
}

impl Default for AdminUsers {
    fn default() -> Self {
        Self { register: watch::Sender::new(Arc::default()), seen: Mutex::default() }
    }
}

impl AdminUsers {
    /// Goes by this register from now on, for open connections too.
    pub fn replace(&self, register: UserRegister) {
        self.register.send_replace(Arc::new(register));
    }

    /// The register that the server goes by.
    pub fn in_force(&self) -> Arc<UserRegister> {
        Arc::clone(&self.register.borrow())
    }

    /// Whether this certificate is good, as it is not revoked. One that is not registered is kept for [`take_seen`](Self::take_seen).
    pub fn admits(&self, certificate: &AdminCertificate) -> bool {
        let register = self.register.borrow();
        if !register.certificates.contains_key(&certificate.serial) {
            // A poisoned lock still holds a whole list.
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.len() < MOST_SEEN && !seen.contains(certificate) {
                seen.push_back(certificate.clone());
            }
        }
        register.revoked_at(certificate).is_none()
    }

    /// Completes when this certificate is revoked, at once when it is already.
    pub async fn revoked(&self, certificate: &AdminCertificate) {
        let mut register = self.register.subscribe();
        if register.wait_for(|register| register.revoked_at(certificate).is_some()).await.is_err() {
            // The sender lives as long as `self`.
            std::future::pending::<()>().await;
        }
    }

    /// Takes the certificates that connected and are not registered.
    pub fn take_seen(&self) -> Vec<AdminCertificate> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}
