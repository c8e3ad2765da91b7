//! The check of readiness succeeds exactly when a redemption would.

use std::fs;

use sqlx::Connection as _;

use super::{raw, run};
use crate::store::{
    GrantStore, NewGrant,
    contract::{Bench, SqliteBench, admission, certificate, commit, new_grant, within},
    sqlite::{SqliteStore, connection::Setup},
};

#[tokio::test]
async fn what_is_damaged_in_the_log_fails_the_check_as_it_fails_redemptions() {
    let bench = SqliteBench::fresh().await;
    let grant = bench.store.create(NewGrant { allowed: 100, ..new_grant("offer") }).await.unwrap();
    commit(&*bench.store, admission(&grant, 1500), certificate()).await.unwrap();
    bench.store.check().await.unwrap();
    // The header and the length stay, every page is overwritten. The next transaction makes all connections read it again.
    let log = bench.files.path("grants.db-wal");
    let mut bytes = fs::read(&log).unwrap();
    bytes[32..].fill(0x5a);
    {
        use std::os::unix::fs::FileExt as _;
        fs::File::options().write(true).open(&log).unwrap().write_all_at(&bytes, 0).unwrap();
    }

    let redeemed = match bench.store.get(grant.id).await {
        Ok(Some(read)) => commit(&*bench.store, admission(&read, 1500), certificate()).await.is_ok(),
        Ok(None) | Err(_) => false,
    };
    let again = bench.store.get(grant.id).await;

    assert!(!redeemed || again.is_err(), "the damage is not seen");
    assert!(within(bench.store.check()).await.is_err(), "ready, and redemptions fail");
}

#[tokio::test]
async fn a_ledger_that_is_damaged_where_a_redemption_writes_fails_the_check_too() {
    let bench = SqliteBench::fresh().await;
    let grant = bench.store.create(NewGrant { allowed: 100, ..new_grant("offer") }).await.unwrap();
    commit(&*bench.store, admission(&grant, 1500), certificate()).await.unwrap();
    bench.store.close().await.unwrap();
    let mut raw = raw(&bench.files).await;
    let mut number =
        async |query: &'static str| -> i64 { sqlx::query_scalar(query).fetch_one(&mut raw).await.unwrap() };
    let page = number("SELECT rootpage FROM sqlite_schema WHERE name = 'redemption'").await;
    let size = number("PRAGMA page_size").await;
    raw.close().await.unwrap();
    {
        use std::os::unix::fs::FileExt as _;
        let (start, length) = ((page - 1) * size, usize::try_from(size).unwrap());
        let database = fs::File::options().write(true).open(bench.files.database()).unwrap();
        database.write_all_at(&vec![0x5a; length], start.cast_unsigned()).unwrap();
    }
    let setup = Setup::new(&bench.files.database());
    let store = SqliteStore::open_with(bench.files.options(), setup).await.unwrap();

    assert!(commit(&store, admission(&grant, 1500), certificate()).await.is_err());

    assert!(within(store.check()).await.is_err(), "ready, and redemptions fail");
}

#[tokio::test]
async fn a_check_writes_no_less_than_a_redemption() {
    let bench = SqliteBench::fresh().await;
    let grant = bench.store.create(NewGrant { allowed: 10_000, ..new_grant("offer") }).await.unwrap();
    let length = || fs::metadata(bench.files.path("grants.db-wal")).unwrap().len();
    let mut greatest = 0;
    // Enough for pages to be split, and few enough that the log does not begin anew.
    for _ in 0..80 {
        let before = length();
        commit(&*bench.store, admission(&grant, 1500), certificate()).await.unwrap();
        greatest = greatest.max(length() - before);
    }

    let before = length();
    bench.store.check().await.unwrap();
    let checked = length() - before;

    assert!(greatest > 0 && checked >= greatest, "a redemption writes {greatest} bytes, the check {checked}");
}

#[tokio::test]
async fn a_row_that_breaks_a_rule_does_not_fail_the_check() {
    let bench = SqliteBench::fresh().await;
    let broken = bench.store.create(new_grant("broken")).await.unwrap();
    let mut raw = raw(&bench.files).await;
    run(&mut raw, "PRAGMA ignore_check_constraints = ON").await.unwrap();
    run(&mut raw, "UPDATE access_grant SET redemptions = -5, revision = 0, sealed_code = zeroblob(40)").await.unwrap();

    assert!(bench.store.get(broken.id).await.is_err());
    assert!(commit(&*bench.store, admission(&broken, 1500), certificate()).await.is_err());

    bench.store.check().await.unwrap();
}

#[tokio::test]
async fn the_check_succeeds_again_when_the_cause_is_gone() {
    let bench = SqliteBench::fresh().await;
    let grant = bench.store.create(NewGrant { allowed: 100, ..new_grant("offer") }).await.unwrap();
    bench.store.close().await.unwrap();
    let setup = Setup::new(&bench.files.database()).with_writer_pragmas(&["PRAGMA query_only = ON"]);
    let store = SqliteStore::open_with(bench.files.options(), setup).await.unwrap();
    assert!(commit(&store, admission(&grant, 1500), certificate()).await.is_err());
    assert!(store.check().await.is_err());
    store.close().await.unwrap();

    let bench = SqliteBench::on(bench.files.crashed_copy()).await;

    bench.store.check().await.unwrap();
    commit(&*bench.store, admission(&grant, 1500), certificate()).await.unwrap();
}
