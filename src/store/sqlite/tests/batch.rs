//! Redemptions that share a batch are answered as if they came one by one.

use std::task::{Context, Waker};

use proptest::{collection::vec, prelude::*};

use crate::{
    grant::{CertificateRecord, Grant, KeyFingerprint, Revision},
    store::{
        CommitError, GrantStore, NewGrant, Receipt, Store,
        contract::{
            Bench, Kept, MemoryBench, SqliteBench, admission, at, certificate, claim, commit_kept, new_grant, within,
        },
    },
};

/// The grants: redemptions allowed, and when they expire.
const GRANTS: [(u32, i64); 4] = [(1, 2000), (3, 2000), (100, 2000), (100, 1500)];
/// The index of one more grant, which is deleted before it is redeemed.
const DELETED: usize = GRANTS.len();

/// A redemption of one of the grants at an instant, with a certificate of its own or the first one's, which is kept when it
/// has a key of the client's own.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    grant: usize,
    seconds: i64,
    repeated: bool,
    key: Option<u8>,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let repeated = prop::sample::select([vec![false; 40], vec![true]].concat());
    let key = prop_oneof![4 => Just(None), 1 => (0..3_u8).prop_map(Some)];
    (0..=DELETED, 1498..1502_i64, repeated, key).prop_map(|(grant, seconds, repeated, key)| Wanted {
        grant,
        seconds,
        repeated,
        key,
    })
}

async fn fill(store: &impl Store, grants: &[NewGrant]) -> Vec<Grant> {
    let mut created = Vec::new();
    for new in grants {
        created.push(store.create(new.clone()).await.unwrap());
    }
    let deleted = &created[DELETED];
    store.delete(deleted.namespace.clone(), deleted.name.clone(), None).await.unwrap().unwrap();
    created
}

fn outcome(answer: Result<Receipt<Kept>, CommitError>) -> String {
    match answer {
        Ok(receipt) => format!("{} of {}", receipt.ordinal(), receipt.grant_id()),
        Err(error) => format!("{error:?}"),
    }
}

/// What can be seen afterwards: the grants, the ledger, and the changes since this revision.
async fn seen(store: &impl Store, grants: &[Grant], since: Revision) -> String {
    let mut seen = format!("{:?}", store.revision().await.unwrap());
    for grant in grants {
        seen += &format!("\n{:?}", store.get(grant.id).await.unwrap());
        seen += &format!("\n{:?}", store.redemptions(grant.id, 0, 1000).await.unwrap());
        for key in 0..3 {
            let claim = claim(grant, 1501, "east");
            seen += &format!("\n{:?}", store.claim(claim, KeyFingerprint::from_bytes([key; 32])).await);
        }
        seen += &format!("\n{:?}", store.replays(grant.id, (0, 0), 1000).await.unwrap());
    }
    let changes = store.changes().since(since).unwrap();
    seen + &changes.iter().map(|change| format!("\n{:?} {:?}", change.revision, change.subject)).collect::<String>()
}

async fn run(wanted: Vec<Wanted>) {
    let grant = |(number, (allowed, expires_at))| NewGrant {
        allowed,
        expires_at: at(expires_at),
        ..new_grant(&format!("offer-{number}"))
    };
    let new: Vec<NewGrant> = (0..).zip(GRANTS.into_iter().chain([(9, 2000)])).map(grant).collect();
    let (memory, sqlite) = (MemoryBench::fresh().await, SqliteBench::fresh().await);
    let (model, store) = (memory.store(), sqlite.store());
    let grants = fill(&*model, &new).await;
    fill(&*store, &new).await;
    let since = model.revision().await.unwrap();
    let first = certificate();
    let certificates: Vec<CertificateRecord> =
        wanted.iter().map(|wanted| if wanted.repeated { first } else { certificate() }).collect();
    let kept = |wanted: &Wanted, record: CertificateRecord| match wanted.key {
        None => Kept(record, None),
        Some(key) => {
            let key_fingerprint = KeyFingerprint::from_bytes([key; 32]);
            Kept(CertificateRecord { key_fingerprint, ..record }, Some(record.serial.as_bytes().repeat(10)))
        }
    };
    let attempts = || {
        wanted.iter().zip(&certificates).map(|(w, record)| (admission(&grants[w.grant], w.seconds), kept(w, *record)))
    };

    let mut expected = Vec::new();
    for (admission, record) in attempts() {
        expected.push(outcome(commit_kept(&*model, admission, record).await));
    }
    let mut waiting: Vec<_> = attempts().map(|(admission, record)| commit_kept(&*store, admission, record)).collect();
    // All are in the queue before the writer runs.
    for future in &mut waiting {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let mut answered = Vec::new();
    for future in waiting {
        answered.push(outcome(future.await));
    }

    assert_eq!(answered, expected);
    assert_eq!(seen(&*store, &grants, since).await, seen(&*model, &grants, since).await);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_is_answered_as_one_by_one(wanted in vec(wanted(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(within(run(wanted)));
    }
}

#[tokio::test]
async fn many_attempts_with_one_key_take_no_other_attempt_with_them() {
    let attempt = |number| Wanted { grant: 2, seconds: 1500, repeated: false, key: (number % 8 != 0).then_some(0) };
    within(run((0..120).map(attempt).collect())).await;
}

/// One of these is counted. The others have its serial number, and no certificate is kept for them.
#[tokio::test]
async fn attempts_with_the_serial_number_of_another_keep_no_certificate() {
    let attempt = |(grant, key)| Wanted { grant, seconds: 1500, repeated: true, key };
    for others in [[(DELETED, Some(0)), (2, Some(1))], [(3, Some(1)), (DELETED, Some(1))]] {
        let all = [(2, Some(1))].into_iter().chain(others);
        within(run(all.map(attempt).collect())).await;
    }
}
