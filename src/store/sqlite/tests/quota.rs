//! What a namespace may store, and that it is counted as it is.

use sqlx::Row as _;

use super::raw;
use crate::store::{
    CreateError, GrantStore, ObjectKind, ObjectStore, ObjectWrite, Quota, QuotaExceeded, Store as _, WriteObjectsError,
    contract::{Files, SqliteBench, at, content, create_object, key, new_grant, read_object, update_object},
    sqlite::{SqliteOptions, SqliteStore},
};

async fn bench(quota: Quota) -> SqliteBench {
    let files = Files::new();
    let store = SqliteStore::open(SqliteOptions { quota, ..files.options() }).await.unwrap();
    SqliteBench { files, store: store.into() }
}

/// What is counted for the namespace `west`, and what there is.
async fn counted(bench: &SqliteBench) -> ((i64, i64), (i64, i64)) {
    let mut raw = raw(&bench.files).await;
    let used =
        "SELECT COALESCE(SUM(objects), 0), COALESCE(SUM(bytes), 0) FROM namespace_usage WHERE namespace = 'west'";
    let there = "SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM (
            SELECT length(sealed_content) AS bytes FROM object WHERE namespace = 'west' UNION ALL
            SELECT length(sealed_code) + COALESCE(length(sealed_metadata), 0) FROM access_grant
            WHERE namespace = 'west')";
    let mut read = async |query: &'static str| {
        let row = sqlx::query(query).fetch_one(&mut raw).await.unwrap();
        (row.get(0), row.get(1))
    };
    (read(used).await, read(there).await)
}

async fn refusal(bench: &SqliteBench, writes: Vec<ObjectWrite>) -> QuotaExceeded {
    let error = bench.store.write_objects(writes).await.unwrap_err();
    let WriteObjectsError::Quota(exceeded) = error else { panic!("{error:?}") };
    exceeded
}

#[tokio::test]
async fn whatever_is_written_is_counted_as_it_is() {
    let bench = bench(Quota::DEFAULT).await;
    let object = read_object(&*bench.store, create_object("a")).await;
    bench.store.create(new_grant("g")).await.unwrap();
    bench.store.create(new_grant("swept")).await.unwrap();
    let longer = read_object(&*bench.store, update_object(&object, &"x".repeat(1000))).await;
    read_object(&*bench.store, update_object(&longer, "x")).await;
    // The second one fails, and so the first is undone.
    let twice = vec![create_object("b"), create_object("a")];
    assert!(matches!(bench.store.write_objects(twice).await, Err(WriteObjectsError::Exists(_))));
    let (used, there) = counted(&bench).await;
    assert_eq!((used, used.0), (there, 3));

    let delete = ObjectWrite::Delete { key: object.key.clone(), expected: None };
    bench.store.write_objects(vec![delete]).await.unwrap();
    bench.store.delete("west".parse().unwrap(), "g".parse().unwrap(), None).await.unwrap();
    assert_eq!(bench.store.sweep(at(1_000_000), 10).await.unwrap(), 1);

    assert_eq!(counted(&bench).await, ((0, 0), (0, 0)));
    bench.store.advance().await.unwrap();
}

#[tokio::test]
async fn beyond_the_quota_nothing_is_made_and_another_namespace_has_its_own() {
    let bench = bench(Quota { objects: 3, bytes: 100_000 }).await;
    bench.store.create(new_grant("g")).await.unwrap();
    let object = read_object(&*bench.store, create_object("a")).await;

    let exceeded = refusal(&bench, vec![create_object("b"), create_object("c")]).await;
    assert_eq!(
        exceeded.to_string(),
        "exceeded quota: namespace, requested: objects=1, used: objects=3, limited: objects=3"
    );
    assert_eq!(counted(&bench).await.1.0, 2, "of writes together all are refused");
    read_object(&*bench.store, create_object("b")).await;
    let error = bench.store.create(new_grant("h")).await.unwrap_err();
    assert!(matches!(error, CreateError::Quota(_)), "{error:?}");
    let elsewhere = ObjectWrite::Create {
        key: key(ObjectKind::Site, "north", "a"),
        uid: uuid::Uuid::new_v4(),
        created_at: at(1000),
        content: content("a"),
    };
    bench.store.write_objects(vec![elsewhere]).await.unwrap();

    bench.store.write_objects(vec![ObjectWrite::Delete { key: object.key, expected: None }]).await.unwrap();
    read_object(&*bench.store, create_object("c")).await;
}

#[tokio::test]
async fn bytes_have_a_quota_and_statuses_fit_beyond_it() {
    let bench = bench(Quota { objects: 100, bytes: 10_000 }).await;
    let object = read_object(&*bench.store, create_object("a")).await;
    let longer = read_object(&*bench.store, update_object(&object, &"x".repeat(9_900))).await;

    assert_eq!(refusal(&bench, vec![create_object("b")]).await.limited, 10_000);
    let longest = read_object(&*bench.store, update_object(&longer, &"x".repeat(9_900 + 4_000))).await;
    let exceeded = refusal(&bench, vec![update_object(&longest, &"x".repeat(9_900 + 8_000))]).await;
    assert!(exceeded.used > 10_000 && exceeded.requested == 4_000, "{exceeded:?}");
    read_object(&*bench.store, update_object(&longest, "short")).await;
    read_object(&*bench.store, create_object("b")).await;
}

#[tokio::test]
async fn what_is_stored_before_is_counted_when_the_schema_is_migrated() {
    let bench = bench(Quota::DEFAULT).await;
    read_object(&*bench.store, create_object("a")).await;
    bench.store.create(new_grant("g")).await.unwrap();
    bench.store.close().await.unwrap();
    let mut old = raw(&bench.files).await;
    let undo = "DROP TABLE namespace_usage; DROP TRIGGER object_counted; DROP TRIGGER object_recounted;
        DROP TRIGGER object_uncounted; DROP TRIGGER grant_counted; DROP TRIGGER grant_recounted;
        DROP TRIGGER grant_uncounted; DELETE FROM _sqlx_migrations WHERE version = 7";
    super::run(&mut old, undo).await.unwrap();
    sqlx::Connection::close(old).await.unwrap();

    let bench = SqliteBench::on(bench.files).await;

    let (used, there) = counted(&bench).await;
    assert_eq!((used, used.0), (there, 2));
}
