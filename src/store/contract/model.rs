//! Property test: each database answers any sequence of operations as the store in memory does.

use std::future::Future;

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    Bench, Kept, MemoryBench, SqliteBench, admission, at, certificate, change, claim, commit, commit_kept, new_grant,
    postgres::PostgresBench, within,
};
use crate::{
    grant::{Allowance, CertificateRecord, Grant, GrantMetadata, KeyFingerprint, Reissue, Revision},
    store::{GrantChange, GrantQuery, GrantStore, NewGrant, PageLimit, Store},
};

/// Which revision a caller expects.
#[derive(Debug, Clone, Copy)]
enum Expecting {
    Current,
    Stale,
    Anything,
}

/// One operation. A `usize` chooses among the grants made so far, also deleted ones.
#[derive(Debug, Clone)]
enum Step {
    Create {
        namespace: &'static str,
        name: &'static str,
        allowed: u32,
        expires_at: i64,
        label: Option<String>,
    },
    Read(usize),
    List {
        namespace: Option<&'static str>,
        limit: u32,
    },
    Update {
        grant: usize,
        expecting: Expecting,
        allowed: u32,
        label: Option<String>,
    },
    Delete {
        grant: usize,
        expecting: Expecting,
    },
    Redeem {
        grant: usize,
        seconds: i64,
        serial: Serial,
    },
    /// With a key of the client's own, one of a few.
    RedeemKept {
        grant: usize,
        seconds: i64,
        key: u8,
    },
    Claim {
        grant: usize,
        seconds: i64,
        key: u8,
        name: &'static str,
    },
    /// Repeats the last redemption that is not older than `since`.
    Repeat {
        grant: usize,
        seconds: i64,
        since: i64,
    },
    Ledger {
        grant: usize,
        after: u32,
        limit: u32,
    },
    Count(i64),
    Sweep(i64),
    Check,
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum Serial {
    Fresh,
    UsedBefore,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let names = || (select(vec!["a", "a-0", "b"]), select(vec!["x", "x-y", "x.y", "z"]));
    let expecting = || select(vec![Expecting::Current, Expecting::Current, Expecting::Stale, Expecting::Anything]);
    let label = || proptest::option::of("[a-z]{1,8}");
    let seconds = || select(vec![1100_i64, 1200, 1300, 1400]);
    let grant = || any::<usize>();
    let serial = select(vec![Serial::Fresh, Serial::Fresh, Serial::Fresh, Serial::UsedBefore]);
    let step = prop_oneof![
        4 => (names(), 1..4_u32, seconds(), label()).prop_map(|((namespace, name), allowed, expires_at, label)| {
            Step::Create { namespace, name, allowed, expires_at, label }
        }),
        2 => grant().prop_map(Step::Read),
        2 => (proptest::option::of(select(vec!["a", "a-0", "c"])), 0..4_u32)
            .prop_map(|(namespace, limit)| Step::List { namespace, limit }),
        3 => (grant(), expecting(), 1..4_u32, label())
            .prop_map(|(grant, expecting, allowed, label)| Step::Update { grant, expecting, allowed, label }),
        2 => (grant(), expecting()).prop_map(|(grant, expecting)| Step::Delete { grant, expecting }),
        8 => (grant(), seconds(), serial).prop_map(|(grant, seconds, serial)| Step::Redeem { grant, seconds, serial }),
        4 => (grant(), seconds(), 0..2_u8).prop_map(|(grant, seconds, key)| Step::RedeemKept { grant, seconds, key }),
        3 => (grant(), seconds(), 0..2_u8, select(vec!["east", "east", "north"]))
            .prop_map(|(grant, seconds, key, name)| Step::Claim { grant, seconds, key, name }),
        3 => (grant(), seconds(), seconds()).prop_map(|(grant, seconds, since)| Step::Repeat { grant, seconds, since }),
        1 => (grant(), 0..3_u32, 0..3_u32).prop_map(|(grant, after, limit)| Step::Ledger { grant, after, limit }),
        1 => seconds().prop_map(Step::Count),
        1 => seconds().prop_map(Step::Sweep),
        1 => Just(Step::Check),
        1 => Just(Step::Reopen),
    ];
    vec(step, 1..50)
}

/// Random values of a test run that are not part of a step; the same for both stores.
#[derive(Default)]
struct Known {
    grants: Vec<Grant>,
    last_certificate: Option<CertificateRecord>,
}

impl Known {
    fn grant(&self, choice: usize) -> Option<&Grant> {
        self.grants.get(choice.checked_rem(self.grants.len())?)
    }
}

fn labelled(label: Option<&String>) -> GrantMetadata {
    let mut metadata = GrantMetadata::default();
    metadata.labels.extend(label.map(|label| ("label".to_owned(), label.clone())));
    metadata
}

/// All fields of a grant as text. `Debug` would leave out the secrets.
fn whole(grant: &Grant) -> String {
    let GrantMetadata { labels, annotations, settings } = &grant.metadata;
    format!("{grant:?} {} {labels:?} {annotations:?} {settings:?}", grant.code.expose())
}

async fn current(store: &impl GrantStore, grant: &Grant) -> Revision {
    store.get(grant.id).await.unwrap().map_or(grant.revision, |current| current.revision)
}

async fn expected(store: &impl GrantStore, grant: &Grant, expecting: Expecting) -> Option<Revision> {
    match expecting {
        Expecting::Current => Some(current(store, grant).await),
        Expecting::Stale => Some(Revision(grant.revision.0 - 1)),
        Expecting::Anything => None,
    }
}

/// Walks through all pages.
async fn list(store: &impl GrantStore, namespace: Option<&str>, limit: PageLimit) -> String {
    let mut query = GrantQuery { namespace: namespace.map(|text| text.parse().unwrap()), after: None, limit };
    let mut seen = String::new();
    for _ in 0..100 {
        let page = store.list(query.clone()).await.unwrap();
        seen += &format!("{:?} {:?};", page.revision, page.grants.iter().map(whole).collect::<Vec<_>>());
        query.after = page.next;
        if query.after.is_none() {
            return seen;
        }
    }
    panic!("the pages do not end");
}

/// Carries a step out and writes down what was answered.
async fn answer(store: &impl Store, step: &Step, known: &Known, new: &NewGrant, fresh: CertificateRecord) -> String {
    let chosen = |choice: usize| known.grant(choice);
    match step {
        Step::Create { .. } => format!("{:?}", store.create(new.clone()).await.map(|grant| whole(&grant))),
        Step::Read(choice) => {
            let Some(grant) = chosen(*choice) else { return String::new() };
            let by_id = store.get(grant.id).await.unwrap();
            let by_name = store.find(grant.namespace.clone(), grant.name.clone()).await.unwrap();
            format!("{:?} {:?}", by_id.as_ref().map(whole), by_name.as_ref().map(whole))
        }
        Step::List { namespace, limit } => list(store, *namespace, PageLimit::at_most(*limit)).await,
        Step::Update { grant, expecting, allowed, label } => {
            let Some(grant) = chosen(*grant) else { return String::new() };
            let expected = expected(store, grant, *expecting).await.unwrap_or(grant.revision);
            let allowance = Allowance::new(*allowed, 0).unwrap();
            let wanted = GrantChange { allowance, metadata: labelled(label.as_ref()), ..change(grant) };
            format!("{:?}", store.update(grant.id, expected, wanted).await.map(|grant| whole(&grant)))
        }
        Step::Delete { grant, expecting } => {
            let Some(grant) = chosen(*grant) else { return String::new() };
            let expected = expected(store, grant, *expecting).await;
            format!("{:?}", store.delete(grant.namespace.clone(), grant.name.clone(), expected).await)
        }
        Step::Redeem { grant, seconds, serial } => {
            let Some(grant) = chosen(*grant) else { return String::new() };
            let record = match serial {
                Serial::Fresh => fresh,
                Serial::UsedBefore => known.last_certificate.unwrap_or(fresh),
            };
            format!("{:?}", commit(store, admission(grant, *seconds), record).await)
        }
        Step::RedeemKept { grant, seconds, key } => {
            let Some(grant) = chosen(*grant) else { return String::new() };
            let record = CertificateRecord { key_fingerprint: KeyFingerprint::from_bytes([*key; 32]), ..fresh };
            let kept = Kept(record, Some(fresh.serial.as_bytes().repeat(10)));
            format!("{:?}", commit_kept(store, admission(grant, *seconds), kept).await)
        }
        Step::Claim { grant, seconds, key, name } => {
            let Some(grant) = chosen(*grant) else { return String::new() };
            let key = KeyFingerprint::from_bytes([*key; 32]);
            format!("{:?}", store.claim(claim(grant, *seconds, name), key).await)
        }
        Step::Repeat { grant, seconds, since } => {
            let Some(grant) = chosen(*grant) else { return String::new() };
            let claim = claim(grant, *seconds, "east");
            match store.repeatable(&claim, at(*since)).await.unwrap() {
                None => "nothing to repeat".to_owned(),
                Some(ordinal) => {
                    let admission = claim.reissue(Reissue { ordinal, since: at(*since) });
                    format!("{:?}", commit(store, admission, fresh).await)
                }
            }
        }
        Step::Ledger { grant, after, limit } => {
            let Some(grant) = chosen(*grant) else { return String::new() };
            format!("{:?}", store.redemptions(grant.id, *after, *limit).await)
        }
        Step::Count(seconds) => format!("{:?}", store.count(at(*seconds)).await),
        Step::Sweep(seconds) => format!("{:?}", store.sweep(at(*seconds), 1000).await),
        Step::Check | Step::Reopen => format!("{:?}", store.check().await),
    }
}

async fn run<B: Bench>(steps: Vec<Step>) {
    let (mut memory, mut tested) = (MemoryBench::fresh().await, B::fresh().await);
    let mut known = Known::default();
    for step in steps {
        if matches!(step, Step::Reopen) {
            (memory, tested) = (memory.reopened().await, tested.reopened().await);
        }
        let mut new = new_grant("unused");
        if let Step::Create { namespace, name, allowed, expires_at, label } = &step {
            (new.namespace, new.name) = (namespace.parse().unwrap(), name.parse().unwrap());
            (new.allowed, new.expires_at, new.metadata) = (*allowed, at(*expires_at), labelled(label.as_ref()));
        }
        let fresh = certificate();

        let expected = answer(&*memory.store(), &step, &known, &new, fresh).await;
        let answered = answer(&*tested.store(), &step, &known, &new, fresh).await;

        assert_eq!(answered, expected, "{step:?}");
        assert_eq!(tested.store().revision().await.unwrap(), memory.store().revision().await.unwrap(), "{step:?}");
        known.grants.extend(memory.store().get(new.id).await.unwrap());
        known.last_certificate = Some(fresh);
    }
    assert_eq!(
        list(&*tested.store(), None, PageLimit::FULL).await,
        list(&*memory.store(), None, PageLimit::FULL).await
    );
    for grant in &known.grants {
        let ledger = tested.store().redemptions(grant.id, 0, 1000).await.unwrap();
        assert_eq!(ledger, memory.store().redemptions(grant.id, 0, 1000).await.unwrap());
        let replays = tested.store().replays(grant.id, (0, 0), 1000).await.unwrap();
        assert_eq!(replays, memory.store().replays(grant.id, (0, 0), 1000).await.unwrap());
    }
}

fn one_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(within(test));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_answers_any_sequence_of_operations_as_the_store_in_memory_does(steps in steps()) {
        one_thread(run::<SqliteBench>(steps));
    }

    #[test]
    fn postgresql_answers_any_sequence_of_operations_as_the_store_in_memory_does(steps in steps()) {
        one_thread(run::<PostgresBench>(steps));
    }
}
