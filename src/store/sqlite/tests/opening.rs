//! Opening a store: which files are created, which are kept, and which are refused.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use sqlx::Connection as _;

use super::{raw, run};
use crate::store::{
    GrantStore, OpenError, StoreError, StoreFailure,
    contract::{Bench, Files, SqliteBench, admission, certificate, commit, new_grant, within},
    sqlite::SqliteStore,
};

async fn refusal(files: &Files) -> OpenError {
    SqliteStore::open(files.options()).await.map(drop).unwrap_err()
}

fn names(error: &OpenError, path: &Path) -> bool {
    error.to_string().contains(path.to_str().unwrap())
}

#[tokio::test]
async fn every_file_is_the_owners_alone() {
    let bench = SqliteBench::fresh().await;
    bench.store.create(new_grant("offer")).await.unwrap();
    let files = bench.files.all();
    assert_eq!(files.len(), 5, "database, log, index of the log, lock, key: {files:?}");
    for path in files {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
    }
}

#[tokio::test]
async fn a_database_that_became_readable_is_tightened() {
    let bench = SqliteBench::fresh().await;
    bench.store.close().await.unwrap();
    let database = bench.files.database();
    fs::set_permissions(&database, fs::Permissions::from_mode(0o664)).unwrap();

    let bench = bench.reopened().await;

    assert_eq!(fs::metadata(bench.files.database()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_second_opening_is_refused_while_the_first_lives() {
    let bench = SqliteBench::fresh().await;
    let error = refusal(&bench.files).await;
    assert!(matches!(error, OpenError::Locked { .. }) && names(&error, &bench.files.path("lock")), "{error}");

    bench.store.close().await.unwrap();
    SqliteStore::open(bench.files.options()).await.unwrap();
}

#[tokio::test]
async fn a_dropped_store_finishes_and_frees_the_lock() {
    let SqliteBench { files, store } = SqliteBench::fresh().await;
    let grant = store.create(new_grant("offer")).await.unwrap();
    drop(store);
    let reopened = within(async {
        loop {
            match SqliteStore::open(files.options()).await {
                Ok(store) => return store,
                Err(OpenError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("{error}"),
            }
        }
    });
    assert!(reopened.await.get(grant.id).await.unwrap().is_some());
}

#[tokio::test]
async fn closing_leaves_the_database_whole_in_one_file() {
    let bench = SqliteBench::fresh().await;
    let grant = bench.store.create(new_grant("offer")).await.unwrap();
    bench.store.close().await.unwrap();

    let copy = Files::new();
    fs::copy(bench.files.database(), copy.database()).unwrap();
    fs::copy(bench.files.key(), copy.key()).unwrap();
    assert!(SqliteBench::on(copy).await.store.get(grant.id).await.unwrap().is_some());
}

#[tokio::test]
async fn after_a_crash_everything_answered_is_there() {
    let bench = SqliteBench::fresh().await;
    let grant = bench.store.create(new_grant("offer")).await.unwrap();
    commit(&*bench.store, admission(&grant, 1500), certificate()).await.unwrap();

    let crashed = SqliteBench::on(bench.files.crashed_copy()).await;

    assert_eq!(crashed.store.get(grant.id).await.unwrap().unwrap().allowance.made(), 1);
    assert_eq!(crashed.store.redemptions(grant.id, 0, 10).await.unwrap().len(), 1);
    assert_eq!(crashed.store.revision().await.unwrap(), bench.store.revision().await.unwrap());
}

#[tokio::test]
async fn wherever_a_crash_cuts_the_log_count_and_ledger_agree() {
    let bench = SqliteBench::fresh().await;
    let grant = bench.store.create(crate::store::NewGrant { allowed: 50, ..new_grant("offer") }).await.unwrap();
    for _ in 0..10 {
        commit(&*bench.store, admission(&grant, 1500), certificate()).await.unwrap();
    }
    let length = fs::metadata(bench.files.path("grants.db-wal")).unwrap().len();
    for twentieth in 1..20 {
        let copy = bench.files.crashed_copy();
        let log = fs::File::options().write(true).open(copy.path("grants.db-wal")).unwrap();
        log.set_len(length * twentieth / 20).unwrap();
        // A copy from before the key's probe was stored is a new database whose key file exists already.
        let crashed = SqliteBench::on(copy).await;
        let made = crashed.store.get(grant.id).await.unwrap().map_or(0, |grant| grant.allowance.made());
        let ledger = crashed.store.redemptions(grant.id, 0, 100).await.unwrap();
        assert_eq!(ledger.iter().map(|row| row.ordinal).collect::<Vec<_>>(), (1..=made).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_noticed_while_running() {
    let bench = SqliteBench::fresh().await;
    let mut raw = raw(&bench.files).await;
    run(
        &mut raw,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        VALUES (99, 'from the future', 1, x'00', 0)",
    )
    .await
    .unwrap();
    raw.close().await.unwrap();

    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let number = |entry: fs::DirEntry| entry.file_name().to_str().unwrap()[..4].parse::<i64>().unwrap();
    let newest = fs::read_dir(migrations).unwrap().map(|entry| number(entry.unwrap())).max().unwrap();
    let running = bench.store.check().await.unwrap_err();
    let changed = StoreFailure::SchemaChanged { found: 99, known: newest }.to_string();
    assert!(matches!(&running, StoreError::Unavailable { source, .. } if source.to_string() == changed), "{running:?}");
    bench.store.close().await.unwrap();

    let error = refusal(&bench.files).await;
    assert!(matches!(error, OpenError::NewerSchema { found: 99, known, .. } if known == newest), "{error:?}");
    assert!(names(&error, &bench.files.database()));
}

#[tokio::test]
async fn a_database_without_schema_is_migrated() {
    let files = Files::new();
    fs::File::create(files.database()).unwrap();
    let bench = SqliteBench::on(files).await;
    bench.store.check().await.unwrap();
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let files = Files::new();
    fs::write(files.database(), "this is a text of some length, and no database at all".repeat(100)).unwrap();
    let error = refusal(&files).await;
    assert!(matches!(error, OpenError::Unusable { .. }) && names(&error, &files.database()), "{error:?}");
}

#[tokio::test]
async fn a_key_that_is_not_the_databases_own_is_refused() {
    let (bench, other) = (SqliteBench::fresh().await, SqliteBench::fresh().await);
    bench.store.close().await.unwrap();
    let (database, key) = (bench.files.database(), bench.files.key());

    fs::copy(other.files.key(), &key).unwrap();
    let wrong = refusal(&bench.files).await;
    assert!(matches!(wrong, OpenError::WrongKey { .. }) && names(&wrong, &database) && names(&wrong, &key), "{wrong}");

    fs::write(&key, "c2hvcnQ=\n").unwrap();
    assert!(matches!(refusal(&bench.files).await, OpenError::KeyMalformed { .. }));

    fs::remove_file(&key).unwrap();
    let gone = refusal(&bench.files).await;
    assert!(matches!(gone, OpenError::KeyMissing { .. }) && names(&gone, &database) && names(&gone, &key), "{gone}");
    assert!(!key.exists(), "a key was made that opens nothing");
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused() {
    let bench = SqliteBench::fresh().await;
    bench.store.close().await.unwrap();
    fs::set_permissions(bench.files.key(), fs::Permissions::from_mode(0o640)).unwrap();
    let error = refusal(&bench.files).await;
    let advice = format!("chmod 600 {}", bench.files.key().display());
    assert!(matches!(error, OpenError::KeyNotPrivate { .. }) && error.to_string().contains(&advice), "{error}");
}

#[tokio::test]
async fn a_key_that_is_there_before_the_first_start_is_used() {
    let files = Files::new();
    // What `openssl rand -base64 32` printed.
    let given = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=\n";
    fs::write(files.key(), given).unwrap();
    fs::set_permissions(files.key(), fs::Permissions::from_mode(0o600)).unwrap();
    let bench = SqliteBench::on(files).await;
    assert_eq!(fs::read_to_string(bench.files.key()).unwrap(), given);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_process_that_is_being_started_does_not_keep_the_lock() {
    let mut bench = SqliteBench::fresh().await;
    let mut children = tokio::task::JoinSet::new();
    for _ in 0..4 {
        children.spawn(async {
            for _ in 0..200 {
                tokio::process::Command::new("true").status().await.unwrap();
            }
        });
    }
    for _ in 0..40 {
        bench = within(bench.reopened()).await;
    }
    within(children.join_all()).await;
}
