//! Which writes share a transaction, and what they have to do with one another.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    task::{Context, Waker},
};

use tokio::task::{JoinSet, yield_now};

use super::{raw, run};
use crate::{
    grant::{CertificateRecord, Grant},
    store::{
        Claimed, CommitError, CommitReport, GrantStore, NewGrant, StoreError,
        contract::{Files, Kept, admission, certificate, claim, commit, commit_kept, new_grant, within},
        sqlite::{SqliteOptions, SqliteStore, connection::Setup},
    },
};

/// A store that tells how many writes each of its transactions held.
struct Observed {
    store: Arc<SqliteStore>,
    transactions: Arc<Mutex<Vec<usize>>>,
    files: Files,
}

impl Observed {
    async fn fresh() -> Self {
        Self::with_pragmas(&[]).await
    }

    async fn with_pragmas(pragmas: &'static [&'static str]) -> Self {
        let (files, transactions) = (Files::new(), Arc::<Mutex<Vec<usize>>>::default());
        let seen = Arc::clone(&transactions);
        let on_commit = Box::new(move |report: CommitReport| seen.lock().unwrap().push(report.batch));
        let setup = Setup::new(&files.database()).with_writer_pragmas(pragmas);
        let store = SqliteStore::open_with(SqliteOptions { on_commit, ..files.options() }, setup).await.unwrap();
        Self { store: Arc::new(store), transactions, files }
    }

    /// A grant that allows many redemptions; its creation is no transaction that the test sees.
    async fn grant(&self) -> Grant {
        let grant = self.store.create(NewGrant { allowed: 1000, ..new_grant("offer") }).await.unwrap();
        self.transactions.lock().unwrap().clear();
        grant
    }

    fn transactions(&self) -> Vec<usize> {
        self.transactions.lock().unwrap().clone()
    }
}

/// Puts a write into the queue. The writer sees it when the test waits for something.
fn queue(write: &mut (impl Future + Unpin)) {
    assert!(std::pin::Pin::new(write).poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test]
async fn writes_that_come_a_moment_later_share_the_commit() {
    let observed = Observed::fresh().await;
    let grant = observed.grant().await;
    let mut tasks = JoinSet::new();
    for turns in 0..3 {
        let (store, admission) = (Arc::clone(&observed.store), admission(&grant, 1500));
        tasks.spawn(async move {
            for _ in 0..turns {
                yield_now().await;
            }
            commit(&*store, admission, certificate()).await.unwrap();
        });
    }

    within(tasks.join_all()).await;

    assert_eq!(observed.transactions(), [3]);
}

#[tokio::test]
async fn a_transaction_holds_no_more_than_256_writes() {
    let observed = Observed::fresh().await;
    let grant = observed.grant().await;
    let mut writes: Vec<_> =
        (0..300).map(|_| commit(&*observed.store, admission(&grant, 1500), certificate())).collect();
    writes.iter_mut().for_each(queue);

    for write in writes {
        within(write).await.unwrap();
    }

    assert_eq!(observed.transactions(), [256, 44]);
}

#[tokio::test]
async fn what_is_given_up_before_it_begins_is_not_made() {
    let observed = Observed::fresh().await;
    let grant = observed.grant().await;
    let mut redemption = commit(&*observed.store, admission(&grant, 1500), certificate());
    let mut creation = Box::pin(observed.store.create(new_grant("given-up")));
    queue(&mut redemption);
    queue(&mut creation);
    drop((redemption, creation));

    let receipt = within(commit(&*observed.store, admission(&grant, 1500), certificate())).await.unwrap();

    // Redemptions of a batch come before its other writes, so only this shows that those are done.
    within(observed.store.create(new_grant("later"))).await.unwrap();
    assert_eq!((receipt.ordinal(), observed.transactions()), (1, vec![1, 1]));
    let found = observed.store.find("west".parse().unwrap(), "given-up".parse().unwrap()).await.unwrap();
    assert!(found.is_none());
}

#[tokio::test]
async fn a_key_without_a_certificate_is_looked_for_without_a_transaction() {
    let observed = Observed::fresh().await;
    let grant = observed.grant().await;

    let claimed = observed.store.claim(claim(&grant, 1500, "east"), certificate().key_fingerprint).await.unwrap();

    assert!(matches!(claimed, Claimed::New(_)));
    assert!(observed.transactions().is_empty());
}

#[tokio::test]
async fn what_finds_no_room_on_the_disk_takes_no_other_write_with_it() {
    let observed = Observed::with_pragmas(&["PRAGMA max_page_count = 64"]).await;
    let new = |number: u32| {
        let mut new = new_grant(&format!("offer-{number}"));
        let weight = if number == 5 { 400_000 } else { 1 };
        new.metadata.labels.insert("weight".to_owned(), "x".repeat(weight));
        new
    };
    let mut writes: Vec<_> = (0..8).map(|number| Box::pin(observed.store.create(new(number)))).collect();
    writes.iter_mut().for_each(queue);

    let mut made = Vec::new();
    for write in writes {
        made.push(within(write).await.is_ok());
    }

    assert_eq!(made, [true, true, true, true, true, false, true, true]);
    assert!(!observed.transactions().contains(&0), "{:?}", observed.transactions());
}

#[tokio::test]
async fn a_redemption_that_breaks_a_rule_alone_names_its_grant() {
    let observed = Observed::fresh().await;
    let (grant, first, other) = (observed.grant().await, certificate(), certificate());
    let again = CertificateRecord { serial: first.serial, ..other };
    commit(&*observed.store, admission(&grant, 1500), first).await.unwrap();

    for kept in [None, Some(vec![1])] {
        match commit_kept(&*observed.store, admission(&grant, 1500), Kept(again, kept)).await {
            Err(CommitError::Store(StoreError::Corrupt { id, .. })) => assert_eq!(id, grant.id.to_string()),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_redemption_without_a_row_from_a_grant_that_has_some_left_is_an_error_and_no_refusal() {
    let observed = Observed::fresh().await;
    let grant = observed.grant().await;
    let mut connection = raw(&observed.files).await;
    let nothing_is_kept = "CREATE TRIGGER lost BEFORE INSERT ON redemption BEGIN SELECT RAISE(IGNORE); END";
    run(&mut connection, nothing_is_kept).await.unwrap();

    let answer = commit_kept(&*observed.store, admission(&grant, 1500), Kept(certificate(), Some(vec![1]))).await;

    assert!(matches!(answer, Err(CommitError::Store(StoreError::Corrupt { .. }))), "{answer:?}");
}
