//! Several stores on one database, and the time that decides.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::task::JoinSet;

use super::{proxy::Proxy, until, waiting};
use crate::{
    store::{
        CommitError, GrantStore as _, NewGrant, ObjectStore as _, Store as _, StoreError,
        contract::{
            Bench as _, Files, admission, at, certificate, commit, create_object, new_grant,
            postgres::{PostgresBench, address, options, shared},
            within,
        },
        postgres::{PostgresOptions, PostgresStore},
    },
    time::Clock,
};

/// A second store on the database of this one.
async fn second(bench: &PostgresBench) -> Arc<PostgresStore> {
    let address = address(shared(), &bench.database.name);
    Arc::new(PostgresStore::open(options(address, &bench.files)).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_stores_count_a_grant_together() {
    within(async {
        let bench = PostgresBench::fresh().await;
        let stores = [bench.store(), second(&bench).await, second(&bench).await];
        let grant = stores[0].create(NewGrant { allowed: 7, ..new_grant("offer") }).await.unwrap();

        let mut tasks = JoinSet::new();
        for number in 0..60 {
            let (store, grant) = (Arc::clone(&stores[number % stores.len()]), grant.clone());
            tasks.spawn(async move { commit(&*store, admission(&grant, 1500), certificate()).await });
        }
        let answers = tasks.join_all().await;

        assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(CommitError::Exhausted))).count(), 53);
        let mut ordinals: Vec<u32> = answers.into_iter().flatten().map(|receipt| receipt.ordinal()).collect();
        ordinals.sort_unstable();
        assert_eq!(ordinals, [1, 2, 3, 4, 5, 6, 7]);
        let seen = stores[1].get(grant.id).await.unwrap().unwrap();
        assert_eq!((seen.allowance.made(), seen.revision), (7, stores[2].revision().await.unwrap()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_changes_of_several_stores_have_one_revision() {
    within(async {
        let bench = PostgresBench::fresh().await;
        let stores = [bench.store(), second(&bench).await];
        let before = stores[0].revision().await.unwrap();

        let mut tasks = JoinSet::new();
        for number in 0..40 {
            let store = Arc::clone(&stores[number % stores.len()]);
            tasks.spawn(async move {
                let written = store.write_objects(vec![create_object(&format!("s-{number}"))]).await.unwrap();
                written[0].revision.0
            });
        }
        let mut revisions = tasks.join_all().await;

        revisions.sort_unstable();
        assert_eq!(revisions, (before.0 + 1..=before.0 + 40).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn a_batch_that_waited_for_the_lock_decides_on_what_was_committed_meanwhile() {
    within(async {
        let bench = PostgresBench::fresh().await;
        let store = bench.store();
        let grant = store.create(NewGrant { allowed: 1, ..new_grant("offer") }).await.unwrap();
        let other = sqlx::PgPool::connect_with(connection_options(&bench)).await.unwrap();
        let mut transaction = other.begin().await.unwrap();
        // Another replica uses the grant up.
        for statement in [
            "SELECT revision FROM store_state FOR UPDATE",
            "UPDATE access_grant SET redemptions = 1, last_redeemed_at = 1500, revision = revision + 1",
            "UPDATE store_state SET revision = revision + 1",
        ] {
            sqlx::query(statement).execute(&mut *transaction).await.unwrap();
        }

        let redeemed = commit(&*store, admission(&grant, 1500), certificate());
        let release = async {
            until("the batch waits", || waiting(&bench.database) == "1").await;
            transaction.commit().await.unwrap();
        };
        let redeemed = tokio::join!(redeemed, release).0;

        assert!(matches!(redeemed, Err(CommitError::Exhausted)), "{redeemed:?}");
    })
    .await;
}

fn connection_options(bench: &PostgresBench) -> sqlx::postgres::PgConnectOptions {
    super::super::connection::options(&address(shared(), &bench.database.name))
}

#[tokio::test]
async fn what_one_store_changed_the_other_reads_at_once() {
    within(async {
        let bench = PostgresBench::fresh().await;
        let (one, other) = (bench.store(), second(&bench).await);
        let grant = one.create(new_grant("offer")).await.unwrap();
        assert!(one.get(grant.id).await.unwrap().is_some());

        other.delete(grant.namespace.clone(), grant.name.clone(), None).await.unwrap();

        assert!(one.get(grant.id).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn nothing_is_redeemed_when_another_store_found_that_the_database_was_put_back() {
    within(async {
        let bench = PostgresBench::fresh().await;
        let store = bench.store();
        let grant = store.create(new_grant("offer")).await.unwrap();
        bench.database.sql("UPDATE store_state SET rolled_back_from = 9, rolled_back_to = 8");

        let refused = commit(&*store, admission(&grant, 1500), certificate()).await;

        assert!(matches!(refused, Err(CommitError::Store(StoreError::Unavailable { .. }))), "{refused:?}");
        store.acknowledge_rollback(at(1000)).await.unwrap();
        let expired = commit(&*store, admission(&grant, 1500), certificate()).await;
        assert!(matches!(expired, Err(CommitError::Expired)), "{expired:?}");
        assert_eq!(bench.database.sql("SELECT COUNT(*) FROM redemption"), "0");
    })
    .await;
}

#[tokio::test]
async fn the_clock_of_the_database_decides_and_not_that_of_the_replica() {
    within(async {
        let (files, database) = (Files::new(), shared().create_database());
        let store = PostgresStore::open(options(address(shared(), &database.name), &files)).await.unwrap();
        let now = Clock::system().now().unix_seconds();
        let new = |name: &str, expires_at| NewGrant { expires_at: at(expires_at), ..new_grant(name) };
        let over = store.create(new("over", now - 60)).await.unwrap();
        let open = store.create(new("open", now + 3600)).await.unwrap();

        // The clocks of these replicas are two minutes behind and two hours ahead.
        let late = commit(&store, admission(&over, now - 120), certificate()).await;
        let early = commit(&store, admission(&open, now + 7200), certificate()).await;

        assert!(matches!(late, Err(CommitError::Expired)), "{late:?}");
        assert_eq!(early.unwrap().ordinal(), 1);
        let recorded = store.redemptions(open.id, 0, 1).await.unwrap()[0].redeemed_at.unix_seconds();
        assert!((now..now + 60).contains(&recorded), "{recorded} is not the time of the database");
    })
    .await;
}

#[tokio::test]
async fn a_batch_is_one_call() {
    within(async {
        let (files, database, proxy) = (Files::new(), shared().create_database(), Proxy::before(shared()).await);
        let commits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&commits);
        let on_commit = Box::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let through = proxy.address(address(shared(), &database.name));
        let store = PostgresStore::open(PostgresOptions { on_commit, ..options(through, &files) }).await.unwrap();
        let store = Arc::new(store);
        let new = NewGrant { allowed: 100, expires_at: at(253_402_300_799), ..new_grant("offer") };
        let grant = store.create(new).await.unwrap();
        let (calls, before) = (proxy.calls(), commits.load(Ordering::SeqCst));

        let mut tasks = JoinSet::new();
        for _ in 0..100 {
            let (store, grant) = (Arc::clone(&store), grant.clone());
            tasks.spawn(async move { commit(&*store, admission(&grant, 1500), certificate()).await.is_ok() });
        }
        assert!(tasks.join_all().await.into_iter().all(|counted| counted));

        let batches = commits.load(Ordering::SeqCst) - before;
        assert!(batches < 50, "{batches} batches of 100 redemptions");
        assert_eq!(proxy.calls() - calls, batches);
    })
    .await;
}
