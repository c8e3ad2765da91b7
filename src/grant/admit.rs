//! The grant itself, and the decision whether a request opens it.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use super::{
    admission::{Admission, Claim, Refusal},
    allowance::Allowance,
    code::{Code, CodeOrigin, PresentedCode},
    id::{GrantId, Revision},
    name::{GrantName, LinkName, Namespace, Subject},
    terms::GrantTerms,
};
use crate::time::Timestamp;

/// An AccessGrant: it allows so many redemptions until a time.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Its uid.
    pub id: GrantId,
    /// The site's namespace.
    pub namespace: Namespace,
    /// Its name, unique in its namespace.
    pub name: GrantName,
    /// The secret code.
    pub code: Code,
    /// Whether the operator chose the secret.
    pub code_origin: CodeOrigin,
    /// Redemptions allowed and made.
    pub allowance: Allowance,
    /// What its operator may replace.
    pub terms: GrantTerms,
    /// The first second in which it can no longer be redeemed.
    pub expires_at: Timestamp,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last redeemed.
    pub last_redeemed_at: Option<Timestamp>,
    /// Grows with every change of the spec, from 1.
    pub generation: u64,
    /// The store's state in which this grant last changed.
    pub revision: Revision,
    /// Labels, annotations and settings.
    pub metadata: GrantMetadata,
}

/// Labels, annotations and settings of a grant; grantd stores and returns them and does not interpret them.
///
/// `kubectl apply` copies `spec.code` into an annotation, so this is as secret as the code: never logged, sealed at rest.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct GrantMetadata {
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `spec.settings`.
    pub settings: BTreeMap<String, String>,
}

impl GrantMetadata {
    /// Whether nothing is attached.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty() && self.settings.is_empty()
    }
}

impl fmt::Debug for GrantMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GrantMetadata(redacted)")
    }
}

/// Whether a grant can still be redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantState {
    /// It can be redeemed.
    Open,
    /// It has expired.
    Expired,
    /// It was redeemed as often as allowed.
    Exhausted,
}

/// A redemption request whose every part has been checked for form, not yet for permission.
#[derive(Debug)]
pub struct RedemptionRequest {
    /// The `name` header; the grant's name when absent or empty (docs/protocol.md section 2.2).
    pub link_name: Option<LinkName>,
    /// The `subject` header; the link's name when absent or empty.
    pub subject: Option<Subject>,
    /// The code in the body.
    pub code: PresentedCode,
    /// The address of the client, when it is known.
    pub peer: Option<IpAddr>,
}

impl Grant {
    /// Whether the operator chose a code that can be guessed.
    pub fn has_short_code(&self) -> bool {
        match self.code_origin {
            CodeOrigin::Given => self.code.is_short(),
            CodeOrigin::Generated => false,
        }
    }

    /// Whether the grant can be redeemed at `now`.
    pub fn state(&self, now: Timestamp) -> GrantState {
        if now >= self.expires_at {
            GrantState::Expired
        } else if self.allowance.is_used_up() {
            GrantState::Exhausted
        } else {
            GrantState::Open
        }
    }

    /// Decides whether the request opens this grant at `now`; reads nothing but its arguments.
    ///
    /// Checks in Skupper's order (expired, exhausted, code: docs/protocol.md section 1.2, rows 5 to 7), so a caller
    /// without the code learns no more than from Skupper. The decision is made on a copy: the store checks again when
    /// it counts.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn admit(&self, request: &RedemptionRequest, now: Timestamp) -> Result<Admission, Refusal> {
        self.claim(request, now)?.admit()
    }

    /// Like [`admit`](Self::admit), but a used-up grant can still be claimed with its code: what it has issued may be issued
    /// again.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies: without the code, a used-up grant is [`Refusal::Exhausted`].
    pub fn claim(&self, request: &RedemptionRequest, now: Timestamp) -> Result<Claim, Refusal> {
        let (is_open, without_code) = match self.state(now) {
            GrantState::Expired => return Err(Refusal::Expired),
            GrantState::Exhausted => (false, Refusal::Exhausted),
            GrantState::Open => (true, Refusal::WrongCode),
        };
        if !self.code.matches(&request.code) {
            return Err(without_code);
        }
        let link_name = request.link_name.clone().unwrap_or_else(|| self.name.clone().into());
        let subject = request.subject.clone().unwrap_or_else(|| Subject::from(&link_name));
        let admission = Admission {
            grant_id: self.id,
            namespace: self.namespace.clone(),
            issuer: self.terms.issuer.clone(),
            link_name,
            subject,
            peer: request.peer,
            admitted_at: now,
            reissue: None,
        };
        Ok(Claim { admission, is_open })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::admission::Reissue, *};

    const NOW: i64 = 1_000;

    fn grant(allowed: u32, made: u32, expires_at: i64) -> Grant {
        Grant {
            id: GrantId::random(),
            namespace: "west".parse().unwrap(),
            name: "offer".parse().unwrap(),
            code: "secret".parse().unwrap(),
            code_origin: CodeOrigin::Given,
            allowance: Allowance::new(allowed, made).unwrap(),
            terms: GrantTerms::default(),
            expires_at: Timestamp::from_unix_seconds(expires_at),
            created_at: Timestamp::from_unix_seconds(0),
            last_redeemed_at: None,
            generation: 1,
            revision: Revision(1),
            metadata: GrantMetadata::default(),
        }
    }

    fn request(code: &str) -> RedemptionRequest {
        RedemptionRequest { link_name: None, subject: None, code: PresentedCode::new(code.into()), peer: None }
    }

    fn admit(grant: &Grant, code: &str) -> Result<Admission, Refusal> {
        grant.admit(&request(code), Timestamp::from_unix_seconds(NOW))
    }

    #[test]
    fn the_first_check_that_fails_answers() {
        assert_eq!(admit(&grant(1, 1, NOW), "wrong").unwrap_err(), Refusal::Expired);
        assert_eq!(admit(&grant(1, 1, NOW + 1), "wrong").unwrap_err(), Refusal::Exhausted);
        assert_eq!(admit(&grant(1, 0, NOW + 1), "wrong").unwrap_err(), Refusal::WrongCode);
        assert!(admit(&grant(1, 0, NOW + 1), "secret").is_ok());
    }

    #[test]
    fn without_headers_the_grant_names_the_link_and_the_link_the_subject() {
        let admission = admit(&grant(1, 0, NOW + 1), "secret").unwrap();
        assert_eq!((admission.link_name().as_str(), admission.subject().as_str()), ("offer", "offer"));

        let named = RedemptionRequest { link_name: Some("east".parse().unwrap()), ..request("secret") };
        let admission = grant(1, 0, NOW + 1).admit(&named, Timestamp::from_unix_seconds(NOW)).unwrap();
        assert_eq!((admission.link_name().as_str(), admission.subject().as_str()), ("east", "east"));
    }

    #[test]
    fn a_used_up_grant_is_claimed_with_its_code_only() {
        let claim = |made, code| grant(1, made, NOW + 1).claim(&request(code), Timestamp::from_unix_seconds(NOW));
        assert_eq!(claim(1, "wrong").unwrap_err(), Refusal::Exhausted);
        assert_eq!(claim(0, "wrong").unwrap_err(), Refusal::WrongCode);
        assert_eq!(claim(1, "secret").unwrap().admit().unwrap_err(), Refusal::Exhausted);
        assert!(claim(0, "secret").unwrap().admit().is_ok());

        let of = Reissue { ordinal: 1, since: Timestamp::from_unix_seconds(0) };
        assert_eq!(claim(1, "secret").unwrap().reissue(of).reissue(), Some(of));
        let expired = grant(1, 1, NOW).claim(&request("secret"), Timestamp::from_unix_seconds(NOW));
        assert_eq!(expired.unwrap_err(), Refusal::Expired);
    }

    #[test]
    fn debug_of_a_grant_shows_neither_code_nor_annotations() {
        let mut grant = grant(1, 0, NOW);
        grant.metadata.annotations.insert("last-applied".to_owned(), "canary".to_owned());
        let shown = format!("{grant:?}");
        assert!(!shown.contains("secret") && !shown.contains("canary"), "{shown}");
        assert!(shown.contains("GrantMetadata(redacted)"), "{shown}");
    }
}
