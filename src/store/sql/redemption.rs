//! Redemptions on their way through the queue: the attempt, its outcome, and the caller that waits.

use tokio::sync::oneshot;

use crate::{
    grant::{GrantName, PendingRedemption, Revision},
    store::{
        ChangeEffect, ChangeSubject, CommitError, Recorded, StoreError, StoreFailure,
        changes::{Committed, PendingChange},
    },
};

/// The outcome of an attempt that broke no rule of the schema.
#[derive(Debug)]
pub(in crate::store) enum Outcome {
    /// It is counted and in the ledger.
    Counted {
        /// Which redemption of the grant it is, from 1.
        ordinal: u32,
        /// The name of the grant.
        name: GrantName,
    },
    /// There is no such grant.
    Gone,
    /// The grant had expired at the moment of the admission.
    Expired,
    /// The grant has no redemption left.
    Exhausted,
    /// The key of the client's own has a certificate of this grant.
    KnownKey,
    /// The outcome could not be read back. The redemption may be counted.
    Unreadable(StoreError),
}

/// The outcome of a batch.
#[derive(Debug)]
pub(in crate::store) struct Redeemed {
    /// One for each attempt, in their order.
    pub(in crate::store) outcomes: Vec<Outcome>,
    /// The store's revision after it; `None` when nothing was counted.
    pub(in crate::store) head: Option<Revision>,
}

impl Redeemed {
    /// The store's revision before it, when this is the one after it.
    pub(in crate::store) fn before(&self, head: Revision) -> Revision {
        let counted = self.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Counted { .. })).count();
        Revision(head.0.saturating_sub(u64::try_from(counted).unwrap_or(u64::MAX)))
    }
}

/// An attempt, and the channel on which its caller waits for the answer.
pub(in crate::store) struct WaitingRedemption {
    pub(in crate::store) attempt: PendingRedemption,
    caller: oneshot::Sender<Result<Recorded, CommitError>>,
}

impl WaitingRedemption {
    /// The action that an error names.
    pub(in crate::store) const ACTION: &'static str = "count a redemption";

    /// The attempt, ready to be queued, and the channel of its answer.
    pub(in crate::store) fn new(
        attempt: PendingRedemption,
    ) -> (Box<Self>, oneshot::Receiver<Result<Recorded, CommitError>>) {
        let (caller, answer) = oneshot::channel();
        (Box::new(Self { attempt, caller }), answer)
    }

    /// Whether the caller has gone away.
    pub(in crate::store) fn is_abandoned(&self) -> bool {
        self.caller.is_closed()
    }

    /// Sends the outcome to the caller. To be called after the transaction is committed.
    pub(in crate::store) fn committed(self, outcome: Outcome) {
        let Self { attempt, caller } = self;
        let answer = match outcome {
            Outcome::Counted { ordinal, name: _ } => Ok(Recorded::new(attempt, ordinal)),
            Outcome::Gone => Err(CommitError::Gone),
            Outcome::Expired => Err(CommitError::Expired),
            Outcome::Exhausted => Err(CommitError::Exhausted),
            Outcome::KnownKey => Err(CommitError::KnownKey),
            Outcome::Unreadable(error) => Err(CommitError::Store(error)),
        };
        // Fails when the caller has gone away, and then there is no one to answer.
        let _ = caller.send(answer);
    }

    /// Sends the error to the caller: nothing was counted.
    pub(in crate::store) fn failed(self, error: StoreError) {
        let _ = self.caller.send(Err(CommitError::Store(error)));
    }
}

/// The answer to a redemption that could not be carried out.
pub(in crate::store) fn unavailable(source: StoreFailure) -> StoreError {
    StoreError::Unavailable { action: WaitingRedemption::ACTION, source }
}

/// The changes of a batch, to be published; `None` when it changed nothing.
pub(in crate::store) fn committed(redemptions: &[WaitingRedemption], redeemed: &Redeemed) -> Option<Committed> {
    let head = redeemed.head?;
    let mut pending = Vec::with_capacity(redemptions.len());
    let mut place = 0;
    for (redemption, outcome) in redemptions.iter().zip(&redeemed.outcomes) {
        let Outcome::Counted { ordinal: _, name } = outcome else { continue };
        place += 1;
        let admission = redemption.attempt.admission();
        let (id, namespace, name) = (admission.grant_id(), admission.namespace().clone(), name.clone());
        let subject = ChangeSubject::Grant { id, namespace, name };
        pending.push(PendingChange { place, subject, effect: ChangeEffect::Modified { labels_before: None } });
    }
    Some(Committed { before: Revision(head.0.saturating_sub(place.into())), head, pending })
}
