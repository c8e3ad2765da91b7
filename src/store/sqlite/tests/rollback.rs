//! A database that is put back to an older state redeems nothing until an operator has acknowledged that.

use std::fs;

use super::{raw, run};
use crate::{
    grant::{Grant, GrantState, Revision},
    store::{
        ChangesError, CommitError, GrantStore, NewGrant, OpenError, Rollback, Store, StoreError, StoreFailure,
        contract::{Bench, Files, SqliteBench, admission, at, certificate, claim, commit, new_grant, within},
        sqlite::SqliteStore,
    },
};

const OLDER: &str = "older";
const NEWEST: &str = "newest";

async fn redeem(store: &SqliteStore, grant: &Grant) -> Result<u32, CommitError> {
    commit(store, admission(grant, 1500), certificate()).await.map(|receipt| receipt.ordinal())
}

fn is_rolled_back(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { source: StoreFailure::RolledBack(_), .. })
}

/// A store with an open grant, which was redeemed once after the database was copied; closed, and with the copy in its place.
async fn set_back() -> (Files, Grant, Revision) {
    let bench = SqliteBench::fresh().await;
    bench.store.advance().await.unwrap();
    let grant = bench.store.create(NewGrant { allowed: 1, ..new_grant("offer") }).await.unwrap();
    let bench = bench.reopened().await;
    let SqliteBench { files, store } = bench;
    store.close().await.unwrap();
    fs::copy(files.database(), files.path(OLDER)).unwrap();
    let SqliteBench { files, store } = SqliteBench::on(files).await;
    store.advance().await.unwrap();
    assert_eq!(redeem(&store, &grant).await.unwrap(), 1);
    let seen = store.revision().await.unwrap();
    store.close().await.unwrap();
    fs::copy(files.database(), files.path(NEWEST)).unwrap();
    fs::copy(files.path(OLDER), files.database()).unwrap();
    (files, grant, seen)
}

#[tokio::test]
async fn a_database_that_was_put_back_redeems_nothing_until_that_is_acknowledged() {
    let (files, grant, seen) = set_back().await;

    let SqliteBench { files, store } = SqliteBench::on(files).await;

    let rollback = store.rollback().expect("it is not noticed");
    assert_eq!(rollback.seen, seen);
    assert!(rollback.found < seen);
    assert!(matches!(redeem(&store, &grant).await, Err(CommitError::Store(error)) if is_rolled_back(&error)));
    assert!(store.claim(claim(&grant, 1500, "east"), certificate().key_fingerprint).await.is_err());
    assert!(is_rolled_back(&store.check().await.unwrap_err()));
    // A restart, and other changes, do not make it forgotten.
    store.create(new_grant("another")).await.unwrap();
    assert!(store.revision().await.unwrap() > seen, "a revision was given twice");
    let bench = SqliteBench { files, store }.reopened().await;
    assert_eq!(bench.store.rollback(), Some(rollback));

    assert_eq!(bench.store.acknowledge_rollback(at(1600)).await.unwrap(), Some(2));

    assert_eq!((bench.store.rollback(), bench.store.acknowledge_rollback(at(1600)).await.unwrap()), (None, None));
    bench.store.check().await.unwrap();
    let now = bench.store.get(grant.id).await.unwrap().unwrap();
    assert_eq!(now.state(at(1600)), GrantState::Expired);
    let new = bench.store.create(new_grant("new")).await.unwrap();
    redeem(&bench.store, &new).await.unwrap();
    assert_eq!(bench.reopened().await.store.rollback(), None);
}

#[tokio::test]
async fn what_was_put_back_by_mistake_can_be_exchanged_for_what_was_there() {
    let (files, grant, _) = set_back().await;
    let SqliteBench { files, store } = SqliteBench::on(files).await;
    assert!(store.rollback().is_some());
    for name in ["one", "another"] {
        store.create(new_grant(name)).await.unwrap();
    }
    store.close().await.unwrap();

    fs::copy(files.path(NEWEST), files.database()).unwrap();

    let bench = SqliteBench::on(files).await;
    assert_eq!(bench.store.rollback(), None);
    assert!(matches!(redeem(&bench.store, &grant).await, Err(CommitError::Exhausted)));
}

#[tokio::test]
async fn a_database_that_goes_back_while_it_is_open_redeems_nothing_either() {
    let SqliteBench { files, store } = SqliteBench::fresh().await;
    let grant = store.create(NewGrant { allowed: 100, ..new_grant("offer") }).await.unwrap();
    for _ in 0..5 {
        redeem(&store, &grant).await.unwrap();
    }
    let seen = store.revision().await.unwrap();
    let mut raw = raw(&files).await;
    run(&mut raw, "DROP TRIGGER store_state_grows; UPDATE store_state SET revision = 3").await.unwrap();

    // The database counts it before the answer says at which revision; no certificate is given out for it.
    assert!(matches!(redeem(&store, &grant).await, Err(CommitError::Store(error)) if is_rolled_back(&error)));
    assert!(redeem(&store, &grant).await.is_err());

    assert_eq!(store.rollback(), Some(Rollback { seen, found: Revision(3) }));
    assert!(is_rolled_back(&store.check().await.unwrap_err()));
    assert!(store.revision().await.unwrap() > seen);
    // Who follows the changes has to list again.
    assert!(matches!(store.changes().since(seen), Err(ChangesError::TooOld { .. })));
    assert_eq!(store.acknowledge_rollback(at(1600)).await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_check_notices_it_without_any_redemption_and_so_does_any_write() {
    for is_check in [true, false] {
        let SqliteBench { files, store } = SqliteBench::fresh().await;
        store.create(new_grant("offer")).await.unwrap();
        let mut raw = raw(&files).await;
        run(&mut raw, "DROP TRIGGER store_state_grows; UPDATE store_state SET revision = 1").await.unwrap();

        let noticed = if is_check {
            is_rolled_back(&store.check().await.unwrap_err())
        } else {
            store.create(new_grant("another")).await.is_err()
        };

        assert!(noticed && store.rollback().is_some());
        // It is recorded now, and what is no redemption goes on.
        store.create(new_grant("another")).await.unwrap();
    }
}

#[tokio::test]
async fn a_crash_is_no_rollback_and_nor_is_a_commit_whose_answer_was_lost() {
    let SqliteBench { files, store } = SqliteBench::fresh().await;
    store.advance().await.unwrap();
    let grant = store.create(NewGrant { allowed: 100, ..new_grant("offer") }).await.unwrap();
    redeem(&store, &grant).await.unwrap();

    let copy = files.crashed_copy();
    fs::copy(files.path("revision.mark"), copy.path("revision.mark")).unwrap();
    let after = SqliteBench::on(copy).await;

    assert_eq!(after.store.rollback(), None);
    redeem(&after.store, &grant).await.unwrap();
}

#[tokio::test]
async fn the_mark_follows_while_the_store_is_open_and_is_exact_when_it_was_closed() {
    let SqliteBench { files, store } = SqliteBench::fresh().await;
    let mark = || fs::read_to_string(files.path("revision.mark")).ok();
    store.create(new_grant("offer")).await.unwrap();
    let kept = format!("{}\n", store.revision().await.unwrap().0);
    within(async {
        while mark() != Some(kept.clone()) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;

    store.create(new_grant("another")).await.unwrap();
    let last = store.revision().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(mark(), Some(format!("{}\n", last.0)));
}

#[tokio::test]
async fn a_mark_that_holds_no_revision_is_named() {
    let files = Files::new();
    fs::write(files.path("revision.mark"), "soon").unwrap();
    let Err(error) = SqliteStore::open(files.options()).await else { panic!("it was opened") };
    assert!(matches!(&error, OpenError::Mark { mark } if *mark == files.path("revision.mark")), "{error}");
}
