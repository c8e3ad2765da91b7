//! A full disk: nothing is counted, and redemptions succeed again when space is free.

use crate::{
    grant::Grant,
    store::{
        GrantStore, NewGrant,
        contract::{Bench, SqliteBench, admission, certificate, commit, new_grant, within},
        sqlite::{SqliteStore, connection::Setup},
    },
};

async fn redeem(store: &SqliteStore, grant: &Grant) -> bool {
    commit(store, admission(grant, 1500), certificate()).await.is_ok()
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
async fn a_full_database_counts_nothing_and_goes_on_when_space_is_free() {
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
