//! Objects and changes with corrupt rows, failing commits and other schemas.

use sqlx::Connection as _;
use uuid::Uuid;

use super::{raw, run};
use crate::{
    grant::Revision,
    store::{
        ChangeEffect, ChangesError, CorruptRow, GrantQuery, GrantStore, LastState, ObjectKind, ObjectQuery,
        ObjectStore, ObjectWrite, PageLimit, Store, StoreError, WriteObjectsError,
        contract::{
            Bench, SqliteBench, at, content, create_object, key, new_grant, read_object, site_key, update_object,
            within,
        },
        sqlite::{SqliteStore, connection::Setup},
    },
};

/// The Sites of all namespaces.
fn sites() -> ObjectQuery {
    ObjectQuery { kind: ObjectKind::Site, namespace: None, after: None, limit: PageLimit::FULL }
}

async fn break_by(bench: &SqliteBench, statement: &'static str) {
    let mut raw = raw(&bench.files).await;
    run(&mut raw, "PRAGMA ignore_check_constraints = ON").await.unwrap();
    run(&mut raw, statement).await.unwrap();
}

#[tokio::test]
async fn a_corrupt_object_is_told_apart_and_can_be_removed() {
    for (statement, column) in [
        ("UPDATE object SET sealed_content = zeroblob(60) WHERE name = 'broken'", "sealed_content"),
        ("UPDATE object SET generation = -1 WHERE name = 'broken'", "generation"),
        ("UPDATE object SET created_at = -1 WHERE name = 'broken'", "created_at"),
    ] {
        let bench = SqliteBench::fresh().await;
        let broken = read_object(&*bench.store, create_object("broken")).await;
        let sound = read_object(&*bench.store, create_object("sound")).await;
        break_by(&bench, statement).await;

        let error = bench.store.object(broken.key.clone()).await.unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { what, .. } if *what == column), "{column}: {error:?}");
        let page = bench.store.objects(sites()).await.unwrap();
        assert_eq!((page.objects.len(), &page.objects[0]), (1, &sound));
        assert_eq!(page.corrupt, [CorruptRow { id: broken.uid.to_string(), what: column }]);

        let delete = ObjectWrite::Delete { key: broken.key.clone(), expected: Some(broken.revision) };
        let removed = bench.store.write_objects(vec![delete]).await.unwrap().remove(0);
        assert_eq!((removed.uid, &removed.key), (broken.uid, &broken.key));
        let published = bench.store.changes().since(sound.revision).unwrap();
        assert_eq!((published.len(), published[0].revision), (1, removed.revision));
        assert!(matches!(published[0].effect, ChangeEffect::Removed(LastState::Unreadable)));
    }
}

#[tokio::test]
async fn an_object_that_does_not_say_which_it_was_leaves_no_entry() {
    let bench = SqliteBench::fresh().await;
    let broken = read_object(&*bench.store, create_object("broken")).await;
    let grant = bench.store.create(new_grant("broken")).await.unwrap();
    break_by(&bench, "UPDATE object SET uid = 'none'; UPDATE access_grant SET uid = 'none'").await;

    let delete = ObjectWrite::Delete { key: broken.key, expected: None };
    bench.store.write_objects(vec![delete]).await.unwrap();
    bench.store.delete(grant.namespace, grant.name, None).await.unwrap().unwrap();

    assert!(bench.store.changes().since(grant.revision).unwrap().is_empty());
    assert_eq!(bench.store.changes().head(), Revision(grant.revision.0 + 2));
    assert_eq!(bench.store.revision().await.unwrap(), Revision(grant.revision.0 + 2));
}

#[tokio::test]
async fn corrupt_grants_that_are_swept_are_told_too() {
    let bench = SqliteBench::fresh().await;
    bench.store.create(new_grant("sound")).await.unwrap();
    let broken = bench.store.create(new_grant("broken")).await.unwrap();
    break_by(&bench, "UPDATE access_grant SET sealed_code = zeroblob(60) WHERE name = 'broken'").await;

    assert_eq!(bench.store.sweep(at(9000), 10).await.unwrap(), 2);

    let published = bench.store.changes().since(broken.revision).unwrap();
    let readable = |last: &&LastState| matches!(last, LastState::Grant(_));
    let last: Vec<&LastState> = published
        .iter()
        .map(|change| match &change.effect {
            ChangeEffect::Removed(last) => last,
            ChangeEffect::Added | ChangeEffect::Modified { .. } => panic!("{change:?}"),
        })
        .collect();
    assert_eq!((last.len(), last.into_iter().filter(readable).count()), (2, 1));
}

#[tokio::test]
async fn a_content_moved_to_another_object_does_not_open() {
    let bench = SqliteBench::fresh().await;
    read_object(&*bench.store, create_object("a")).await;
    read_object(&*bench.store, create_object("b")).await;
    let swap = "UPDATE object SET sealed_content = (SELECT sealed_content FROM object WHERE name = 'a') \
         WHERE name = 'b'";
    break_by(&bench, swap).await;
    assert!(bench.store.object(site_key("a")).await.unwrap().is_some());
    let error = bench.store.object(site_key("b")).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { what: "sealed_content", .. }));
}

#[tokio::test]
async fn a_page_of_large_objects_ends_early() {
    let bench = SqliteBench::fresh().await;
    let large = content(&"x".repeat(600 * 1024));
    for name in ["a", "b", "c"] {
        let create = ObjectWrite::Create {
            key: key(ObjectKind::Site, "west", name),
            uid: Uuid::new_v4(),
            created_at: at(1000),
            content: large.clone(),
        };
        bench.store.write_objects(vec![create]).await.unwrap();
    }
    let first = bench.store.objects(sites()).await.unwrap();
    assert_eq!(first.objects.len(), 2);
    let rest = bench.store.objects(ObjectQuery { after: first.next, ..sites() }).await.unwrap();
    assert_eq!((rest.objects.len(), rest.next), (1, None));
}

#[tokio::test]
async fn writes_that_fail_with_the_disk_are_not_told_and_what_follows_is() {
    let bench = SqliteBench::fresh().await;
    bench.store.close().await.unwrap();
    let setup = Setup::new(&bench.files.database()).with_writer_pragmas(&["PRAGMA max_page_count = 64"]);
    let store = SqliteStore::open_with(bench.files.options(), setup).await.unwrap();
    let object = read_object(&store, create_object("a")).await;
    let huge = "x".repeat(1024 * 1024);

    let failed = within(store.write_objects(vec![create_object("b"), update_object(&object, &huge)])).await;

    assert!(matches!(failed, Err(WriteObjectsError::Store(StoreError::Unavailable { .. }))), "{failed:?}");
    assert!(store.changes().since(object.revision).unwrap().is_empty());
    assert_eq!(store.object(site_key("a")).await.unwrap().as_ref(), Some(&object));
    let next = read_object(&store, create_object("b")).await;
    assert_eq!(next.revision, Revision(object.revision.0 + 1));
    assert_eq!(store.changes().since(object.revision).unwrap().len(), 1);
}

#[tokio::test]
async fn changes_made_behind_the_stores_back_are_a_gap_that_is_said() {
    let bench = SqliteBench::fresh().await;
    let first = read_object(&*bench.store, create_object("a")).await;
    let mut raw = raw(&bench.files).await;
    run(&mut raw, "UPDATE store_state SET revision = revision + 5").await.unwrap();

    let next = read_object(&*bench.store, create_object("b")).await;

    assert_eq!(next.revision, Revision(first.revision.0 + 6));
    let before = Revision(first.revision.0 + 5);
    let error = bench.store.changes().since(first.revision).unwrap_err();
    assert_eq!(error, ChangesError::TooOld { oldest: before });
    assert_eq!(bench.store.changes().since(before).unwrap().len(), 1);
}

#[tokio::test]
async fn a_database_from_before_there_were_objects_keeps_its_grants_and_takes_objects() {
    let bench = SqliteBench::fresh().await;
    let grant = bench.store.create(new_grant("offer")).await.unwrap();
    bench.store.close().await.unwrap();
    // What the steps from the second on did, undone.
    let mut raw = raw(&bench.files).await;
    let undo = "DROP TABLE replay; DROP TABLE issued_certificate; DROP TABLE object; DROP TABLE readiness;
        DROP TABLE namespace_usage; DROP TRIGGER grant_counted; DROP TRIGGER grant_recounted;
        DROP TRIGGER grant_uncounted; ALTER TABLE store_state DROP COLUMN rolled_back_from;
        ALTER TABLE store_state DROP COLUMN rolled_back_to; DELETE FROM _sqlx_migrations WHERE version >= 2";
    run(&mut raw, undo).await.unwrap();
    raw.close().await.unwrap();

    let bench = SqliteBench::on(bench.files.crashed_copy()).await;

    bench.store.check().await.unwrap();
    let page = bench.store.list(GrantQuery::default()).await.unwrap();
    assert_eq!((page.grants.len(), page.grants[0].id), (1, grant.id));
    read_object(&*bench.store, create_object("a")).await;
}
