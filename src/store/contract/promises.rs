//! The promises of `GrantStore`, but the tenth (`store/postgres/tests/doubt.rs`). The comment at each test is the number of its promise.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};

use tokio::task::JoinSet;

use super::{Bench, admission, at, certificate, change, commit, new_grant, on_every_store};
use crate::{
    grant::{Allowance, Grant, Revision},
    store::{
        CommitError, CreateError, GrantChange, GrantQuery, GrantStore, NewGrant, Store, StoreError, StoreFailure,
        UpdateError,
    },
};

on_every_store!(
    what_was_answered_is_there_after_reopening,
    of_many_concurrent_commits_exactly_the_allowed_number_succeed,
    concurrent_commits_on_many_grants_do_not_mix,
    a_redemption_that_cannot_be_recorded_is_not_counted,
    the_stored_copy_decides_and_expired_comes_before_exhausted,
    a_refused_operation_changes_nothing,
    failures_among_concurrent_operations_stay_apart,
    the_ledger_outlives_its_grant,
    every_change_has_a_greater_revision_also_across_reopening,
    a_dropped_future_is_done_or_not_begun,
    secrets_are_in_no_stored_byte,
    after_closing_nothing_is_answered,
);

async fn redeem(store: &impl Store, grant: &Grant) -> Result<u32, CommitError> {
    commit(store, admission(grant, 1500), certificate()).await.map(|receipt| receipt.ordinal())
}

async fn made(store: &impl GrantStore, grant: &Grant) -> u32 {
    store.get(grant.id).await.unwrap().unwrap().allowance.made()
}

async fn ordinals(store: &impl GrantStore, grant: &Grant) -> Vec<u32> {
    store.redemptions(grant.id, 0, 1000).await.unwrap().iter().map(|row| row.ordinal).collect()
}

// 1
async fn what_was_answered_is_there_after_reopening<B: Bench>(bench: B) {
    let store = bench.store();
    let mut new = new_grant("offer");
    new.terms.issuer = Some("my-issuer".parse().unwrap());
    new.metadata.labels.insert("a".to_owned(), "b".to_owned());
    new.metadata.settings.insert("c".to_owned(), "d".to_owned());
    let grant = store.create(new.clone()).await.unwrap();
    let record = certificate();
    commit(&*store, admission(&grant, 1500), record).await.unwrap();
    let before = store.get(grant.id).await.unwrap().unwrap();
    drop(store);

    let bench = bench.reopened().await;

    let after = bench.store().get(grant.id).await.unwrap().unwrap();
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert!(after.code.is_same_as(&new.code));
    assert_eq!((after.metadata, after.terms), (new.metadata, new.terms));
    assert_eq!((after.allowance.made(), after.last_redeemed_at), (1, Some(at(1500))));
    let ledger = bench.store().redemptions(grant.id, 0, 10).await.unwrap();
    assert_eq!(ledger.len(), 1);
    assert_eq!((ledger[0].ordinal, ledger[0].redeemed_at, ledger[0].certificate), (1, at(1500), record));
    assert_eq!((ledger[0].link_name.as_str(), ledger[0].subject.as_str()), ("east", "Zweigstelle Köln"));
    assert_eq!(ledger[0].peer, Some("2001:db8::1".parse().unwrap()));
}

// 2
async fn of_many_concurrent_commits_exactly_the_allowed_number_succeed<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(NewGrant { allowed: 7, ..new_grant("offer") }).await.unwrap();

    let mut tasks = JoinSet::new();
    for _ in 0..200 {
        let (store, grant) = (Arc::clone(&store), grant.clone());
        tasks.spawn(async move { redeem(&*store, &grant).await });
    }
    let outcomes = tasks.join_all().await;

    let mut succeeded: Vec<u32> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok().copied()).collect();
    succeeded.sort_unstable();
    assert_eq!(succeeded, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Err(CommitError::Exhausted))).count(), 193);
    assert_eq!(ordinals(&*store, &grant).await, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(made(&*store, &grant).await, 7);
}

// 2
async fn concurrent_commits_on_many_grants_do_not_mix<B: Bench>(bench: B) {
    let store = bench.store();
    let mut tasks = JoinSet::new();
    let mut grants = Vec::new();
    for number in 0..10 {
        let grant = store.create(NewGrant { allowed: 5, ..new_grant(&format!("offer-{number}")) }).await.unwrap();
        for _ in 0..8 {
            let (store, grant) = (Arc::clone(&store), grant.clone());
            tasks.spawn(async move { redeem(&*store, &grant).await.is_ok() });
        }
        grants.push(grant);
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|succeeded| *succeeded).count(), 50);
    for grant in &grants {
        assert_eq!(ordinals(&*store, grant).await, [1, 2, 3, 4, 5]);
    }
}

// 3
async fn a_redemption_that_cannot_be_recorded_is_not_counted<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(new_grant("offer")).await.unwrap();
    let record = certificate();
    commit(&*store, admission(&grant, 1500), record).await.unwrap();
    let revision = store.revision().await.unwrap();

    // The ledger has a row with this serial number already.
    let again = commit(&*store, admission(&grant, 1500), record).await;

    assert!(matches!(again, Err(CommitError::Store(StoreError::Corrupt { .. }))), "{again:?}");
    assert_eq!((made(&*store, &grant).await, ordinals(&*store, &grant).await), (1, vec![1]));
    assert_eq!(store.revision().await.unwrap(), revision);
    assert_eq!(redeem(&*store, &grant).await.unwrap(), 2);
}

// 4
async fn the_stored_copy_decides_and_expired_comes_before_exhausted<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(NewGrant { allowed: 1, ..new_grant("offer") }).await.unwrap();
    let commit = |seconds| commit(&*store, admission(&grant, seconds), certificate());

    assert!(matches!(commit(2000).await, Err(CommitError::Expired)));
    assert_eq!(commit(1999).await.unwrap().ordinal(), 1);
    assert!(matches!(commit(1999).await, Err(CommitError::Exhausted)));
    assert!(matches!(commit(2000).await, Err(CommitError::Expired)));
    store.delete(grant.namespace.clone(), grant.name.clone(), None).await.unwrap().unwrap();
    assert!(matches!(commit(2000).await, Err(CommitError::Gone)));
}

// 5
async fn a_refused_operation_changes_nothing<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(NewGrant { allowed: 3, ..new_grant("offer") }).await.unwrap();
    redeem(&*store, &grant).await.unwrap();
    redeem(&*store, &grant).await.unwrap();
    let before = store.get(grant.id).await.unwrap().unwrap();
    let revision = store.revision().await.unwrap();

    assert!(matches!(store.create(new_grant("offer")).await, Err(CreateError::NameTaken)));
    let none = NewGrant { allowed: 0, ..new_grant("other") };
    assert!(matches!(store.create(none).await, Err(CreateError::Store(StoreError::Corrupt { .. }))));
    let same = change(&before);
    let too_few = GrantChange { allowance: Allowance::new(1, 0).unwrap(), ..same.clone() };
    assert!(matches!(store.update(grant.id, grant.revision, same).await, Err(UpdateError::Conflict)));
    assert!(matches!(store.update(grant.id, before.revision, too_few).await, Err(UpdateError::Conflict)));
    let (namespace, name) = (grant.namespace.clone(), grant.name.clone());
    let stale = store.delete(namespace.clone(), name, Some(grant.revision)).await;
    assert!(matches!(stale, Err(UpdateError::Conflict)));
    assert_eq!(store.delete(namespace, "unknown".parse().unwrap(), None).await.unwrap(), None);

    let after = store.get(grant.id).await.unwrap().unwrap();
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert_eq!(store.revision().await.unwrap(), revision);
}

// 5
async fn failures_among_concurrent_operations_stay_apart<B: Bench>(bench: B) {
    let store = bench.store();
    let used = certificate();
    let grant = store.create(NewGrant { allowed: 100, ..new_grant("offer") }).await.unwrap();
    commit(&*store, admission(&grant, 1500), used).await.unwrap();

    let mut tasks = JoinSet::new();
    for number in 0..90 {
        let (store, grant) = (Arc::clone(&store), grant.clone());
        // Every third breaks a rule of the schema.
        let record = if number % 3 == 0 { used } else { certificate() };
        tasks.spawn(async move { commit(&*store, admission(&grant, 1500), record).await.is_ok() });
    }

    assert_eq!(tasks.join_all().await.into_iter().filter(|succeeded| *succeeded).count(), 60);
    assert_eq!(made(&*store, &grant).await, 61);
    assert_eq!(ordinals(&*store, &grant).await, (1..=61).collect::<Vec<_>>());
}

// 6
async fn the_ledger_outlives_its_grant<B: Bench>(bench: B) {
    let store = bench.store();
    let deleted = store.create(new_grant("deleted")).await.unwrap();
    let swept = store.create(NewGrant { allowed: 1, ..new_grant("swept") }).await.unwrap();
    redeem(&*store, &deleted).await.unwrap();
    redeem(&*store, &swept).await.unwrap();

    store.delete(deleted.namespace.clone(), deleted.name.clone(), None).await.unwrap().unwrap();
    assert_eq!(store.sweep(at(1600), 10).await.unwrap(), 1);
    drop(store);

    let bench = bench.reopened().await;
    for grant in [&deleted, &swept] {
        assert!(bench.store().get(grant.id).await.unwrap().is_none());
        assert_eq!(ordinals(&*bench.store(), grant).await, [1]);
    }
}

// 7
async fn every_change_has_a_greater_revision_also_across_reopening<B: Bench>(bench: B) {
    let store = bench.store();
    let mut seen = vec![store.revision().await.unwrap()];
    let grant = store.create(new_grant("offer")).await.unwrap();
    seen.push(grant.revision);
    redeem(&*store, &grant).await.unwrap();
    let redeemed = store.get(grant.id).await.unwrap().unwrap();
    seen.push(redeemed.revision);
    let updated = store.update(grant.id, redeemed.revision, change(&redeemed)).await.unwrap();
    seen.push(updated.revision);
    let deleted = store.delete(grant.namespace.clone(), grant.name.clone(), Some(updated.revision)).await.unwrap();
    seen.push(deleted.unwrap().revision);
    assert_eq!(store.revision().await.unwrap(), seen[4]);
    drop(store);

    let bench = bench.reopened().await;
    assert_eq!(bench.store().revision().await.unwrap(), seen[4]);
    seen.push(bench.store().create(new_grant("offer")).await.unwrap().revision);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
    assert!(seen[0] >= Revision(1), "0 means any state in Kubernetes");
}

// 8
async fn a_dropped_future_is_done_or_not_begun<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(NewGrant { allowed: 1000, ..new_grant("offer") }).await.unwrap();
    let unpolled = commit(&*store, admission(&grant, 1500), certificate());
    drop(unpolled);
    for _ in 0..50 {
        let mut begun = pin!(commit(&*store, admission(&grant, 1500), certificate()));
        let _ = begun.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }

    // The queue keeps its order, so all redemptions before this one are finished when it is answered.
    let last = redeem(&*store, &grant).await.unwrap();

    assert!((1..=52).contains(&last));
    assert_eq!(made(&*store, &grant).await, last);
    assert_eq!(ordinals(&*store, &grant).await, (1..=last).collect::<Vec<_>>());
}

// 9
async fn secrets_are_in_no_stored_byte<B: Bench>(bench: B) {
    let store = bench.store();
    let mut new = NewGrant { code: "CanaryCode0123456789".parse().unwrap(), ..new_grant("offer") };
    new.metadata.annotations.insert("last-applied".to_owned(), "canary-annotation".to_owned());
    let grant = store.create(new).await.unwrap();
    store.update(grant.id, grant.revision, change(&grant)).await.unwrap();
    let contains = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());

    let running = bench.stored_bytes();
    drop(store);
    let closed = bench.reopened().await.stored_bytes();

    for bytes in [running, closed] {
        for secret in ["CanaryCode0123456789", "canary-annotation", "last-applied"] {
            assert!(!contains(&bytes, secret), "{secret} can be read");
        }
        assert!(bytes.is_empty() || contains(&bytes, "offer"), "the search finds nothing at all");
    }
}

async fn after_closing_nothing_is_answered<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(new_grant("offer")).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();

    let closed = |error: &StoreError| matches!(error, StoreError::Unavailable { source: StoreFailure::Closed, .. });
    assert!(closed(&store.get(grant.id).await.unwrap_err()));
    assert!(closed(&store.list(GrantQuery::default()).await.unwrap_err()));
    assert!(closed(&store.check().await.unwrap_err()));
    match redeem(&*store, &grant).await {
        Err(CommitError::Store(error)) => assert!(closed(&error)),
        other => panic!("{other:?}"),
    }
}
