//! Files of the database that are deleted, replaced or truncated while the store is open.

use std::{
    fs::{self, OpenOptions},
    path::PathBuf,
};

use crate::{
    grant::Grant,
    store::{
        CommitError, FileFault, GrantStore, NewGrant, StoreError, StoreFailure,
        contract::{Bench, SqliteBench, admission, certificate, commit, new_grant},
    },
};

async fn redeem(bench: &SqliteBench, grant: &Grant) -> Result<u32, CommitError> {
    commit(&*bench.store, admission(grant, 1500), certificate()).await.map(|receipt| receipt.ordinal())
}

async fn with_grant() -> (SqliteBench, Grant) {
    let bench = SqliteBench::fresh().await;
    let grant = bench.store.create(NewGrant { allowed: 100, ..new_grant("offer") }).await.unwrap();
    (bench, grant)
}

/// Asserts that nothing is written any more, for this reason.
async fn assert_closed(bench: &SqliteBench, grant: &Grant, expected: FileFault) {
    let is_expected = |error: &StoreError| matches!(error, StoreError::Unavailable { source: StoreFailure::Files { fault, .. }, .. } if *fault == expected);
    let error = bench.store.check().await.unwrap_err();
    assert!(is_expected(&error), "{error:?} instead of {expected:?}");
    let Err(CommitError::Store(error)) = redeem(bench, grant).await else { panic!("a redemption was counted") };
    assert!(is_expected(&error), "{error:?} instead of {expected:?}");
    assert!(bench.store.create(new_grant("other")).await.is_err());
}

#[tokio::test]
async fn a_file_that_is_moved_away_closes_the_store_until_it_is_back() {
    for name in ["grants.db", "grants.db-wal", "grants.db-shm", "lock"] {
        let (bench, grant) = with_grant().await;
        let (path, aside) = (bench.files.path(name), bench.files.path("aside"));

        fs::rename(&path, &aside).unwrap();
        assert_closed(&bench, &grant, FileFault::Missing).await;

        fs::rename(&aside, &path).unwrap();
        bench.store.check().await.unwrap();
        assert_eq!(redeem(&bench, &grant).await.unwrap(), 1, "{name}: counted while it was away");
    }
}

#[tokio::test]
async fn a_copy_in_the_place_of_a_file_closes_the_store() {
    for name in ["grants.db", "grants.db-wal"] {
        let (bench, grant) = with_grant().await;
        let (path, aside) = (bench.files.path(name), bench.files.path("aside"));

        fs::copy(&path, &aside).unwrap();
        fs::rename(&aside, &path).unwrap();

        assert_closed(&bench, &grant, FileFault::Replaced).await;
    }
}

fn truncate(path: &PathBuf, size: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(size).unwrap();
}

#[tokio::test]
async fn a_truncated_file_closes_the_store_also_when_it_grows_again() {
    for name in ["grants.db", "grants.db-wal"] {
        let (bench, grant) = with_grant().await;
        redeem(&bench, &grant).await.unwrap();
        let path = bench.files.path(name);
        let size = fs::metadata(&path).unwrap().len();

        truncate(&path, size / 2);
        assert_closed(&bench, &grant, FileFault::Truncated).await;

        truncate(&path, size);
        assert_closed(&bench, &grant, FileFault::Truncated).await;
    }
}

/// The log is truncated by SQLite itself after it was long; that is no fault.
#[tokio::test]
async fn a_log_that_the_database_truncates_closes_nothing() {
    let (bench, grant) = with_grant().await;
    for _ in 0..3 {
        for number in 0..12 {
            let mut large = new_grant(&format!("large-{number}"));
            large.metadata.labels.insert("heavy".to_owned(), "x".repeat(2 * 1024 * 1024));
            let large = bench.store.create(large).await.unwrap();
            bench.store.delete(large.namespace, large.name, None).await.unwrap().unwrap();
        }
    }
    redeem(&bench, &grant).await.unwrap();
    bench.store.check().await.unwrap();
}
