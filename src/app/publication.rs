//! What tokens carry besides the code: the URL of the redeem listener, and the certificates to trust.

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use crate::{grant::GrantId, link::PublicUrl, pki::ServingIdentity, time::Timestamp};

/// The public URL of the redeem listener and its certificate, which can be replaced while the service runs.
///
/// A token carries the CA that its client trusts, so a certificate of another CA cannot take over at once: tokens in
/// circulation would be refused by their own clients. For an overlap the former certificate is served, while new tokens carry
/// both CAs; then the new certificate is served, and new tokens carry its CA alone.
#[derive(Debug)]
pub struct Publication {
    url: PublicUrl,
    served: RwLock<Served>,
}

#[derive(Debug)]
struct Served {
    /// In handshakes.
    identity: Arc<ServingIdentity>,
    /// What takes over later.
    next: Option<Next>,
    /// What new tokens carry.
    ca_pem: Arc<str>,
}

#[derive(Debug)]
struct Next {
    identity: Arc<ServingIdentity>,
    at: Timestamp,
}

/// How a certificate was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// The new certificate is served from the next handshake on.
    AtOnce,
    /// The former certificate is served until this instant, as tokens in circulation trust it alone.
    Later(Timestamp),
}

impl Publication {
    /// A listener at `url` with this certificate.
    pub fn new(url: PublicUrl, serving: ServingIdentity) -> Self {
        Self { url, served: RwLock::new(Served::only(Arc::new(serving))) }
    }

    /// The listener's public URL.
    pub fn url(&self) -> &PublicUrl {
        &self.url
    }

    /// The URL at which this grant is redeemed.
    pub fn grant_url(&self, id: GrantId) -> String {
        self.url.of_grant(id)
    }

    /// The certificate and key in use now.
    pub fn serving(&self) -> Arc<ServingIdentity> {
        Arc::clone(&self.read().identity)
    }

    /// The CAs that new tokens carry, as PEM.
    pub fn ca_pem(&self) -> Arc<str> {
        Arc::clone(&self.read().ca_pem)
    }

    /// Replaces the certificate. One that is trusted by the CAs of tokens in circulation takes over at the next handshake.
    /// Another one takes over after `overlap`, or at the end of the former certificate if that is sooner.
    pub fn replace_serving(&self, serving: ServingIdentity, now: Timestamp, overlap: Duration) -> Replacement {
        let serving = Arc::new(serving);
        let mut served = self.write();
        let at = now.saturating_add(overlap).min(served.identity.not_after());
        if at <= now || serving.is_trusted_by(served.identity.ca_pem(), now) {
            *served = Served::only(serving);
            return Replacement::AtOnce;
        }
        let both = format!("{}\n{}", serving.ca_pem().trim_end(), served.identity.ca_pem());
        served.ca_pem = both.into();
        served.next = Some(Next { identity: serving, at });
        Replacement::Later(at)
    }

    /// Serves the certificate whose time has come. Gives whether there was one.
    pub fn switch_if_due(&self, now: Timestamp) -> bool {
        if self.read().next.as_ref().is_none_or(|next| now < next.at) {
            return false;
        }
        let mut served = self.write();
        match served.next.take() {
            Some(next) => {
                *served = Served::only(next.identity);
                true
            }
            None => false,
        }
    }

    // A poisoned lock still holds whole values: the code that holds it does not panic.
    fn read(&self) -> RwLockReadGuard<'_, Served> {
        self.served.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Served> {
        self.served.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Served {
    fn only(identity: Arc<ServingIdentity>) -> Self {
        Self { ca_pem: identity.ca_pem().into(), identity, next: None }
    }
}
