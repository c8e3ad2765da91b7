//! A read of one row does not wait for the readers of whole lists.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::task::JoinSet;

use crate::store::{
    GrantQuery, GrantStore,
    contract::{Bench, SqliteBench, new_grant, within},
};

const LISTS: usize = 64;

#[tokio::test]
async fn one_grant_is_read_before_many_lists_that_were_asked_for_sooner() {
    let bench = SqliteBench::fresh().await;
    let store = bench.store();
    for number in 0..100 {
        store.create(new_grant(&format!("g{number}"))).await.unwrap();
    }
    let (listed, mut lists) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for _ in 0..LISTS {
        let (store, listed) = (Arc::clone(&store), Arc::clone(&listed));
        lists.spawn(async move {
            store.list(GrantQuery::default()).await.unwrap();
            listed.fetch_add(1, Ordering::SeqCst);
        });
    }
    // When the first one has answered, the others have begun and wait for their pages.
    within(async {
        while listed.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;

    let found = within(store.find("west".parse().unwrap(), "g7".parse().unwrap())).await.unwrap();

    assert_eq!(found.map(|grant| grant.name.to_string()).as_deref(), Some("g7"));
    let before = listed.load(Ordering::SeqCst);
    assert!(before < LISTS / 4, "{before} lists came first");
    within(async { while lists.join_next().await.is_some() {} }).await;
}
