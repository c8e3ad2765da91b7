//! An open transaction, and the operations that it consists of.

use std::{future::Future, pin::Pin};

use tokio::sync::oneshot;

use super::{
    backend::{Backend, Connection, Row, fetch},
    failure::{Concern, Failure, database},
    statement::{Statement, statement},
};
use crate::{
    store::{
        ChangeEffect, ChangeSubject, CreateError, DatabaseError, StoreError, StoreFailure, UpdateError,
        WriteObjectsError, changes::PendingChange,
    },
    time::Timestamp,
};

/// The most writes of one transaction.
pub(super) const MAX_BATCH: usize = 256;

/// The open transaction.
pub(in crate::store) struct Batch<'c, B: Backend> {
    connection: &'c mut Connection<B>,
    changes: u32,
    pending: Vec<PendingChange>,
}

impl<'c, B: Backend> Batch<'c, B> {
    /// A transaction that has just begun on `connection`.
    pub(in crate::store) fn new(connection: &'c mut Connection<B>) -> Self {
        Self { connection, changes: 0, pending: Vec::new() }
    }

    /// The place of the next change in the batch, from 1: the statements add it to the store's revision.
    pub(in crate::store) fn next_place(&self) -> i64 {
        i64::from(self.changes) + 1
    }

    /// Adds the change that a statement has just made to the changes to be published. It has the
    /// [next place](Self::next_place), and the change after it gets the following one.
    pub(in crate::store) fn changed(&mut self, subject: ChangeSubject, effect: ChangeEffect) {
        self.changed_without_entry();
        self.pending.push(PendingChange { place: self.changes, subject, effect });
    }

    /// Like [`changed`](Self::changed) for a change that is not reported to watchers.
    pub(in crate::store) fn changed_without_entry(&mut self) {
        self.changes = self.changes.saturating_add(1);
    }

    /// Runs a statement of one operation. `id` names its row for the operator.
    pub(in crate::store) async fn rows(
        &mut self,
        statement: Statement<'_>,
        id: &(impl ToString + Sync + ?Sized),
    ) -> Result<Vec<Row<B>>, Failure> {
        fetch::<B>(self.connection, statement).await.map_err(|error| sorted::<B>(error, id))
    }

    /// Like [`rows`](Self::rows) for a statement with at most one row.
    pub(in crate::store) async fn row(
        &mut self,
        statement: Statement<'_>,
        id: &(impl ToString + Sync + ?Sized),
    ) -> Result<Option<Row<B>>, Failure> {
        Ok(self.rows(statement, id).await?.into_iter().next())
    }

    /// Runs a statement that concerns the transaction as a whole, and answers its row if it has one.
    pub(in crate::store) async fn execute(&mut self, statement: Statement<'_>) -> Result<Option<Row<B>>, Failure> {
        let rows = fetch::<B>(self.connection, statement).await.map_err(|error| match B::concern(&error) {
            Concern::Transaction => Failure::Transaction(DatabaseError::new(error)),
            // No statement that concerns the transaction as a whole breaks a rule of a row.
            Concern::Row | Concern::Database => database(error),
        })?;
        Ok(rows.into_iter().next())
    }

    /// Runs a statement that controls the transaction, such as COMMIT.
    pub(in crate::store) async fn control(&mut self, text: &'static str) -> Result<(), Failure> {
        self.execute(statement(text)).await.map(drop)
    }

    /// The time that decides about what was admitted at this instant.
    pub(in crate::store) async fn time_of_decision(&mut self, admitted_at: Timestamp) -> Result<Timestamp, Failure> {
        B::time_of_decision(self.connection, admitted_at).await.map_err(database)
    }

    /// How many changes were made.
    pub(in crate::store) fn changes(&self) -> u32 {
        self.changes
    }

    /// Forgets the changes of an operation that was rolled back.
    pub(in crate::store) fn forget_changes_after(&mut self, changes: u32) {
        self.changes = changes;
        self.pending.retain(|pending| pending.place <= changes);
    }

    /// The changes to be published once this is committed.
    pub(in crate::store) fn into_pending(self) -> Vec<PendingChange> {
        self.pending
    }
}

/// Whether an error concerns one operation or the whole transaction. `id` names the row for the operator.
fn sorted<B: Backend>(error: sqlx::Error, id: &(impl ToString + ?Sized)) -> Failure {
    let undecodable = matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_));
    if undecodable { Failure::rule(id) } else { Failure::of_statement(B::concern(&error), error, id) }
}

/// What an operation's statements decided.
pub(in crate::store) type Decision<O> = Result<Result<<O as Operation>::Output, <O as Operation>::Error>, Failure>;

/// The answer to the caller.
pub(in crate::store) type Answered<O> = Result<<O as Operation>::Answer, <O as Operation>::Error>;

/// A boxed future that borrows.
pub(in crate::store) type Borrowing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A write operation. Its statements may run more than once, in transactions that are rolled back.
pub(in crate::store) trait Operation: Send + Sized + 'static {
    /// The result of the statements.
    type Output: Send;
    /// The answer to the caller, once committed.
    type Answer: Send;
    /// The error of the caller when it was not done.
    type Error: Send + FromStore;
    /// What is being done, as in "store a grant".
    const ACTION: &'static str;

    /// Runs the statements. A refusal (`Ok(Err(_))`) has changed nothing. After a [`Failure`] the statements may have
    /// changed something, so the caller rolls back.
    fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> impl Future<Output = Decision<Self>> + Send;

    /// Makes the answer; called once, after the commit.
    fn committed(self, output: Self::Output) -> Self::Answer;
}

/// Errors that can carry a failure of the store.
pub(in crate::store) trait FromStore {
    /// The error for this failure of the store.
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

impl FromStore for WriteObjectsError {
    fn from_store(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// An operation on its way through the queue, and the channel on which its caller waits.
pub(in crate::store) trait Queued<B: Backend>: Send {
    /// Whether the caller has gone away.
    fn is_abandoned(&self) -> bool;
    /// Runs the statements and keeps what they decided.
    fn apply<'a>(&'a mut self, batch: &'a mut Batch<'_, B>) -> Borrowing<'a, Result<(), Failure>>;
    /// Records that this operation alone failed: it will be answered with this error.
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
    /// The operation, ready to be queued, and the channel of its answer.
    pub(in crate::store) fn new(operation: O) -> (Box<Self>, oneshot::Receiver<Answered<O>>) {
        let (caller, answer) = oneshot::channel();
        (Box::new(Self { operation, decided: None, caller }), answer)
    }
}

impl<B: Backend, O: Operation> Queued<B> for Waiting<O> {
    fn is_abandoned(&self) -> bool {
        self.caller.is_closed()
    }

    fn apply<'a>(&'a mut self, batch: &'a mut Batch<'_, B>) -> Borrowing<'a, Result<(), Failure>> {
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
        // Fails when the caller has gone away, and then there is no one to answer.
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
