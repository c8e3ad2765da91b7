//! Objects: promise 11, and the promises of grants that hold for objects too.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Bench, at, content, create_object, key, new_grant, on_every_store, read_object, site_key, update_object};
use crate::{
    grant::Revision,
    store::{
        GrantStore, ObjectContent, ObjectKind, ObjectQuery, ObjectStore, ObjectWrite, PageLimit, Store, StoreError,
        StoredObject, WriteObjectsError,
    },
};

on_every_store!(
    an_object_is_read_as_it_was_written_also_after_reopening,
    each_of_several_writes_has_its_own_revision_in_their_order,
    when_one_write_cannot_be_done_none_is,
    an_object_can_be_replaced_by_another_in_one_go,
    no_writes_change_nothing,
    of_many_updates_from_one_state_exactly_one_succeeds,
    a_write_that_breaks_a_rule_takes_no_other_with_it,
    kinds_and_namespaces_are_listed_apart_in_pages,
    contents_are_in_no_stored_byte,
    a_closed_store_writes_no_objects,
);

async fn write_one(store: &impl ObjectStore, write: ObjectWrite) -> Result<StoredObject, WriteObjectsError> {
    let mut written = store.write_objects(vec![write]).await?;
    assert_eq!(written.len(), 1);
    Ok(written.remove(0))
}

async fn an_object_is_read_as_it_was_written_also_after_reopening<B: Bench>(bench: B) {
    let store = bench.store();
    let whole = ObjectContent {
        labels: [("a".to_owned(), "b".to_owned())].into(),
        annotations: [("c".to_owned(), "d\u{0}\u{1f511}".to_owned())].into(),
        body: serde_json::json!({"spec": {"url": "https://x", "n": [1, 2.5, null, true]}, "status": {}})
            .as_object()
            .cloned()
            .unwrap(),
        private: serde_json::json!({"key": "e"}).as_object().cloned().unwrap(),
    };
    let uid = Uuid::new_v4();
    let create = ObjectWrite::Create { key: site_key("a"), uid, created_at: at(1000), content: whole.clone() };
    let created = write_one(&*store, create).await.unwrap();
    assert_eq!((created.uid, created.generation, created.created_at), (uid, 1, at(1000)));
    assert_eq!(created.revision, store.revision().await.unwrap());
    assert_eq!(created.content, whole);

    let update = ObjectWrite::Update {
        key: site_key("a"),
        expected: created.revision,
        generation: 2,
        content: content("other"),
        labels_before: Some(whole.labels),
    };
    let updated = write_one(&*store, update).await.unwrap();
    assert_eq!(updated.content, content("other"));
    assert_eq!((updated.uid, updated.generation, updated.created_at), (uid, 2, at(1000)));
    assert!(updated.revision > created.revision);
    assert_eq!(store.object(site_key("a")).await.unwrap(), Some(updated.clone()));
    drop(store);

    let bench = bench.reopened().await;
    let store = bench.store();
    assert_eq!(store.object(site_key("a")).await.unwrap(), Some(updated.clone()));
    let removed = write_one(&*store, ObjectWrite::Delete { key: site_key("a"), expected: None }).await.unwrap();
    assert_eq!(removed.revision, store.revision().await.unwrap());
    assert_eq!(StoredObject { revision: updated.revision, ..removed.clone() }, updated);
    assert!(removed.revision > updated.revision);
    assert_eq!(store.object(site_key("a")).await.unwrap(), None);
}

async fn each_of_several_writes_has_its_own_revision_in_their_order<B: Bench>(bench: B) {
    let store = bench.store();
    let before = read_object(&*store, create_object("old")).await;
    let start = store.revision().await.unwrap().0;

    let writes = vec![
        create_object("z"),
        update_object(&before, "new"),
        create_object("a"),
        ObjectWrite::Delete { key: before.key.clone(), expected: None },
    ];
    let written = store.write_objects(writes).await.unwrap();

    let revisions: Vec<u64> = written.iter().map(|object| object.revision.0).collect();
    assert_eq!(revisions, (start + 1..=start + 4).collect::<Vec<_>>());
    assert_eq!(store.revision().await.unwrap(), Revision(start + 4));
    assert_eq!(written[3].content, content("new"), "the last state is that after the write before");
    assert_eq!(store.object(site_key("a")).await.unwrap().as_ref(), Some(&written[2]));
}

async fn when_one_write_cannot_be_done_none_is<B: Bench>(bench: B) {
    let store = bench.store();
    let there = read_object(&*store, create_object("there")).await;
    let stale = StoredObject { revision: Revision(there.revision.0 - 1), ..there.clone() };
    let missing = StoredObject { key: site_key("missing"), ..there.clone() };
    let delete =
        |object: &StoredObject| ObjectWrite::Delete { key: object.key.clone(), expected: Some(object.revision) };
    let revision = store.revision().await.unwrap();
    type Check = fn(&WriteObjectsError) -> bool;
    let exists: Check = |error| matches!(error, WriteObjectsError::Exists(key) if *key == site_key("there"));
    let conflict: Check = |error| matches!(error, WriteObjectsError::Conflict(key) if *key == site_key("there"));
    let gone: Check = |error| matches!(error, WriteObjectsError::Gone(key) if *key == site_key("missing"));
    for (refused, is_right) in [
        (create_object("there"), exists),
        (update_object(&stale, "x"), conflict),
        (delete(&stale), conflict),
        (update_object(&missing, "x"), gone),
        (delete(&missing), gone),
        (ObjectWrite::Delete { key: missing.key.clone(), expected: None }, gone),
    ] {
        let alone = store.write_objects(vec![refused.clone()]).await.unwrap_err();
        assert!(is_right(&alone), "{alone:?}");
        let writes = vec![create_object("a"), update_object(&there, "new"), refused, create_object("b")];
        let error = store.write_objects(writes).await.unwrap_err();

        assert!(is_right(&error), "{error:?}");
        assert_eq!(store.object(site_key("a")).await.unwrap(), None);
        assert_eq!(store.object(site_key("b")).await.unwrap(), None);
        assert_eq!(store.object(site_key("there")).await.unwrap().as_ref(), Some(&there));
        assert_eq!(store.revision().await.unwrap(), revision);
        assert!(store.changes().since(revision).unwrap().is_empty());
    }
    let next = read_object(&*store, create_object("a")).await;
    assert_eq!(next.revision, Revision(revision.0 + 1));
}

async fn an_object_can_be_replaced_by_another_in_one_go<B: Bench>(bench: B) {
    let store = bench.store();
    let old = read_object(&*store, create_object("a")).await;
    let delete = ObjectWrite::Delete { key: old.key.clone(), expected: Some(old.revision) };
    let written = store.write_objects(vec![delete, create_object("a")]).await.unwrap();
    assert_eq!(written[0].uid, old.uid);
    assert_ne!(written[1].uid, old.uid);
    assert_eq!(store.object(old.key).await.unwrap().as_ref(), Some(&written[1]));
}

async fn no_writes_change_nothing<B: Bench>(bench: B) {
    let store = bench.store();
    let revision = store.revision().await.unwrap();
    assert!(store.write_objects(Vec::new()).await.unwrap().is_empty());
    assert_eq!(store.revision().await.unwrap(), revision);
}

async fn of_many_updates_from_one_state_exactly_one_succeeds<B: Bench>(bench: B) {
    let store = bench.store();
    let object = read_object(&*store, create_object("a")).await;
    let mut tasks = JoinSet::new();
    for number in 0..40 {
        let (store, object) = (Arc::clone(&store), object.clone());
        let name = format!("own-{number}");
        tasks.spawn(async move {
            store.write_objects(vec![create_object(&name), update_object(&object, &name)]).await.is_ok()
        });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|succeeded| **succeeded).count(), 1);
    let all = store.objects(query(ObjectKind::Site, 1000)).await.unwrap().objects;
    assert_eq!(all.len(), 2, "a refused operation left its first write behind");
    let revision = store.revision().await.unwrap().0;
    assert_eq!(revision, object.revision.0 + 2);
    assert_eq!(store.changes().since(object.revision).unwrap().len(), 2);
}

async fn a_write_that_breaks_a_rule_takes_no_other_with_it<B: Bench>(bench: B) {
    let store = bench.store();
    let object = read_object(&*store, create_object("a")).await;
    let taken = |name: &str| ObjectWrite::Create {
        key: site_key(name),
        uid: object.uid,
        created_at: at(1),
        content: content("x"),
    };
    let start = Arc::new(Barrier::new(20));
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let (store, start) = (Arc::clone(&store), Arc::clone(&start));
        let name = format!("own-{number}");
        let second = if number % 2 == 0 { create_object(&format!("two-{number}")) } else { taken("clash") };
        tasks.spawn(async move {
            start.wait().await;
            store.write_objects(vec![create_object(&name), second]).await
        });
    }
    let outcomes = tasks.join_all().await;
    let corrupt = |outcome: &Result<_, _>| matches!(outcome, Err(WriteObjectsError::Store(StoreError::Corrupt { .. })));
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    assert_eq!(outcomes.iter().filter(|outcome| corrupt(outcome)).count(), 10);
    assert_eq!(store.objects(query(ObjectKind::Site, 1000)).await.unwrap().objects.len(), 21);
    let published = store.changes().since(object.revision).unwrap();
    let revisions: Vec<u64> = published.iter().map(|change| change.revision.0).collect();
    assert_eq!(revisions, (object.revision.0 + 1..=object.revision.0 + 20).collect::<Vec<_>>());
}

fn query(kind: ObjectKind, limit: u32) -> ObjectQuery {
    ObjectQuery { kind, namespace: None, after: None, limit: PageLimit::at_most(limit) }
}

async fn names(store: &impl ObjectStore, mut query: ObjectQuery) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    for _ in 0..20 {
        let page = store.objects(query.clone()).await.unwrap();
        assert!(page.corrupt.is_empty());
        let name = |object: &StoredObject| format!("{}/{}", object.key.namespace, object.key.name);
        pages.push(page.objects.iter().map(name).collect());
        query.after = page.next;
        if query.after.is_none() {
            return pages;
        }
    }
    panic!("the pages do not end");
}

async fn kinds_and_namespaces_are_listed_apart_in_pages<B: Bench>(bench: B) {
    let store = bench.store();
    store.create(new_grant("x")).await.unwrap();
    let new = |kind, namespace, name| ObjectWrite::Create {
        key: key(kind, namespace, name),
        uid: Uuid::new_v4(),
        created_at: at(1000),
        content: content(name),
    };
    let places = [("b", "y"), ("a", "z"), ("b", "x"), ("a", "x"), ("a-0", "x"), ("a", "x.y"), ("a", "x-y")];
    let links = places.map(|(namespace, name)| new(ObjectKind::Link, namespace, name));
    let others = [new(ObjectKind::Secret, "a", "x"), new(ObjectKind::AccessToken, "a", "x")];
    store.write_objects(links.into_iter().chain(others).collect()).await.unwrap();

    let all = [["a/x", "a/x-y", "a/x.y"].as_slice(), &["a/z", "a-0/x", "b/x"], &["b/y"]];
    assert_eq!(names(&*store, query(ObjectKind::Link, 3)).await, all);
    assert_eq!(names(&*store, query(ObjectKind::Link, 1000)).await, [all.concat()]);
    assert_eq!(names(&*store, query(ObjectKind::Secret, 1000)).await, [["a/x"]]);
    assert_eq!(names(&*store, query(ObjectKind::Site, 1000)).await, [[""; 0]]);
    let of = |namespace: &str, after: Option<(&str, &str)>| ObjectQuery {
        namespace: Some(namespace.parse().unwrap()),
        after: after.map(|(namespace, name)| (namespace.parse().unwrap(), name.parse().unwrap())),
        ..query(ObjectKind::Link, 2)
    };
    assert_eq!(names(&*store, of("a", None)).await, [["a/x", "a/x-y"], ["a/x.y", "a/z"]]);
    assert_eq!(names(&*store, of("a", Some(("a", "x.y")))).await, [["a/z"]]);

    let count = async |query: ObjectQuery, limit| {
        let limit = PageLimit::at_most(limit);
        store.count_objects(ObjectQuery { limit, ..query }).await.unwrap()
    };
    assert_eq!(count(query(ObjectKind::Link, 1000), 100).await, 7);
    assert_eq!(count(query(ObjectKind::Link, 1000), 3).await, 3);
    assert_eq!(count(query(ObjectKind::Site, 1000), 100).await, 0);
    assert_eq!(count(of("a", Some(("a", "x"))), 100).await, 3);
    assert_eq!(names(&*store, of("a-0", Some(("a", "z")))).await, [["a-0/x"]]);
    assert_eq!(names(&*store, of("a", Some(("b", "x")))).await, [[""; 0]]);
    let empty = store.objects(query(ObjectKind::Site, 1000)).await.unwrap();
    assert_eq!(empty.revision, store.revision().await.unwrap());
}

async fn contents_are_in_no_stored_byte<B: Bench>(bench: B) {
    const CANARY: &str = "hunter2-canary";
    let store = bench.store();
    let mut secret = content(CANARY);
    secret.labels.insert(format!("{CANARY}-label"), CANARY.to_owned());
    secret.annotations.insert(format!("{CANARY}-annotation"), CANARY.to_owned());
    let create = ObjectWrite::Create {
        key: key(ObjectKind::Secret, "west", "link-a"),
        uid: Uuid::new_v4(),
        created_at: at(1000),
        content: secret,
    };
    let object = read_object(&*store, create).await;
    let updated = store.write_objects(vec![update_object(&object, CANARY)]).await.unwrap();
    assert!(!bench.stored_bytes().windows(CANARY.len()).any(|bytes| bytes == CANARY.as_bytes()));
    assert!(!format!("{updated:?} {object:?}").contains(CANARY), "nor in what is written to logs");
}

async fn a_closed_store_writes_no_objects<B: Bench>(bench: B) {
    let store = bench.store();
    store.close().await.unwrap();
    assert!(matches!(store.object(site_key("a")).await, Err(StoreError::Unavailable { .. })));
    assert!(matches!(store.objects(query(ObjectKind::Site, 1000)).await, Err(StoreError::Unavailable { .. })));
    let refused = store.write_objects(vec![create_object("a")]).await;
    assert!(matches!(refused, Err(WriteObjectsError::Store(StoreError::Unavailable { .. }))));
}
