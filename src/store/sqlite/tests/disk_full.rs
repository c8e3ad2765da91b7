//! A disk that is full: nothing is counted, and when there is room again everything goes on.

use std::{fs, process::Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    grant::Grant,
    store::{
        GrantStore, NewGrant, SqliteStore, StoreError,
        contract::{Bench, Files, SqliteBench, admission, certificate, new_grant, within},
        sqlite::connection::Setup,
    },
};

async fn redeem(store: &SqliteStore, grant: &Grant) -> bool {
    store.commit_redemption(admission(grant, 1500), certificate()).await.is_ok()
}

/// Redeems until it fails, and answers how often it succeeded.
async fn redeem_until_full(store: &SqliteStore, grant: &Grant) -> u32 {
    for redeemed in 0..100_000 {
        if !redeem(store, grant).await {
            return redeemed;
        }
    }
    panic!("the disk does not fill up");
}

async fn assert_counted(store: &SqliteStore, grant: &Grant, times: u32) {
    assert_eq!(store.get(grant.id).await.unwrap().unwrap().allowance.made(), times);
    let ledger = store.redemptions(grant.id, 0, u32::MAX).await.unwrap();
    assert_eq!(ledger.iter().map(|row| row.ordinal).collect::<Vec<_>>(), (1..=times).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_database_counts_nothing_and_goes_on_when_there_is_room() {
    let bench = SqliteBench::fresh().await;
    bench.store.close().await.unwrap();
    let setup = Setup::new(&bench.files.database()).with_writer_pragmas(&["PRAGMA max_page_count = 64"]);
    let store = SqliteStore::open_with(bench.files.options(), setup).await.unwrap();
    let grant = store.create(NewGrant { allowed: 100_000, ..new_grant("offer") }).await.unwrap();
    let mut ballast = new_grant("ballast");
    ballast.metadata.labels.insert("heavy".to_owned(), "x".repeat(60_000));
    let ballast = store.create(ballast).await.unwrap();

    let redeemed = within(redeem_until_full(&store, &grant)).await;

    assert_counted(&store, &grant, redeemed).await;
    store.delete(ballast.namespace, ballast.name, None).await.unwrap().unwrap();
    assert!(redeem(&store, &grant).await);
    assert_counted(&store, &grant, redeemed + 1).await;
}

/// The limit of a file's size stands for the disk's: writes fail in the middle of the log. It holds for a whole process,
/// so the test below runs this one in a process of its own.
#[tokio::test]
#[ignore = "limits its whole process; run by a_log_that_cannot_grow_counts_nothing_and_goes_on_when_there_is_room"]
async fn in_a_process_of_its_own() {
    let files = Files::new();
    let store = SqliteStore::open(files.options()).await.unwrap();
    let grant = store.create(NewGrant { allowed: 100_000, ..new_grant("offer") }).await.unwrap();
    let limit = getrlimit(Resource::Fsize);
    let log = fs::metadata(files.path("grants.db-wal")).unwrap().len();
    // Not a whole number of pages: the last write is a part of one.
    setrlimit(Resource::Fsize, Rlimit { current: Some(log + 30_000), ..limit }).unwrap();

    let redeemed = within(redeem_until_full(&store, &grant)).await;

    // A check writes less than a redemption, so there may be room for a few.
    let mut check = Ok(());
    for _ in 0..20 {
        check = check.and(store.check().await);
    }
    assert!(matches!(check, Err(StoreError::Unavailable { .. })), "{check:?}");
    assert_counted(&store, &grant, redeemed).await;

    setrlimit(Resource::Fsize, limit).unwrap();
    let crashed = SqliteBench::on(files.crashed_copy()).await;
    assert_counted(&crashed.store, &grant, redeemed).await;
    store.check().await.unwrap();
    assert!(redeem(&store, &grant).await);
    assert_counted(&store, &grant, redeemed + 1).await;
}

#[tokio::test]
async fn a_log_that_cannot_grow_counts_nothing_and_goes_on_when_there_is_room() {
    let name = "store::sqlite::tests::disk_full::in_a_process_of_its_own";
    // A write beyond the limit raises SIGXFSZ, which ends a process that does not ignore it.
    let child = tokio::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact \"$1\" --ignored --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within(child).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
