//! One transaction in the making, and the operations that may be part of it.

use std::{future::Future, pin::Pin, sync::Arc};

use sqlx::SqliteConnection as Connection;
use tokio::sync::oneshot;

use crate::{
    grant::Revision,
    store::{
        ChangeEffect, ChangeSubject, CommitError, CorruptRow, CreateError, StoreError, StoreFailure, UpdateError,
        WriteObjectsError, changes::Told,
    },
};

/// The open transaction.
pub(in crate::store) struct Batch<'c> {
    pub(in crate::store) connection: &'c mut Connection,
    changes: u32,
    told: Vec<Told>,
}

impl<'c> Batch<'c> {
    /// A transaction that has just begun on `connection`.
    pub(in crate::store) fn new(connection: &'c mut Connection) -> Self {
        Self { connection, changes: 0, told: Vec::new() }
    }

    /// The place in the batch that the next change has: what the statements add to the store's revision.
    pub(in crate::store) fn next_place(&self) -> i64 {
        i64::from(self.changes) + 1
    }

    /// Notes the change that was made with the next place, which is thereby taken.
    pub(in crate::store) fn changed(&mut self, subject: ChangeSubject, effect: ChangeEffect) {
        self.changed_untold();
        self.told.push(Told { place: self.changes, subject, effect });
    }

    /// The same for a change of which there is nothing to tell.
    pub(in crate::store) fn changed_untold(&mut self) {
        self.changes = self.changes.saturating_add(1);
    }

    /// Runs a statement that concerns the transaction as a whole.
    pub(in crate::store) async fn execute(&mut self, statement: &'static str) -> Result<(), Failure> {
        let done = sqlx::query(statement).execute(&mut *self.connection).await;
        done.map(drop).map_err(|error| Failure::Database(Arc::new(error)))
    }

    /// How many changes were made.
    pub(in crate::store) fn changes(&self) -> u32 {
        self.changes
    }

    /// Forgets the changes of an operation that was rolled back.
    pub(in crate::store) fn forget_changes_after(&mut self, changes: u32) {
        self.changes = changes;
        self.told.retain(|told| told.place <= changes);
    }

    /// What is to be told once this is committed.
    pub(in crate::store) fn into_told(self) -> Vec<Told> {
        self.told
    }
}

/// Why a statement failed.
#[derive(Debug)]
pub(in crate::store) enum Failure {
    /// It broke a rule of the schema, or a row could not be read: the operation's own trouble.
    Row(StoreError),
    /// The database failed: everybody's trouble.
    Database(Arc<sqlx::Error>),
}

impl Failure {
    /// Sorts an error by whom it concerns. `id` names the row for the operator.
    pub(in crate::store) fn of(error: sqlx::Error, id: &(impl ToString + ?Sized)) -> Self {
        if is_about_one_row(&error) {
            Self::Row(StoreError::Corrupt { id: id.to_string(), what: "breaks a rule of the schema" })
        } else {
            Self::Database(Arc::new(error))
        }
    }
}

impl From<CorruptRow> for Failure {
    fn from(corrupt: CorruptRow) -> Self {
        Self::Row(corrupt.into())
    }
}

/// Whether other statements can succeed where this one failed.
fn is_about_one_row(error: &sqlx::Error) -> bool {
    /// The low byte of every extended code of SQLITE_CONSTRAINT: <https://www.sqlite.org/rescode.html>.
    const SQLITE_CONSTRAINT: u32 = 19;
    if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) {
        return true;
    }
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == SQLITE_CONSTRAINT)
}

/// What an operation's statements decided.
pub(in crate::store) type Decision<O> = Result<Result<<O as Operation>::Output, <O as Operation>::Error>, Failure>;

/// What the caller is answered.
pub(in crate::store) type Answered<O> = Result<<O as Operation>::Answer, <O as Operation>::Error>;

/// A boxed future that borrows.
pub(in crate::store) type Borrowing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that is written. Its statements may run more than once, in transactions that are rolled back.
pub(in crate::store) trait Operation: Send + Sized + 'static {
    /// What the statements answer.
    type Output: Send;
    /// What the caller gets, once committed.
    type Answer: Send;
    /// What the caller gets instead.
    type Error: Send + FromStore;
    /// What is being done, as in "count a redemption".
    const ACTION: &'static str;

    /// Runs the statements. A refusal (`Ok(Err(_))`) has changed nothing; a [`Failure`] may have, and is rolled back.
    fn apply(&self, batch: &mut Batch<'_>) -> impl Future<Output = Decision<Self>> + Send;

    /// Makes the answer; called once, after the commit.
    fn committed(self, output: Self::Output) -> Self::Answer;
}

/// Errors that can carry a failure of the store.
pub(in crate::store) trait FromStore {
    /// The store failed.
    fn from_store(error: StoreError) -> Self;
}

impl FromStore for StoreError {
    fn from_store(error: StoreError) -> Self {
        error
    }
}

impl FromStore for CreateError {
    fn from_store(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl FromStore for UpdateError {
    fn from_store(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl FromStore for CommitError {
    fn from_store(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl FromStore for WriteObjectsError {
    fn from_store(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// An operation on its way through the queue, with the caller who waits for it.
pub(in crate::store) trait Queued: Send {
    /// Whether the caller has gone away.
    fn is_abandoned(&self) -> bool;
    /// Runs the statements and keeps what they decided.
    fn apply<'a>(&'a mut self, batch: &'a mut Batch<'_>) -> Borrowing<'a, Result<(), Failure>>;
    /// Takes note that this operation alone failed.
    fn reject(&mut self, error: StoreError);
    /// Answers what was decided: the transaction is committed.
    fn committed(self: Box<Self>);
    /// Answers that the transaction was not committed.
    fn failed(self: Box<Self>, failure: StoreFailure);
}

/// The one implementation of [`Queued`].
pub(in crate::store) struct Waiting<O: Operation> {
    operation: O,
    decided: Option<Result<O::Output, O::Error>>,
    caller: oneshot::Sender<Answered<O>>,
}

impl<O: Operation> Waiting<O> {
    /// The operation, ready to be queued, and where its answer will come.
    pub(in crate::store) fn new(operation: O) -> (Box<Self>, oneshot::Receiver<Answered<O>>) {
        let (caller, answer) = oneshot::channel();
        (Box::new(Self { operation, decided: None, caller }), answer)
    }
}

impl<O: Operation> Queued for Waiting<O> {
    fn is_abandoned(&self) -> bool {
        self.caller.is_closed()
    }

    fn apply<'a>(&'a mut self, batch: &'a mut Batch<'_>) -> Borrowing<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.decided = Some(self.operation.apply(batch).await?);
            Ok(())
        })
    }

    fn reject(&mut self, error: StoreError) {
        self.decided = Some(Err(O::Error::from_store(error)));
    }

    fn committed(self: Box<Self>) {
        let Self { operation, decided, caller } = *self;
        let answer = match decided {
            Some(Ok(output)) => Ok(operation.committed(output)),
            Some(Err(refusal)) => Err(refusal),
            None => Err(unavailable::<O>(StoreFailure::Closed)),
        };
        // A caller that went away does not want it.
        let _ = caller.send(answer);
    }

    fn failed(self: Box<Self>, failure: StoreFailure) {
        let _ = self.caller.send(Err(unavailable::<O>(failure)));
    }
}

/// The answer to an operation that could not be carried out.
pub(in crate::store) fn unavailable<O: Operation>(source: StoreFailure) -> O::Error {
    O::Error::from_store(StoreError::Unavailable { action: O::ACTION, source })
}

/// The revision in a row's column; an own failure when it is none.
pub(in crate::store) fn revision_of(stored: i64, id: &impl ToString) -> Result<Revision, Failure> {
    u64::try_from(stored)
        .map(Revision)
        .map_err(|_| Failure::Row(StoreError::Corrupt { id: id.to_string(), what: "revision" }))
}
