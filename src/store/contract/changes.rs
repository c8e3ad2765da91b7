//! The ring of changes: promises 11 and 12.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};

use tokio::task::JoinSet;

use super::{
    Bench, admission, at, certificate, change, commit, create_object, new_grant, on_every_store, read_object, site_key,
    update_object,
};
use crate::{
    grant::{GrantMetadata, Revision},
    store::{
        ChangeEffect, ChangeSubject, ChangesError, GrantChange, GrantQuery, GrantStore, LastState, NewGrant,
        ObjectStore, ObjectWrite, PageLimit, Store,
    },
};

on_every_store!(
    every_operation_on_a_grant_is_published,
    every_operation_on_objects_is_published,
    a_refused_operation_is_not_published,
    a_store_opened_anew_begins_at_its_revision,
    an_advance_begins_an_empty_ring_and_is_passed_over_by_others,
    every_waiting_watcher_is_woken_and_none_waits_for_an_old_change,
    a_watcher_of_concurrent_changes_sees_each_once_in_order,
    the_revision_of_a_list_is_never_of_the_future,
);

/// The changes since a revision, each as the text "revision effect".
fn changes_since(store: &impl Store, since: Revision) -> Vec<String> {
    let word = |effect: &ChangeEffect| match effect {
        ChangeEffect::Added => "added".to_owned(),
        ChangeEffect::Modified { labels_before: None } => "modified".to_owned(),
        ChangeEffect::Modified { labels_before: Some(labels) } => format!("modified {labels:?}"),
        ChangeEffect::Removed(LastState::Grant(grant)) => format!("removed grant at {}", grant.revision),
        ChangeEffect::Removed(LastState::Object(object)) => format!("removed object at {}", object.revision),
        ChangeEffect::Removed(LastState::Unreadable) => "removed unreadable".to_owned(),
    };
    let since = store.changes().since(since).unwrap();
    since.iter().map(|change| format!("{} {}", change.revision, word(&change.effect))).collect()
}

fn labelled(value: &str) -> GrantMetadata {
    GrantMetadata { labels: [("label".to_owned(), value.to_owned())].into(), ..GrantMetadata::default() }
}

async fn every_operation_on_a_grant_is_published<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(NewGrant { metadata: labelled("x"), ..new_grant("offer") }).await.unwrap();
    let start = Revision(grant.revision.0 - 1);
    commit(&*store, admission(&grant, 1500), certificate()).await.unwrap();
    let read = store.get(grant.id).await.unwrap().unwrap();
    let kept = store.update(read.id, read.revision, change(&read)).await.unwrap();
    let other = GrantChange { metadata: labelled("y"), ..change(&kept) };
    let updated = store.update(kept.id, kept.revision, other).await.unwrap();
    let deleted = store.delete(grant.namespace.clone(), grant.name.clone(), None).await.unwrap().unwrap();
    store.create(NewGrant { expires_at: at(1100), ..new_grant("old") }).await.unwrap();
    assert_eq!(store.sweep(at(1200), 10).await.unwrap(), 1);
    store.check().await.unwrap();

    let at = |steps: u64| start.0 + steps;
    assert_eq!(
        changes_since(&*store, start),
        [
            format!("{} added", grant.revision),
            format!("{} modified", at(2)),
            format!("{} modified", kept.revision),
            format!(r#"{} modified {{"label": "x"}}"#, updated.revision),
            format!("{0} removed grant at {0}", deleted.revision),
            format!("{} added", at(6)),
            format!("{0} removed grant at {0}", at(7)),
        ]
    );
    assert_eq!(store.changes().head(), store.revision().await.unwrap());
    let changes = store.changes().since(start).unwrap();
    let subject = ChangeSubject::Grant { id: grant.id, namespace: grant.namespace.clone(), name: grant.name.clone() };
    assert!(changes.iter().take(5).all(|change| change.subject == subject));
    let ChangeEffect::Removed(LastState::Grant(last)) = &changes[4].effect else { panic!("{changes:?}") };
    assert_eq!((&last.metadata, last.allowance.made()), (&labelled("y"), 1));
    assert!(last.code.is_same_as(&grant.code));
}

async fn every_operation_on_objects_is_published<B: Bench>(bench: B) {
    let store = bench.store();
    let object = read_object(&*store, create_object("a")).await;
    let start = Revision(object.revision.0 - 1);
    let mut update = update_object(&object, "new");
    if let ObjectWrite::Update { labels_before, .. } = &mut update {
        *labels_before = Some([("was".to_owned(), "so".to_owned())].into());
    }
    let writes = vec![create_object("b"), update, ObjectWrite::Delete { key: site_key("a"), expected: None }];
    let written = store.write_objects(writes).await.unwrap();

    assert_eq!(
        changes_since(&*store, start),
        [
            format!("{} added", object.revision),
            format!("{} added", written[0].revision),
            format!(r#"{} modified {{"was": "so"}}"#, written[1].revision),
            format!("{0} removed object at {0}", written[2].revision),
        ]
    );
    let changes = store.changes().since(start).unwrap();
    let subject =
        |object: &crate::store::StoredObject| ChangeSubject::Object { key: object.key.clone(), uid: object.uid };
    assert_eq!(changes[0].subject, subject(&object));
    assert_eq!(changes[1].subject, subject(&written[0]));
    let ChangeEffect::Removed(LastState::Object(last)) = &changes[3].effect else { panic!("{changes:?}") };
    assert_eq!(**last, written[2]);
}

async fn a_refused_operation_is_not_published<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(new_grant("offer")).await.unwrap();
    let record = certificate();
    commit(&*store, admission(&grant, 1500), record).await.unwrap();
    let revision = store.revision().await.unwrap();

    assert!(store.create(new_grant("offer")).await.is_err());
    assert!(store.update(grant.id, grant.revision, change(&grant)).await.is_err());
    assert!(commit(&*store, admission(&grant, 1500), record).await.is_err());
    assert!(commit(&*store, admission(&grant, 2500), certificate()).await.is_err());
    assert!(store.delete(grant.namespace.clone(), grant.name.clone(), Some(grant.revision)).await.is_err());
    assert!(store.delete(grant.namespace.clone(), "other".parse().unwrap(), None).await.unwrap().is_none());
    assert_eq!(store.sweep(at(1200), 10).await.unwrap(), 0);

    assert_eq!(changes_since(&*store, revision), [""; 0]);
    assert_eq!(store.changes().head(), revision);
}

async fn a_store_opened_anew_begins_at_its_revision<B: Bench>(bench: B) {
    let grant = bench.store().create(new_grant("offer")).await.unwrap();
    let bench = bench.reopened().await;
    let store = bench.store();
    let head = grant.revision;

    assert_eq!(store.changes().head(), head);
    assert!(store.changes().since(head).unwrap().is_empty());
    let older = store.changes().since(Revision(head.0 - 1)).unwrap_err();
    assert_eq!(older, ChangesError::TooOld { oldest: head });
    assert_eq!(store.changes().since(Revision(head.0 + 1)).unwrap_err(), ChangesError::Future { head });
    store.create(new_grant("next")).await.unwrap();
    assert_eq!(changes_since(&*store, head), [format!("{} added", head.0 + 1)]);
}

async fn an_advance_begins_an_empty_ring_and_is_passed_over_by_others<B: Bench>(bench: B) {
    let store = bench.store();
    let opened = store.revision().await.unwrap();
    let advanced = store.advance().await.unwrap();
    assert_eq!(advanced, Revision(opened.0 + 1));
    assert_eq!((store.revision().await.unwrap(), store.changes().head()), (advanced, advanced));
    assert_eq!(store.changes().since(opened).unwrap_err(), ChangesError::TooOld { oldest: advanced });
    assert!(store.changes().since(advanced).unwrap().is_empty());

    store.create(new_grant("offer")).await.unwrap();
    let later = store.advance().await.unwrap();
    assert_eq!(changes_since(&*store, advanced), [format!("{} added", advanced.0 + 1)]);
    assert!(store.changes().since(Revision(later.0 - 1)).unwrap().is_empty());
    assert!(waits(&*store, Revision(later.0 - 1)), "woken for nothing");
    let grant = store.create(new_grant("another")).await.unwrap();
    assert_eq!(changes_since(&*store, Revision(later.0 - 1)), [format!("{} added", grant.revision)]);
}

fn waits(store: &impl Store, revision: Revision) -> bool {
    let waiting = pin!(store.changes().wait_past(revision));
    waiting.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

async fn every_waiting_watcher_is_woken_and_none_waits_for_an_old_change<B: Bench>(bench: B) {
    let store = bench.store();
    let before = store.revision().await.unwrap();
    let mut waiting = JoinSet::new();
    for _ in 0..50 {
        let changes = Arc::clone(store.changes());
        waiting.spawn(async move {
            changes.wait_past(before).await;
            changes.since(before).unwrap().len()
        });
    }
    tokio::task::yield_now().await;
    let grant = store.create(new_grant("offer")).await.unwrap();

    assert_eq!(waiting.join_all().await, [1; 50]);
    store.changes().wait_past(before).await;
    assert!(waits(&*store, grant.revision), "woken for nothing");
}

async fn a_watcher_of_concurrent_changes_sees_each_once_in_order<B: Bench>(bench: B) {
    const WRITERS: u64 = 8;
    const EACH: u64 = 40;
    let store = bench.store();
    let start = store.revision().await.unwrap();
    let end = Revision(start.0 + WRITERS * EACH * 3);
    let mut followers = JoinSet::new();
    for _ in 0..4 {
        let changes = Arc::clone(store.changes());
        followers.spawn(async move {
            let (mut seen, mut at) = (Vec::new(), start);
            while at < end {
                changes.wait_past(at).await;
                seen.extend(changes.since(at).unwrap().iter().map(|change| change.revision.0));
                at = Revision(*seen.last().expect("woken by nothing"));
            }
            seen
        });
    }
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for number in 0..EACH {
                let name = format!("own-{writer}-{number}");
                let grant = store.create(new_grant(&name)).await.unwrap();
                let published = store.changes().since(Revision(grant.revision.0 - 1)).unwrap();
                assert_eq!(published[0].revision, grant.revision, "published after the answer");
                commit(&*store, admission(&grant, 1500), certificate()).await.unwrap();
                store.write_objects(vec![create_object(&name)]).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    for seen in followers.join_all().await {
        assert_eq!(seen, (start.0 + 1..=end.0).collect::<Vec<_>>());
    }
}

async fn the_revision_of_a_list_is_never_of_the_future<B: Bench>(bench: B) {
    let store = bench.store();
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for number in 0..50 {
                store.create(new_grant(&format!("own-{writer}-{number}"))).await.unwrap();
            }
        });
    }
    while !writers.is_empty() {
        let page = store.list(GrantQuery { limit: PageLimit::at_most(1), ..GrantQuery::default() }).await.unwrap();
        store.changes().since(page.revision).unwrap();
        if let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
        tokio::task::yield_now().await;
    }
}
