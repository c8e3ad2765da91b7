//! Grants as an operator handles them.

use super::{service::App, sites::SiteFault};
use crate::{
    grant::{
        Allowance, AllowanceError, Code, CodeOrigin, Grant, GrantId, GrantMetadata, GrantName, GrantState, GrantTerms,
        Namespace, Redemption, Replay, Revision,
    },
    metrics::StoreOperation,
    store::{
        CreateError, Deleted, GrantChange, GrantPage, GrantQuery, LedgerPage, LedgerQuery, NewGrant, QuotaExceeded,
        StoreError, StoreFuture, UpdateError, Wanted,
    },
    time::Timestamp,
};

/// The `spec` of a grant, parsed.
#[derive(Debug, Clone)]
pub struct GrantSpec {
    /// Redemptions allowed.
    pub allowed: u32,
    /// The operator's own code; one is generated when absent.
    pub code: Option<Code>,
    /// What is stored as it is given.
    pub terms: GrantTerms,
}

/// A grant that an operator asks for.
#[derive(Debug, Clone)]
pub struct GrantDraft {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: GrantName,
    /// Its spec.
    pub spec: GrantSpec,
    /// Its labels, annotations and settings.
    pub metadata: GrantMetadata,
}

/// Which rule a spec breaks. The field's name is [`field`](Self::field).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// An invalid number of redemptions.
    #[error(transparent)]
    Allowed(AllowanceError),
    /// A code that no client could present: the redeem listener would refuse the body.
    #[error("must be no more than {limit} characters, the longest body the redeem listener takes (--max-body-bytes)")]
    CodeTooLong {
        /// The listener's limit in bytes.
        limit: usize,
    },
    /// Another code than the grant has; tokens with the old one are in use.
    #[error("a grant's code cannot change; delete the grant and create another")]
    CodeFrozen,
}

impl SpecError {
    /// The field that is wrong.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Allowed(_) => "spec.redemptionsAllowed",
            Self::CodeTooLong { .. } | Self::CodeFrozen => "spec.code",
        }
    }
}

/// Why a grant was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateGrantError {
    /// The namespace has a grant of that name.
    #[error("the name is taken")]
    NameTaken,
    /// The namespace has stored too much.
    #[error(transparent)]
    Quota(QuotaExceeded),
    /// A field breaks a rule.
    #[error("the spec is invalid")]
    Spec(#[source] SpecError),
    /// The store did not answer.
    #[error("the grant could not be stored")]
    Store(#[source] StoreError),
}

/// Why a grant was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateGrantError {
    /// It was deleted.
    #[error("the grant does not exist any more")]
    Gone,
    /// It changed since it was read.
    #[error("the grant has changed since it was read")]
    Conflict,
    /// The namespace has stored too much.
    #[error(transparent)]
    Quota(QuotaExceeded),
    /// A field breaks a rule.
    #[error("the spec is invalid")]
    Spec(#[source] SpecError),
    /// The store did not answer.
    #[error("the grant could not be changed")]
    Store(#[source] StoreError),
}

/// Whether a grant can be redeemed now, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantReadiness {
    /// It can be redeemed.
    Ready,
    /// It has expired.
    Expired,
    /// It was redeemed as often as allowed.
    Exhausted,
    /// No link to its site can be issued.
    Site(SiteFault),
}

impl App {
    /// Makes a grant whose window starts now.
    ///
    /// # Errors
    /// [`CreateGrantError`]; then nothing was stored.
    pub async fn create_grant(&self, draft: GrantDraft) -> Result<Grant, CreateGrantError> {
        let GrantDraft { namespace, name, spec, metadata } = draft;
        self.check_new(&spec).map_err(CreateGrantError::Spec)?;
        self.check_disk("store a grant").map_err(CreateGrantError::Store)?;
        let (code, code_origin) = match spec.code {
            Some(code) => (code, CodeOrigin::Given),
            None => (Code::generate(random), CodeOrigin::Generated),
        };
        let now = self.clock().now();
        let new = NewGrant {
            id: GrantId::random(),
            namespace,
            name,
            code,
            code_origin,
            allowed: spec.allowed,
            expires_at: now.saturating_add(spec.terms.window.duration()),
            terms: spec.terms,
            created_at: now,
            metadata,
        };
        self.store.create(new).await.map_err(|error| match error {
            CreateError::NameTaken => CreateGrantError::NameTaken,
            CreateError::Quota(exceeded) => CreateGrantError::Quota(exceeded),
            CreateError::Store(error) => CreateGrantError::Store(self.counted(error, StoreOperation::Write)),
        })
    }

    /// Whether this grant could be created; nothing is stored. Its name may be taken.
    ///
    /// # Errors
    /// What [`create_grant`](Self::create_grant) would say.
    pub async fn check_draft(&self, draft: GrantDraft) -> Result<(), CreateGrantError> {
        let GrantDraft { namespace, name: _, spec, metadata } = draft;
        self.check_new(&spec).map_err(CreateGrantError::Spec)?;
        self.check_disk("store a grant").map_err(CreateGrantError::Store)?;
        let wanted = Wanted::Grant { code: spec.code.unwrap_or_else(|| Code::generate(random)), metadata };
        let excess = self.find_excess(namespace, wanted).await.map_err(CreateGrantError::Store)?;
        excess.map_or(Ok(()), |exceeded| Err(CreateGrantError::Quota(exceeded)))
    }

    fn check_new(&self, spec: &GrantSpec) -> Result<(), SpecError> {
        Allowance::new(spec.allowed, 0).map_err(SpecError::Allowed)?;
        let limit = self.longest_code;
        match &spec.code {
            Some(code) if code.byte_count() > limit => Err(SpecError::CodeTooLong { limit }),
            Some(_) | None => Ok(()),
        }
    }

    /// Brings a grant, as it was read, to the given spec and metadata. Nothing is written when nothing differs.
    ///
    /// The window may change its words, but not the expiration it set; the code may not change at all
    /// (docs/protocol.md section 4.1).
    ///
    /// # Errors
    /// [`UpdateGrantError`]; then nothing was changed.
    pub async fn update_grant(
        &self,
        current: Grant,
        spec: GrantSpec,
        metadata: GrantMetadata,
    ) -> Result<Grant, UpdateGrantError> {
        let Some(change) = self.checked_change(&current, spec, metadata)? else { return Ok(current) };
        self.store.update(current.id, current.revision, change).await.map_err(|error| match error {
            UpdateError::Gone => UpdateGrantError::Gone,
            UpdateError::Conflict => UpdateGrantError::Conflict,
            UpdateError::Quota(exceeded) => UpdateGrantError::Quota(exceeded),
            UpdateError::Store(error) => UpdateGrantError::Store(self.counted(error, StoreOperation::Write)),
        })
    }

    /// The grant as [`update_grant`](Self::update_grant) would leave it, but for its revision; nothing is stored.
    ///
    /// # Errors
    /// The [`UpdateGrantError`] that `update_grant` would answer.
    pub async fn preview_update(
        &self,
        current: Grant,
        spec: GrantSpec,
        metadata: GrantMetadata,
    ) -> Result<Grant, UpdateGrantError> {
        let Some(change) = self.checked_change(&current, spec, metadata)? else { return Ok(current) };
        let wanted = Wanted::GrantChange { before: current.metadata.clone(), after: change.metadata.clone() };
        let excess = self.find_excess(current.namespace.clone(), wanted).await.map_err(UpdateGrantError::Store)?;
        if let Some(exceeded) = excess {
            return Err(UpdateGrantError::Quota(exceeded));
        }
        let GrantChange { allowance, code_origin, terms, metadata, generation } = change;
        Ok(Grant { allowance, code_origin, terms, metadata, generation, ..current })
    }

    /// What an update has to write, if anything, and if it may be written.
    fn checked_change(
        &self,
        current: &Grant,
        spec: GrantSpec,
        metadata: GrantMetadata,
    ) -> Result<Option<GrantChange>, UpdateGrantError> {
        let change = change(current, spec, metadata).map_err(UpdateGrantError::Spec)?;
        if change.is_some() {
            self.check_disk("change a grant").map_err(UpdateGrantError::Store)?;
        }
        Ok(change)
    }

    /// Why the quota of the namespace has no space for this; `None` when it has.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn find_excess(&self, namespace: Namespace, wanted: Wanted) -> Result<Option<QuotaExceeded>, StoreError> {
        self.read(self.store.find_excess(namespace, wanted)).await
    }

    /// The grant of this name.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn find_grant(&self, namespace: Namespace, name: GrantName) -> Result<Option<Grant>, StoreError> {
        self.read(self.store.find(namespace, name)).await
    }

    /// A page of grants.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn list_grants(&self, query: GrantQuery) -> Result<GrantPage, StoreError> {
        self.read(self.store.list(query)).await
    }

    /// How many grants a list of this query has, counted up to its limit.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn count_listed_grants(&self, query: GrantQuery) -> Result<u32, StoreError> {
        self.read(self.store.count_listed(query)).await
    }

    /// Removes a grant; its ledger stays.
    ///
    /// # Errors
    /// [`UpdateError`]; then nothing was removed.
    pub async fn delete_grant(
        &self,
        namespace: Namespace,
        name: GrantName,
        expected: Option<Revision>,
    ) -> Result<Option<Deleted>, UpdateError> {
        self.store.delete(namespace, name, expected).await.map_err(|error| match error {
            UpdateError::Store(error) => UpdateError::Store(self.counted(error, StoreOperation::Write)),
            UpdateError::Gone | UpdateError::Conflict | UpdateError::Quota(_) => error,
        })
    }

    /// A page of the ledger of all grants, also of deleted ones.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn ledger(&self, query: LedgerQuery) -> Result<LedgerPage, StoreError> {
        self.read(self.store.ledger(query)).await
    }

    /// The ledger rows of a grant after ordinal `after`, at most `limit`.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn redemptions(&self, id: GrantId, after: u32, limit: u32) -> Result<Vec<Redemption>, StoreError> {
        self.read(self.store.redemptions(id, after, limit)).await
    }

    /// The replays of a grant's redemptions after this ordinal and number, at most `limit`.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn replays(&self, id: GrantId, after: (u32, u32), limit: u32) -> Result<Vec<Replay>, StoreError> {
        self.read(self.store.replays(id, after, limit)).await
    }

    /// The store's state now.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn revision(&self) -> Result<Revision, StoreError> {
        self.read(self.store.revision()).await
    }

    /// Whether the grant can be redeemed now. A fault of the site comes before the grant's own state, because no change of
    /// the grant helps without a site.
    pub fn grant_readiness(&self, grant: &Grant) -> GrantReadiness {
        match self.sites().serving(&grant.namespace, grant.terms.issuer.as_ref()) {
            Err(fault) => GrantReadiness::Site(fault),
            Ok(_) => match grant.state(self.clock().now()) {
                GrantState::Open => GrantReadiness::Ready,
                GrantState::Expired => GrantReadiness::Expired,
                GrantState::Exhausted => GrantReadiness::Exhausted,
            },
        }
    }

    /// Since when the grant's readiness is what it is, as far as that is known.
    pub fn readiness_since(&self, grant: &Grant, readiness: &GrantReadiness) -> Timestamp {
        match readiness {
            GrantReadiness::Ready | GrantReadiness::Site(_) => grant.created_at,
            GrantReadiness::Expired => grant.expires_at,
            GrantReadiness::Exhausted => grant.last_redeemed_at.unwrap_or(grant.created_at),
        }
    }

    pub(super) async fn read<T>(&self, answer: StoreFuture<'_, T>) -> Result<T, StoreError> {
        answer.await.map_err(|error| self.counted(error, StoreOperation::Read))
    }

    /// Counts a failure of the store on its way to the caller.
    pub(super) fn counted(&self, error: StoreError, operation: StoreOperation) -> StoreError {
        self.metrics().store_failed(operation);
        error
    }
}

/// What has to be written to bring a grant to this spec and metadata; `None` when it is there already.
fn change(current: &Grant, spec: GrantSpec, metadata: GrantMetadata) -> Result<Option<GrantChange>, SpecError> {
    let allowance = Allowance::new(spec.allowed, current.allowance.made()).map_err(SpecError::Allowed)?;
    let code_origin = match &spec.code {
        Some(code) if !code.is_same_as(&current.code) => return Err(SpecError::CodeFrozen),
        Some(_) => CodeOrigin::Given,
        None => CodeOrigin::Generated,
    };
    let same_spec = allowance == current.allowance
        && spec.terms == current.terms
        && code_origin == current.code_origin
        && metadata.settings == current.metadata.settings;
    if same_spec && metadata == current.metadata {
        return Ok(None);
    }
    let generation = if same_spec { current.generation } else { current.generation + 1 };
    Ok(Some(GrantChange { allowance, code_origin, terms: spec.terms, metadata, generation }))
}

#[expect(
    clippy::expect_used,
    reason = "without randomness there is no secret to make; Linux fails this only before boot ends"
)]
fn random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system gives random bytes");
}
