//! A read after the answer to a write sees that write, whatever is in the cache of recent grants.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::timeout};

use crate::store::{
    GrantStore, NewGrant, StoreError,
    contract::{Bench, SqliteBench, admission, certificate, change, commit, new_grant},
};

const ROUNDS: u32 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_begins_after_an_answer_sees_what_was_answered() {
    let bench = SqliteBench::fresh().await;
    let store = bench.store();
    let grant = store.create(NewGrant { allowed: ROUNDS, ..new_grant("hot") }).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let (store, done, id) = (Arc::clone(&store), Arc::clone(&done), grant.id);
        readers.spawn(async move {
            while !done.load(Ordering::SeqCst) {
                store.get(id).await.unwrap();
                // A read from the cache never waits, so without this no other task would run.
                tokio::task::yield_now().await;
            }
        });
    }

    for round in 1..=ROUNDS {
        let receipt = commit(&*store, admission(&grant, 1500), certificate()).await.unwrap();
        assert_eq!(receipt.ordinal(), round);
        let read = store.get(grant.id).await.unwrap().unwrap();
        assert_eq!(read.allowance.made(), round, "an old copy was read");
        if round % 20 == 0 {
            let updated = store.update(read.id, read.revision, change(&read)).await.unwrap();
            assert_eq!(store.get(grant.id).await.unwrap().unwrap().revision, updated.revision);
        }
    }
    store.delete(grant.namespace.clone(), grant.name.clone(), None).await.unwrap();
    assert!(store.get(grant.id).await.unwrap().is_none(), "a deleted grant was read");
    done.store(true, Ordering::SeqCst);
    timeout(Duration::from_secs(10), readers.join_all()).await.unwrap();
}

#[tokio::test]
async fn a_closed_store_answers_nothing_from_memory() {
    let bench = SqliteBench::fresh().await;
    let store = bench.store();
    let grant = store.create(new_grant("offer")).await.unwrap();
    store.get(grant.id).await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(store.get(grant.id).await, Err(StoreError::Unavailable { .. })));
}
