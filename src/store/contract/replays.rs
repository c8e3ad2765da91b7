//! Redemptions that are answered again are not counted again, and are recorded.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Bench, Kept, admission, at, certificate, claim, commit, commit_kept, new_grant, on_every_store};
use crate::{
    grant::{CertificateRecord, Grant, Reissue, ReplayKind},
    store::{Claimed, CommitError, GrantStore, MOST_REISSUES, MOST_REPLAYS, NewGrant, ReplayError, Replayed, Store},
};

on_every_store!(
    a_key_gets_the_same_certificate_again_uncounted_and_recorded,
    a_replay_is_possible_when_the_grant_is_used_up_and_not_when_it_has_expired,
    a_replay_is_refused_for_another_name,
    a_certificate_is_sent_again_a_limited_number_of_times,
    of_concurrent_redemptions_with_the_same_key_one_is_counted,
    a_redemption_is_reissued_a_limited_number_of_times_within_the_window,
    the_record_of_replays_outlives_the_grant_and_the_certificates_do_not,
);

const DER: [u8; 200] = [7; 200];

fn kept(record: CertificateRecord) -> Kept {
    Kept(record, Some(DER.to_vec()))
}

async fn replay(
    store: &impl Store,
    grant: &Grant,
    seconds: i64,
    record: &CertificateRecord,
) -> Result<Replayed, ReplayError> {
    match store.claim(claim(grant, seconds, "east"), record.key_fingerprint).await? {
        Claimed::Known(replayed) => Ok(*replayed),
        Claimed::New(_) => panic!("the key is not known"),
    }
}

async fn made(store: &impl GrantStore, grant: &Grant) -> u32 {
    store.get(grant.id).await.unwrap().unwrap().allowance.made()
}

async fn a_key_gets_the_same_certificate_again_uncounted_and_recorded<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(new_grant("offer")).await.unwrap();
    let record = certificate();
    let unknown = store.claim(claim(&grant, 1500, "east"), record.key_fingerprint).await.unwrap();
    assert!(matches!(unknown, Claimed::New(_)));
    commit(&*store, admission(&grant, 1500), certificate()).await.unwrap();
    let receipt = commit_kept(&*store, admission(&grant, 1500), kept(record)).await.unwrap();
    assert!(receipt.is_counted() && receipt.ordinal() == 2);
    drop(store);

    let bench = bench.reopened().await;
    let store = bench.store();
    for number in 1..3 {
        let replayed = replay(&*store, &grant, 1600, &record).await.unwrap();
        let certificate = replayed.certificate();
        assert_eq!((&*certificate.der, certificate.record), (&DER[..], record));
        assert_eq!((certificate.ordinal, certificate.number), (2, number));
    }

    assert_eq!(made(&*store, &grant).await, 2);
    assert_eq!(store.redemptions(grant.id, 0, 10).await.unwrap().len(), 2);
    let replays = store.replays(grant.id, (0, 0), 10).await.unwrap();
    assert_eq!(replays.len(), 2);
    let first = &replays[0];
    assert_eq!((first.grant_id, first.ordinal, first.number, first.kind), (grant.id, 2, 1, ReplayKind::Replayed));
    assert_eq!((first.replayed_at, first.certificate), (at(1600), record));
    assert_eq!(first.peer, Some("2001:db8::1".parse().unwrap()));
    assert_eq!(store.replays(grant.id, (2, 1), 10).await.unwrap(), replays[1..]);
    assert_eq!(store.replays(grant.id, (0, 0), 1).await.unwrap(), replays[..1]);
}

async fn a_replay_is_possible_when_the_grant_is_used_up_and_not_when_it_has_expired<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(NewGrant { allowed: 1, ..new_grant("offer") }).await.unwrap();
    let record = certificate();
    commit_kept(&*store, admission(&grant, 1500), kept(record)).await.unwrap();

    assert!(replay(&*store, &grant, 1999, &record).await.is_ok());
    assert!(matches!(replay(&*store, &grant, 2000, &record).await, Err(ReplayError::Expired)));
    let other = commit_kept(&*store, admission(&grant, 1500), kept(certificate())).await;
    assert!(matches!(other, Err(CommitError::Exhausted)), "{other:?}");
}

async fn a_replay_is_refused_for_another_name<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(new_grant("offer")).await.unwrap();
    let record = certificate();
    commit_kept(&*store, admission(&grant, 1500), kept(record)).await.unwrap();

    let other = store.claim(claim(&grant, 1500, "north"), record.key_fingerprint).await;

    assert!(matches!(other, Err(ReplayError::OtherName)), "{other:?}");
    assert_eq!(store.replays(grant.id, (0, 0), 10).await.unwrap(), []);
}

async fn a_certificate_is_sent_again_a_limited_number_of_times<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(new_grant("offer")).await.unwrap();
    let record = certificate();
    commit_kept(&*store, admission(&grant, 1500), kept(record)).await.unwrap();
    for number in 1..=MOST_REPLAYS {
        assert_eq!(replay(&*store, &grant, 1500, &record).await.unwrap().certificate().number, number);
    }

    assert!(matches!(replay(&*store, &grant, 1500, &record).await, Err(ReplayError::TooOften)));
}

async fn of_concurrent_redemptions_with_the_same_key_one_is_counted<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(NewGrant { allowed: 100, ..new_grant("offer") }).await.unwrap();
    let first = certificate();
    let mut tasks = JoinSet::new();
    for number in 0..60 {
        let (store, grant) = (Arc::clone(&store), grant.clone());
        // Two keys, each with many certificates, among redemptions with keys of their own.
        let record = CertificateRecord { serial: certificate().serial, ..first };
        tasks.spawn(async move {
            let certificate = if number % 3 == 0 { Kept(certificate(), None) } else { kept(record) };
            commit_kept(&*store, admission(&grant, 1500), certificate).await.map(|receipt| receipt.ordinal())
        });
    }
    let outcomes = tasks.join_all().await;

    let known = outcomes.iter().filter(|outcome| matches!(outcome, Err(CommitError::KnownKey))).count();
    assert_eq!((known, outcomes.iter().filter(|outcome| outcome.is_ok()).count()), (39, 21), "{outcomes:?}");
    assert_eq!(made(&*store, &grant).await, 21);
    assert_eq!(store.redemptions(grant.id, 0, 100).await.unwrap().len(), 21);
    assert!(replay(&*store, &grant, 1500, &first).await.is_ok());
}

async fn a_redemption_is_reissued_a_limited_number_of_times_within_the_window<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(NewGrant { allowed: 1, ..new_grant("offer") }).await.unwrap();
    commit(&*store, admission(&grant, 1500), certificate()).await.unwrap();
    let found = |name: &'static str, since| {
        let (store, claim) = (Arc::clone(&store), claim(&grant, 1600, name));
        async move { store.repeatable(&claim, at(since)).await.unwrap() }
    };
    let reissue = |seconds, ordinal, since| {
        let of = Reissue { ordinal, since: at(since) };
        let admission = claim(&grant, seconds, "east").reissue(of);
        commit(&*store, admission, certificate())
    };
    assert_eq!(
        (found("east", 1500).await, found("east", 1501).await, found("north", 1500).await),
        (Some(1), None, None)
    );

    for (seconds, ordinal, since) in [(1600, 2, 1500), (1600, 1, 1501)] {
        let refused = reissue(seconds, ordinal, since).await;
        assert!(matches!(refused, Err(CommitError::NotRepeatable)), "{refused:?}");
    }
    assert!(matches!(reissue(2000, 1, 1500).await, Err(CommitError::Expired)));
    for _ in 0..MOST_REISSUES {
        let receipt = reissue(1600, 1, 1500).await.unwrap();
        assert!(!receipt.is_counted() && receipt.ordinal() == 1);
    }
    assert!(matches!(reissue(1600, 1, 1500).await, Err(CommitError::NotRepeatable)));
    assert_eq!(found("east", 1500).await, None);

    assert_eq!(made(&*store, &grant).await, 1);
    let replays = store.replays(grant.id, (0, 0), 10).await.unwrap();
    assert_eq!(replays.iter().map(|replay| replay.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(replays.iter().all(|replay| replay.kind == ReplayKind::Reissued));
}

async fn the_record_of_replays_outlives_the_grant_and_the_certificates_do_not<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(new_grant("offer")).await.unwrap();
    let record = certificate();
    commit_kept(&*store, admission(&grant, 1500), kept(record)).await.unwrap();
    replay(&*store, &grant, 1500, &record).await.unwrap();

    store.delete(grant.namespace.clone(), grant.name.clone(), None).await.unwrap().unwrap();

    assert_eq!(store.replays(grant.id, (0, 0), 10).await.unwrap().len(), 1);
    let after = store.claim(claim(&grant, 1500, "east"), record.key_fingerprint).await.unwrap();
    assert!(matches!(after, Claimed::New(_)));
}
