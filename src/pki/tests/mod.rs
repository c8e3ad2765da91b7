//! The promises of this module, tested on CAs that the real `openssl` makes and with verifiers that are not ours.

mod bench;
mod faults;
mod issued;
mod matrix;
mod own;
mod requests;
mod serving;

use std::error::Error;

use bench::Bench;

use super::{ClientCredential, IssueError, Issuer, Profile, certificate};
use crate::{
    grant::{
        Admission, Allowance, CodeOrigin, Grant, GrantId, GrantMetadata, GrantTerms, PresentedCode, RedemptionRequest,
        Revision, Signed,
    },
    time::{Clock, Timestamp},
};

fn now() -> Timestamp {
    Clock::system().now()
}

/// The permission to sign a certificate for `subject` at `now`, got as the app gets it.
fn admission(subject: &str, now: Timestamp) -> Admission {
    let grant = Grant {
        id: GrantId::random(),
        namespace: "west".parse().unwrap(),
        name: "offer".parse().unwrap(),
        code: "secret".parse().unwrap(),
        code_origin: CodeOrigin::Given,
        allowance: Allowance::new(1, 0).unwrap(),
        terms: GrantTerms::default(),
        expires_at: now.saturating_add(std::time::Duration::from_secs(1)),
        created_at: now,
        last_redeemed_at: None,
        generation: 1,
        revision: Revision(1),
        metadata: GrantMetadata::default(),
    };
    let request = RedemptionRequest {
        link_name: Some("east".parse().unwrap()),
        subject: Some(subject.parse().unwrap()),
        code: PresentedCode::new(b"secret".to_vec()),
        peer: None,
    };
    grant.admit(&request, now).unwrap()
}

/// What the issuer gives out for `subject` at `now`.
fn issue(issuer: &Issuer, subject: &str, now: Timestamp, profile: &Profile) -> Result<ClientCredential, IssueError> {
    issuer.issue(admission(subject, now), profile).map(Signed::into_credential)
}

/// Whether the first certificate of `ca_pem` is of the CA that has issued the first of `certificate_pem`.
fn is_issued_by(certificate_pem: &[u8], ca_pem: &[u8]) -> bool {
    let (leaf, ca) = (certificate::read_all(certificate_pem).unwrap(), certificate::read_all(ca_pem).unwrap());
    certificate::is_issued_by(&certificate::parse(&leaf[0]).unwrap(), &certificate::parse(&ca[0]).unwrap())
}

/// An error and all its sources, as the log prints them.
fn chain(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |source| (*source).source());
    std::iter::once(error.to_string()).chain(sources.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}
