//! Group commit: one task owns the one connection that writes.
//!
//! Durable commits are the scarce resource: each waits for the disk. So all writes that wait are put into one
//! transaction, committed once, and answered after the commit. One writer, because several would wait for the database's
//! one write lock and for one sync each.
//!
//! A transaction begins with its write lock (`BEGIN IMMEDIATE`): one that reads first and then writes fails at once with
//! SQLITE_BUSY_SNAPSHOT if there was a write in between, and no busy timeout waits for that.
//!
//! When the commit itself fails, every caller gets an error. If the machine crashes in that moment, the log can hold the
//! whole transaction, and the next start finds redemptions recorded whose certificates were never sent. The other way
//! round, a certificate that was sent and is not recorded, cannot happen.
//!
//! The changes of a batch are published after its commit and before its answers. Each batch reads from the database the
//! revision at which it began. If that differs from the one at which the last batch ended, readers of the changes get an
//! error that some are missing.

use std::{sync::Arc, time::Instant};

use sqlx::Connection as _;
use tokio::sync::{Notify, mpsc, watch};

use super::{
    backend::{Backend, Connection, fetch},
    batch::{MAX_BATCH, Operation, Queued, Waiting, unavailable},
    failed_transactions::FailedTransactions,
    failure::{Failure, database},
    guard::{self, RevisionGuard},
    keeper::keep,
    recent::Recent,
    redemption::{self, Redeemed, WaitingRedemption},
    statement::statement,
    statements,
    transaction::{Isolation, fill_and_commit},
};
use crate::{
    grant::PendingRedemption,
    store::{
        Changes, CommitError, CommitOutcome, CommitReport, DatabaseError, OnCommit, Recorded, Rollback, StoreFailure,
        changes::Committed,
    },
};

/// Writes that may wait; one more is refused.
const QUEUE: usize = 1024;
/// How often a batch yields to the scheduler, so that more writes can join it.
const TURNS: usize = 3;

/// `None` while the writer runs; then the result of closing.
type Ended = Option<Result<(), StoreFailure>>;

/// The queue of the writer.
pub(in crate::store) struct Queue<B: Backend> {
    sender: mpsc::Sender<Entry<B>>,
    closing: Arc<Notify>,
    ended: watch::Receiver<Ended>,
}

/// A write that waits in the queue.
enum Entry<B: Backend> {
    Redemption(Box<WaitingRedemption>),
    Operation(Box<dyn Queued<B>>),
}

impl<B: Backend> Entry<B> {
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Redemption(redemption) => redemption.is_abandoned(),
            Self::Operation(operation) => operation.is_abandoned(),
        }
    }
}

impl<B: Backend> Queue<B> {
    /// Puts the operation into the queue and waits for its answer. Fails at once when the queue is full.
    ///
    /// When this future is dropped, the operation is either carried out whole or not begun.
    pub(in crate::store) async fn write<O: Operation>(&self, operation: O) -> Result<O::Answer, O::Error> {
        let (waiting, answer) = Waiting::new(operation);
        self.enqueue(Entry::Operation(waiting)).map_err(unavailable::<O>)?;
        answer.await.unwrap_or_else(|_| Err(unavailable::<O>(StoreFailure::Closed)))
    }

    /// Like [`write`](Self::write) for a redemption.
    pub(in crate::store) async fn redeem(&self, attempt: PendingRedemption) -> Result<Recorded, CommitError> {
        let failed = |source| CommitError::Store(redemption::unavailable(source));
        let (waiting, answer) = WaitingRedemption::new(attempt);
        self.enqueue(Entry::Redemption(waiting)).map_err(failed)?;
        answer.await.unwrap_or_else(|_| Err(failed(StoreFailure::Closed)))
    }

    fn enqueue(&self, entry: Entry<B>) -> Result<(), StoreFailure> {
        self.sender.try_send(entry).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreFailure::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreFailure::Closed,
        })
    }

    /// Whether the writer has ended without having been closed: it panicked.
    pub(in crate::store) fn has_lost_its_writer(&self) -> bool {
        // Without a result the sender is dropped only by a panic.
        self.ended.has_changed().is_err() && self.ended.borrow().is_none()
    }

    /// Refuses further writes, and waits until the writer has carried out those in the queue and closed its connection.
    pub(in crate::store) async fn close(&self) -> Result<(), StoreFailure> {
        self.closing.notify_one();
        let mut ended = self.ended.clone();
        let ended = ended.wait_for(Option::is_some).await;
        ended.map_err(|_| StoreFailure::Closed)?.clone().unwrap_or(Ok(()))
    }
}

/// The writer, before its task runs.
pub(in crate::store) struct Writer<B: Backend> {
    /// `None` after a failure that left the connection in an unknown state; the next batch opens another one.
    pub(in crate::store) connection: Option<Connection<B>>,
    pub(in crate::store) backend: Arc<B>,
    pub(in crate::store) on_commit: OnCommit,
    /// The cache that every write empties.
    pub(in crate::store) recent: Arc<Recent>,
    /// Where changes are published.
    pub(in crate::store) changes: Arc<Changes>,
    /// Notices a database that was put back.
    pub(in crate::store) guard: Arc<RevisionGuard>,
}

impl<B: Backend> Writer<B> {
    /// Starts the task, which ends when the queue is closed or dropped and empty.
    pub(in crate::store) fn start(self) -> Queue<B> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (end, ended) = watch::channel(None);
        let closing = Arc::new(Notify::new());
        tokio::spawn(self.run(receiver, Arc::clone(&closing), end));
        Queue { sender, closing, ended }
    }

    async fn run(mut self, mut queue: mpsc::Receiver<Entry<B>>, closing: Arc<Notify>, end: watch::Sender<Ended>) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            tokio::select! {
                taken = queue.recv_many(&mut batch, MAX_BATCH) => match taken {
                    0 => break,
                    1.. => {
                        gather(&mut queue, &mut batch).await;
                        self.commit(&mut batch).await;
                    }
                },
                () = closing.notified() => queue.close(),
            }
        }
        let closed = self.close().await;
        end.send_replace(Some(closed));
    }

    /// Carries a batch out and answers every operation in it. Redemptions come first and in a transaction of their own,
    /// which is one call to the database.
    async fn commit(&mut self, batch: &mut Vec<Entry<B>>) {
        let (mut redemptions, mut operations) = (Vec::new(), Vec::new());
        for entry in batch.drain(..).filter(|entry| !entry.is_abandoned()) {
            match entry {
                Entry::Redemption(redemption) => redemptions.push(*redemption),
                Entry::Operation(operation) => operations.push(operation),
            }
        }
        if !redemptions.is_empty() {
            self.redeem(redemptions).await;
        }
        if !operations.is_empty() {
            self.carry_out(operations).await;
        }
        if let Some(rollback) = self.guard.unrecorded() {
            self.record(rollback).await;
        }
    }

    /// Records that the database was put back. When that fails it is tried again after the next batch, and nothing is written
    /// until then.
    async fn record(&mut self, rollback: Rollback) {
        let Ok(connection) = self.connection().await else { return };
        let Ok(state) = guard::record::<B>(connection, rollback).await else { return };
        self.guard.recorded(state);
        self.recent.forget();
        self.changes.restart(state.revision);
    }

    /// Counts redemptions together. When one of them makes the transaction fail, the two halves are counted one after the
    /// other, and so on: one bad redemption in 256 costs the others some 8 commits, and not one for each.
    async fn redeem(&mut self, redemptions: Vec<WaitingRedemption>) {
        // A stack: the last part is counted first.
        let mut parts = vec![redemptions];
        let mut failed = FailedTransactions::default();
        while let Some(part) = parts.pop() {
            if let Some(mut first) = self.redeem_together(part, &mut failed).await {
                let second = first.split_off(first.len() / 2);
                parts.extend([second, first]);
            }
        }
    }

    /// Counts redemptions in one transaction and answers them. When it fails and fewer of them may succeed, nothing is
    /// counted, and they are returned.
    async fn redeem_together(
        &mut self,
        redemptions: Vec<WaitingRedemption>,
        failed: &mut FailedTransactions,
    ) -> Option<Vec<WaitingRedemption>> {
        let started = Instant::now();
        // Cannot overflow: there are no more than MAX_BATCH.
        let most = u32::try_from(redemptions.len()).unwrap_or(u32::MAX);
        self.changes.announce(most);
        let attempts: Vec<&PendingRedemption> = redemptions.iter().map(|redemption| &redemption.attempt).collect();
        let result = self.count(&attempts).await;
        if let Err(Failure::Row(_) | Failure::Transaction(_)) = &result {
            self.changes.withdraw(most);
            if redemptions.len() > 1 && failed.may_be_split(&result) {
                return Some(redemptions);
            }
        }
        self.report(redemptions.len(), started, result.is_ok());
        match result {
            Ok(redeemed) => {
                match redemption::committed(&redemptions, &redeemed) {
                    Some(committed) => self.changes.publish(committed),
                    None => self.changes.withdraw(most),
                }
                for (redemption, outcome) in redemptions.into_iter().zip(redeemed.outcomes) {
                    redemption.committed(outcome);
                }
            }
            Err(Failure::Row(error)) => {
                // There is only one: several were returned above.
                if let Some(redemption) = redemptions.into_iter().next() {
                    redemption.failed(error);
                }
            }
            Err(Failure::Transaction(error)) => refuse_redemptions(redemptions, &StoreFailure::Database(error)),
            Err(Failure::Database(failure)) => refuse_redemptions(redemptions, &failure),
        }
        None
    }

    async fn count(&mut self, attempts: &[&PendingRedemption]) -> Result<Redeemed, Failure> {
        self.guard.admit().map_err(Failure::Database)?;
        self.backend.before_transaction().map_err(Failure::Database)?;
        let backend = Arc::clone(&self.backend);
        let result = backend.redeem(self.connection().await?, attempts).await;
        if let Err(failure) = &result {
            self.roll_back(failure).await;
        }
        let redeemed = result?;
        self.backend.after_commit().map_err(Failure::Database)?;
        if let Some(head) = redeemed.head {
            // What was just counted stays counted, but no certificate is sent.
            self.guard.check(redeemed.before(head)).map_err(Failure::Database)?;
            self.guard.redeemed(head);
        }
        Ok(redeemed)
    }

    /// The connection that writes, opened if there is none.
    async fn connection(&mut self) -> Result<&mut Connection<B>, Failure> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(self.backend.open_writer().await.map_err(database)?)),
        }
    }

    /// Empties the cache, and reports the result of a commit to the metrics. To be called before the changes are published:
    /// watchers that are woken then must not read an old state from the cache.
    fn report(&self, batch: usize, started: Instant, committed: bool) {
        // Also after a failure: the commit may have succeeded and only its answer was lost.
        self.recent.forget();
        let outcome = if committed { CommitOutcome::Committed } else { CommitOutcome::Failed };
        (self.on_commit)(CommitReport { batch, took: started.elapsed(), outcome });
    }

    /// Carries operations out together. When the transaction fails and a smaller one may succeed, the two halves are carried
    /// out one after the other, as with redemptions.
    async fn carry_out(&mut self, operations: Vec<Box<dyn Queued<B>>>) {
        let mut parts = vec![operations];
        let mut failed = FailedTransactions::default();
        while let Some(mut part) = parts.pop() {
            let started = Instant::now();
            let result = self.transact(&mut part).await;
            if part.len() > 1 && failed.may_be_split(&result) {
                let second = part.split_off(part.len() / 2);
                parts.extend([second, part]);
                continue;
            }
            self.report(part.len(), started, result.is_ok());
            match result {
                Ok(committed) => {
                    if let Some(committed) = committed {
                        self.changes.publish(committed);
                    }
                    part.into_iter().for_each(Queued::committed);
                }
                Err(failure) => {
                    let failure = failure.of_all();
                    part.into_iter().for_each(|operation| operation.failed(failure.clone()));
                }
            }
        }
    }

    /// Returns the changes, `None` when there are none.
    async fn transact(&mut self, batch: &mut [Box<dyn Queued<B>>]) -> Result<Option<Committed>, Failure> {
        match self.attempt(batch, Isolation::Together).await {
            Err(Failure::Row(_)) => self.attempt(batch, Isolation::Apart).await,
            result @ (Ok(_) | Err(Failure::Transaction(_) | Failure::Database(_))) => result,
        }
    }

    async fn attempt(
        &mut self,
        operations: &mut [Box<dyn Queued<B>>],
        isolation: Isolation,
    ) -> Result<Option<Committed>, Failure> {
        self.backend.before_transaction().map_err(Failure::Database)?;
        let (changes, guard) = (Arc::clone(&self.changes), Arc::clone(&self.guard));
        let backend = Arc::clone(&self.backend);
        let connection = self.connection().await?;
        backend.begin(connection).await.map_err(database)?;
        let result = fill_and_commit::<B>(connection, operations, isolation, &changes, &guard).await;
        if let Err(failure) = &result {
            self.roll_back(failure).await;
        }
        let committed = result?;
        self.backend.after_commit().map_err(Failure::Database)?;
        Ok(committed)
    }

    /// Ends a transaction that failed. After some errors (a full disk, for one) the database has rolled it back by itself,
    /// and then ROLLBACK fails, as it does on a broken connection. In both cases the connection is closed, and the next
    /// batch opens another one. A server over a network that failed is not asked: its answer may never come, and it rolls
    /// back by itself.
    async fn roll_back(&mut self, failure: &Failure) {
        let Some(mut connection) = self.connection.take() else { return };
        let is_asked = !(B::IS_SHARED && matches!(failure, Failure::Database(_)));
        if is_asked && fetch::<B>(&mut connection, statement(statements::ROLLBACK)).await.is_ok() {
            self.connection = Some(connection);
        } else {
            // The callers get the error of the transaction, so this one is not needed.
            let _ = connection.close().await;
        }
    }

    async fn close(self) -> Result<(), StoreFailure> {
        // Before the lock on the database is released.
        keep(Arc::clone(&self.backend), &self.guard).await;
        let closed = self.backend.close_writer(self.connection).await;
        closed.map_err(|error| StoreFailure::Database(DatabaseError::new(error)))
    }
}

fn refuse_redemptions(redemptions: Vec<WaitingRedemption>, failure: &StoreFailure) {
    for redemption in redemptions {
        redemption.failed(redemption::unavailable(failure.clone()));
    }
}

/// Waits for more writes: tasks that are ready to run do so, and may reach the queue.
///
/// When nothing else is ready a turn takes no time, so an idle server answers as fast as without; under load about twice
/// as many writes share a commit.
async fn gather<T>(queue: &mut mpsc::Receiver<T>, batch: &mut Vec<T>) {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
        while batch.len() < MAX_BATCH
            && let Ok(operation) = queue.try_recv()
        {
            batch.push(operation);
        }
    }
}
