//! Operations that share a transaction and of which one cannot be carried out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use super::{raw, run};
use crate::{
    grant::Grant,
    store::{
        CreateError, GrantStore, NewGrant, OnCommit,
        contract::{Bench, SqliteBench, admission, certificate, commit, new_grant, within},
        sqlite::{SqliteOptions, SqliteStore, connection::Setup},
    },
};

fn poll_once<F: Future + Unpin>(future: &mut F) -> bool {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test]
async fn a_write_for_which_there_is_no_space_takes_no_other_with_it() {
    let bench = SqliteBench::fresh().await;
    bench.store.close().await.unwrap();
    let setup = Setup::new(&bench.files.database()).with_writer_pragmas(&["PRAGMA max_page_count = 100"]);
    let store = SqliteStore::open_with(bench.files.options(), setup).await.unwrap();
    let new = |number: u32| {
        let mut new = new_grant(&format!("offer-{number}"));
        if number == 13 {
            new.metadata.labels.insert("heavy".to_owned(), "x".repeat(1024 * 1024));
        }
        new
    };
    let mut waiting: Vec<_> = (0..40).map(|number| store.create(new(number))).collect();
    // All are in the queue before the writer runs.
    assert!(waiting.iter_mut().all(poll_once));

    let mut failed = Vec::new();
    for (number, created) in waiting.into_iter().enumerate() {
        match within(created).await {
            Ok(_) => {}
            Err(CreateError::Store(_)) => failed.push(number),
            Err(CreateError::NameTaken) => panic!("{number} was stored twice"),
            Err(other @ CreateError::Quota(_)) => panic!("{other}"),
        }
    }

    assert_eq!(failed, [13]);
    assert_eq!(store.count(crate::store::contract::at(1500)).await.unwrap().open, 39);
}

/// On a full disk every part fails. To try each write alone would hold up what waits behind them.
#[tokio::test]
async fn a_batch_that_fails_as_a_whole_is_divided_a_few_times_only() {
    let bench = SqliteBench::fresh().await;
    bench.store.close().await.unwrap();
    let setup = Setup::new(&bench.files.database()).with_writer_pragmas(&["PRAGMA max_page_count = 100"]);
    let transactions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&transactions);
    let on_commit: OnCommit = Box::new(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let store = SqliteStore::open_with(SqliteOptions { on_commit, ..bench.files.options() }, setup).await.unwrap();
    let heavy = |number| {
        let mut new = new_grant(&format!("offer-{number}"));
        new.metadata.labels.insert("heavy".to_owned(), "x".repeat(512 * 1024));
        new
    };
    let mut waiting: Vec<_> = (0..40).map(|number| store.create(heavy(number))).collect();
    assert!(waiting.iter_mut().all(poll_once));

    for created in waiting {
        assert!(matches!(within(created).await, Err(CreateError::Store(_))));
    }

    // Each division makes one more, and there are 16 of a batch.
    assert_eq!(transactions.load(Ordering::SeqCst), 17);
}

/// A page that is damaged makes every transaction fail that needs it.
#[tokio::test]
async fn a_redemption_whose_page_is_damaged_takes_no_other_with_it() {
    let bench = SqliteBench::fresh().await;
    let mut grants = Vec::new();
    for number in 0..8 {
        // Each row takes a page or more, so that each grant has one of its own.
        let mut new = NewGrant { allowed: 100, ..new_grant(&format!("offer-{number}")) };
        new.metadata.labels.insert("heavy".to_owned(), "x".repeat(3_500));
        grants.push(bench.store.create(new).await.unwrap());
    }
    bench.store.close().await.unwrap();
    damage_page_of(&bench, &grants[3]).await;
    let store = SqliteStore::open(bench.files.options()).await.unwrap();

    let attempt = |grant: &Grant| commit(&store, admission(grant, 1500), certificate());
    let mut waiting: Vec<_> = grants.iter().map(attempt).collect();
    assert!(waiting.iter_mut().all(poll_once));
    let mut failed = Vec::new();
    for (number, attempt) in waiting.into_iter().enumerate() {
        if within(attempt).await.is_err() {
            failed.push(number);
        }
    }

    assert_eq!(failed, [3]);
    assert!(matches!(poll_check(&store).await, Poll::Ready(Err(_))), "the check does not see what redemptions see");
}

async fn poll_check(store: &SqliteStore) -> Poll<Result<(), crate::store::StoreError>> {
    Poll::Ready(within(store.check()).await)
}

/// Overwrites the page in which the row of the grant begins.
async fn damage_page_of(bench: &SqliteBench, grant: &Grant) {
    let mut raw = raw(&bench.files).await;
    run(&mut raw, "PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    drop(raw);
    let path = bench.files.database();
    let mut bytes = std::fs::read(&path).unwrap();
    let name = format!("west{}", grant.name);
    let uid = grant.id.to_string();
    let page = bytes
        .chunks(4096)
        .position(|page| {
            // A leaf of a table (13), not of an index (10), which has the uid as well.
            let holds = |text: &str| page.windows(text.len()).any(|part| part == text.as_bytes());
            page[0] == 13 && holds(&uid) && holds(&name)
        })
        .expect("a page with the row");
    bytes[page * 4096..(page + 1) * 4096].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
}
