//! A watcher that lists once and then applies the changes has the same state as a new list, at every moment.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    Bench, MemoryBench, SqliteBench, admission, at, certificate, change, commit, key, new_grant,
    postgres::PostgresBench, within,
};
use crate::{
    grant::{Grant, Revision},
    store::{
        Change, ChangeEffect, ChangeSubject, GrantChange, GrantQuery, GrantStore, Labels, LastState, NewGrant,
        ObjectContent, ObjectKind, ObjectQuery, ObjectStore, ObjectWrite, PageLimit, Store,
    },
};

/// One operation. It may be one that the store refuses.
#[derive(Debug, Clone)]
enum Step {
    CreateGrant { name: &'static str, expires_at: i64, label: Option<&'static str> },
    UpdateGrant { name: &'static str, label: Option<&'static str> },
    Redeem(&'static str),
    DeleteGrant(&'static str),
    Sweep(i64),
    Write(Vec<Write>),
    Advance,
}

/// What to do to an object; an object that exists is updated or removed.
#[derive(Debug, Clone, Copy)]
enum Write {
    Create(ObjectKind, &'static str, &'static str),
    Update(ObjectKind, &'static str, &'static str),
    Delete(ObjectKind, &'static str),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || select(vec!["a", "b", "c"]);
    let kind = || select(vec![ObjectKind::Link, ObjectKind::Secret]);
    let label = || proptest::option::of(select(vec!["x", "y"]));
    let text = || select(vec!["x", "y"]);
    let write = prop_oneof![
        (kind(), name(), text()).prop_map(|(kind, name, label)| Write::Create(kind, name, label)),
        (kind(), name(), text()).prop_map(|(kind, name, label)| Write::Update(kind, name, label)),
        (kind(), name()).prop_map(|(kind, name)| Write::Delete(kind, name)),
    ];
    let step = prop_oneof![
        4 => (name(), 1400..1600_i64, label())
            .prop_map(|(name, expires_at, label)| Step::CreateGrant { name, expires_at, label }),
        3 => (name(), label()).prop_map(|(name, label)| Step::UpdateGrant { name, label }),
        4 => name().prop_map(Step::Redeem),
        2 => name().prop_map(Step::DeleteGrant),
        1 => (1400..1600_i64).prop_map(Step::Sweep),
        6 => vec(write, 1..4).prop_map(Step::Write),
        1 => Just(Step::Advance),
    ];
    vec(step, 1..40)
}

/// What a list shows of one object: its revision and its labels.
type Shown = BTreeMap<String, (Revision, Labels)>;

fn named(subject: &ChangeSubject) -> String {
    match subject {
        ChangeSubject::Grant { id, namespace, name } => format!("grant {namespace}/{name} {id}"),
        ChangeSubject::Object { key, uid } => format!("{key} {uid}"),
    }
}

async fn list(store: &impl Store) -> Shown {
    let grants = store.list(GrantQuery::default()).await.unwrap().grants.into_iter().map(|grant| {
        let Grant { id, namespace, name, revision, metadata, .. } = grant;
        (named(&ChangeSubject::Grant { id, namespace, name }), (revision, metadata.labels))
    });
    let mut shown: Shown = grants.collect();
    for kind in [ObjectKind::Link, ObjectKind::Secret] {
        let query = ObjectQuery { kind, namespace: None, after: None, limit: PageLimit::FULL };
        shown.extend(store.objects(query).await.unwrap().objects.into_iter().map(|object| {
            let subject = ChangeSubject::Object { key: object.key, uid: object.uid };
            (named(&subject), (object.revision, object.content.labels))
        }));
    }
    shown
}

fn labels(label: Option<&str>) -> Labels {
    label.map(|label| ("label".to_owned(), label.to_owned())).into_iter().collect()
}

async fn grant(store: &impl GrantStore, name: &str) -> Option<Grant> {
    store.find("west".parse().unwrap(), name.parse().unwrap()).await.unwrap()
}

async fn object_write(store: &impl ObjectStore, write: Write) -> ObjectWrite {
    let key = |kind, name| key(kind, "west", name);
    let content = |label| ObjectContent { labels: labels(Some(label)), ..ObjectContent::default() };
    match write {
        Write::Create(kind, name, label) => ObjectWrite::Create {
            key: key(kind, name),
            uid: uuid::Uuid::new_v4(),
            created_at: at(1000),
            content: content(label),
        },
        Write::Update(kind, name, label) => {
            let old = store.object(key(kind, name)).await.unwrap();
            let before = old.as_ref().map(|old| old.content.labels.clone());
            ObjectWrite::Update {
                key: key(kind, name),
                expected: old.map_or(Revision(1), |old| old.revision),
                generation: 1,
                content: content(label),
                labels_before: before.filter(|before| *before != labels(Some(label))),
            }
        }
        Write::Delete(kind, name) => ObjectWrite::Delete { key: key(kind, name), expected: None },
    }
}

async fn carry_out(store: &impl Store, step: Step) {
    match step {
        Step::CreateGrant { name, expires_at, label } => {
            let mut new = NewGrant { expires_at: at(expires_at), ..new_grant(name) };
            new.metadata.labels = labels(label);
            let _ = store.create(new).await;
        }
        Step::UpdateGrant { name, label } => {
            let Some(grant) = grant(store, name).await else { return };
            let mut wanted: GrantChange = change(&grant);
            wanted.metadata.labels = labels(label);
            store.update(grant.id, grant.revision, wanted).await.unwrap();
        }
        Step::Redeem(name) => {
            let Some(grant) = grant(store, name).await else { return };
            let _ = commit(store, admission(&grant, 1300), certificate()).await;
        }
        Step::DeleteGrant(name) => {
            let _ = store.delete("west".parse().unwrap(), name.parse().unwrap(), None).await.unwrap();
        }
        Step::Sweep(cutoff) => drop(store.sweep(at(cutoff), 1000).await.unwrap()),
        Step::Write(writes) => {
            let mut all = Vec::new();
            for write in writes {
                all.push(object_write(store, write).await);
            }
            let _ = store.write_objects(all).await;
        }
        Step::Advance => drop(store.advance().await.unwrap()),
    }
}

/// Applies the change to `shown`, the state of a watcher. Labels stay as they are: a change does not carry the new ones.
fn replay(shown: &mut Shown, change: &Change) {
    let (name, revision) = (named(&change.subject), change.revision);
    match &change.effect {
        ChangeEffect::Added => assert!(shown.insert(name, (revision, Labels::new())).is_none(), "added twice"),
        ChangeEffect::Modified { .. } => shown.get_mut(&name).expect("modified before it was added").0 = revision,
        ChangeEffect::Removed(last) => {
            shown.remove(&name).expect("removed before it was added");
            let last = match last {
                LastState::Grant(grant) => grant.revision,
                LastState::Object(object) => object.revision,
                LastState::Unreadable => panic!("{name} cannot be read"),
            };
            assert_eq!(last, revision);
        }
    }
}

fn revisions(shown: &Shown) -> BTreeMap<&str, Revision> {
    shown.iter().map(|(name, (revision, _))| (name.as_str(), *revision)).collect()
}

async fn follow<B: Bench>(steps: Vec<Step>) {
    let bench = B::fresh().await;
    let store = bench.store();
    store.create(new_grant("first")).await.unwrap();
    let start = store.changes().head();
    let initial = list(&*store).await;
    let (mut before, mut last) = (initial.clone(), start);
    for step in steps {
        let one_write = !matches!(&step, Step::Write(writes) if writes.len() > 1);
        carry_out(&*store, step).await;
        let after = list(&*store).await;
        for change in store.changes().since(last).unwrap() {
            if let (ChangeEffect::Modified { labels_before }, true) = (&change.effect, one_write) {
                let name = named(&change.subject);
                let (old, new) = (&before[&name].1, &after[&name].1);
                assert_eq!(labels_before.as_ref(), (old != new).then_some(old));
            }
        }
        (before, last) = (after, store.changes().head());
        assert_eq!(last, store.revision().await.unwrap());
    }

    let mut replayed = initial;
    for change in store.changes().since(start).unwrap() {
        replay(&mut replayed, &change);
    }
    assert_eq!(revisions(&replayed), revisions(&before));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_list_and_the_changes_since_give_the_list_of_now(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(within(async {
            follow::<MemoryBench>(steps.clone()).await;
            follow::<SqliteBench>(steps.clone()).await;
            follow::<PostgresBench>(steps).await;
        }));
    }
}
