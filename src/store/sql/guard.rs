//! The one place that decides whether the database was put back to an older state: the guard remembers the greatest revision
//! that was seen, and what the database is found at must not be behind it.
//!
//! What is found is recorded in the database itself, with a revision greater than any that was seen. So other processes
//! learn of it, a restart does not forget it, and no revision is given twice.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{error, info};

use super::{
    backend::{Backend, Connection, fetch},
    failure::{Failure, revision_of},
    statement::{Broken, Columns, statement},
    statements,
};
use crate::{
    grant::Revision,
    store::{Rollback, StoreFailure},
};

/// The store's revision, and the rollback that is recorded in the database and not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct StoreState {
    pub(in crate::store) revision: Revision,
    pub(in crate::store) rollback: Option<Rollback>,
}

impl StoreState {
    /// Reads a row with these columns of `store_state`.
    pub(in crate::store) fn of(row: &impl Columns) -> Result<Self, Failure> {
        const ID: &str = "(store)";
        let optional = |column| {
            let stored = row.optional_integer(column).map_err(Failure::column(ID))?;
            let revision = stored.map(|stored| u64::try_from(stored).map(Revision)).transpose();
            revision.map_err(|_| Failure::column(ID)(Broken(column)))
        };
        let rollback = match (optional("rolled_back_from")?, optional("rolled_back_to")?) {
            (Some(seen), Some(found)) => Some(Rollback { seen, found }),
            (Some(_) | None, None) | (None, Some(_)) => None,
        };
        Ok(Self { revision: revision_of(row, "revision", ID)?, rollback })
    }
}

/// The greatest revision that was seen, and whether the database is behind it.
#[derive(Debug)]
pub(in crate::store) struct RevisionGuard(Mutex<State>);

#[derive(Debug)]
struct State {
    seen: Revision,
    rollback: Option<Rollback>,
    /// Whether the rollback is in the database.
    is_recorded: bool,
}

impl RevisionGuard {
    /// A guard of a database that is in this state.
    pub(in crate::store) fn new(found: StoreState) -> Self {
        let StoreState { revision, rollback } = found;
        Self(Mutex::new(State { seen: revision, rollback, is_recorded: true }))
    }

    /// The rollback that nobody has acknowledged yet.
    pub(in crate::store) fn rollback(&self) -> Option<Rollback> {
        self.state().rollback
    }

    /// Whether redemptions may go on.
    ///
    /// # Errors
    /// [`StoreFailure::RolledBack`].
    pub(in crate::store) fn admit(&self) -> Result<(), StoreFailure> {
        self.rollback().map_or(Ok(()), |rollback| Err(StoreFailure::RolledBack(rollback)))
    }

    /// Compares the revision before a transaction with the greatest that was seen.
    ///
    /// # Errors
    /// [`StoreFailure::RolledBack`], until that is [recorded](Self::recorded).
    pub(in crate::store) fn check(&self, before: Revision) -> Result<(), StoreFailure> {
        let mut state = self.state();
        let Some(rollback) = behind(before, state.seen) else { return Ok(()) };
        if state.is_recorded {
            report(rollback);
            (state.rollback, state.is_recorded) = (Some(rollback), false);
        }
        Err(StoreFailure::RolledBack(rollback))
    }

    /// A transaction that left the database in this state is committed.
    pub(in crate::store) fn committed(&self, now: StoreState) {
        let mut state = self.state();
        state.seen = state.seen.max(now.revision);
        if state.is_recorded {
            state.rollback = now.rollback;
        }
    }

    /// Redemptions that moved the database to this revision are committed.
    pub(in crate::store) fn redeemed(&self, head: Revision) {
        let mut state = self.state();
        state.seen = state.seen.max(head);
    }

    /// The rollback that the database does not know of yet.
    pub(in crate::store) fn unrecorded(&self) -> Option<Rollback> {
        let state = self.state();
        state.rollback.filter(|_| !state.is_recorded)
    }

    /// The rollback is in the database, which is in this state now.
    pub(in crate::store) fn recorded(&self, now: StoreState) {
        *self.state() = State { seen: now.revision, rollback: now.rollback, is_recorded: true };
    }

    /// The revision to be kept outside of the database. None while a rollback is not acknowledged: the database that was
    /// there before, when it is put in its place again, must not be taken for an older one.
    pub(in crate::store) fn to_be_kept(&self) -> Option<Revision> {
        let state = self.state();
        state.rollback.is_none().then_some(state.seen)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that runs with the lock held can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The decision.
pub(in crate::store) fn behind(found: Revision, seen: Revision) -> Option<Rollback> {
    (found < seen).then_some(Rollback { seen, found })
}

/// Says it once, where an operator looks first.
pub(in crate::store) fn report(rollback: Rollback) {
    error!(
        revision.seen = rollback.seen.0,
        revision.found = rollback.found.0,
        "the database was put back to an older state: no grant is redeemed until 'grantd store acknowledge-rollback'"
    );
}

/// Records a rollback in the database, and answers its state.
pub(in crate::store) async fn record<B: Backend>(
    connection: &mut Connection<B>,
    Rollback { seen, found }: Rollback,
) -> Result<StoreState, Failure> {
    let database = super::failure::database;
    let record = statement(statements::RECORD_ROLLBACK).bind(seen.0.cast_signed()).bind(found.0.cast_signed());
    let rows = fetch::<B>(connection, record).await.map_err(database)?;
    let state = StoreState::of(rows.first().ok_or_else(|| database(sqlx::Error::RowNotFound))?)?;
    info!(revision = state.revision.0, "the rollback is recorded in the database");
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(revision: u64) -> StoreState {
        StoreState { revision: Revision(revision), rollback: None }
    }

    #[test]
    fn a_database_behind_what_was_seen_is_refused_until_it_is_recorded_and_acknowledged() {
        let guard = RevisionGuard::new(at(10));
        guard.check(Revision(10)).unwrap();
        guard.committed(at(12));
        guard.redeemed(Revision(15));
        assert_eq!((guard.to_be_kept(), guard.rollback()), (Some(Revision(15)), None));

        let rollback = Rollback { seen: Revision(15), found: Revision(14) };
        assert!(matches!(guard.check(Revision(14)), Err(StoreFailure::RolledBack(found)) if found == rollback));
        assert!(guard.check(Revision(14)).is_err() && guard.admit().is_err());
        assert_eq!((guard.unrecorded(), guard.to_be_kept()), (Some(rollback), None));
        // A transaction without a change does not make it forgotten.
        guard.committed(at(14));
        assert_eq!(guard.rollback(), Some(rollback));

        guard.recorded(StoreState { rollback: Some(rollback), ..at(16) });
        guard.check(Revision(16)).unwrap();
        assert!(guard.admit().is_err());
        assert_eq!((guard.unrecorded(), guard.to_be_kept()), (None, None));

        guard.committed(at(17));
        guard.admit().unwrap();
        assert_eq!(guard.to_be_kept(), Some(Revision(17)));
    }

    #[test]
    fn what_another_process_records_and_acknowledges_is_learned_from_the_database() {
        let guard = RevisionGuard::new(at(10));
        let rollback = Rollback { seen: Revision(9), found: Revision(8) };
        guard.committed(StoreState { rollback: Some(rollback), ..at(11) });
        assert_eq!(guard.rollback(), Some(rollback));
        guard.committed(at(12));
        assert_eq!(guard.rollback(), None);
    }
}
