//! Promise 10: a commit whose answer was lost is looked up. The proxy cuts the connection at each moment of the call.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{
    proxy::{Cut, Proxy},
    until, waiting,
};
use crate::{
    grant::Grant,
    store::{
        CommitError, GrantStore as _, NewGrant, Store as _, StoreError,
        contract::{
            Files, admission, certificate, commit, new_grant,
            postgres::{Cluster, ClusterOptions, Database, FOLLOW_THE_CLOCK_OF_THE_TESTS, address, options, shared},
            within,
        },
        postgres::PostgresStore,
    },
};

/// A store behind the proxy, with a grant for five redemptions.
struct World {
    proxy: Proxy,
    database: Database<'static>,
    store: Arc<PostgresStore>,
    grant: Grant,
    _files: Files,
}

async fn world() -> World {
    let (files, database) = (Files::new(), shared().create_database());
    let proxy = Proxy::before(shared()).await;
    let through = proxy.address(address(shared(), &database.name));
    let store = Arc::new(PostgresStore::open(options(through, &files)).await.unwrap());
    database.sql(FOLLOW_THE_CLOCK_OF_THE_TESTS);
    let grant = store.create(NewGrant { allowed: 5, ..new_grant("offer") }).await.unwrap();
    World { proxy, database, store, grant, _files: files }
}

impl World {
    /// Redeems so often at once, and answers the ordinals and how many were refused as exhausted.
    async fn redeem(&self, times: usize) -> (Vec<u32>, usize) {
        let mut tasks = JoinSet::new();
        for _ in 0..times {
            let (store, grant) = (Arc::clone(&self.store), self.grant.clone());
            tasks.spawn(async move {
                commit(&*store, admission(&grant, 1500), certificate()).await.map(|receipt| receipt.ordinal())
            });
        }
        let answers = tasks.join_all().await;
        let exhausted = answers.iter().filter(|answer| matches!(answer, Err(CommitError::Exhausted))).count();
        let mut ordinals: Vec<u32> = answers.into_iter().flatten().collect();
        ordinals.sort_unstable();
        (ordinals, exhausted)
    }

    /// The ordinals in the ledger, and the count.
    fn recorded(&self) -> (String, String) {
        let ledger = self.database.sql("SELECT string_agg(ordinal::text, ' ' ORDER BY ordinal) FROM redemption");
        (ledger, self.database.sql("SELECT redemptions FROM access_grant"))
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_and_the_redemption_is_counted_once() {
    within(async {
        let world = world().await;
        world.proxy.cut(&[Cut::BeforeTheAnswer]);

        assert_eq!(world.redeem(1).await, (vec![1], 0));

        assert!(world.proxy.is_done());
        assert_eq!(world.recorded(), ("1".to_owned(), "1".to_owned()));
        assert_eq!(world.redeem(1).await, (vec![2], 0));
    })
    .await;
}

#[tokio::test]
async fn a_call_that_never_arrived_is_made_again() {
    within(async {
        let world = world().await;
        world.proxy.cut(&[Cut::BeforeTheCall]);

        assert_eq!(world.redeem(1).await, (vec![1], 0));

        assert!(world.proxy.is_done());
        assert_eq!(world.recorded(), ("1".to_owned(), "1".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_still_waiting_in_the_server_is_ended_before_it_is_made_again() {
    within(async {
        let world = world().await;
        world.proxy.cut(&[Cut::AfterTheCall]);
        // Another replica holds the lock.
        let holder =
            sqlx::PgPool::connect_with(super::super::connection::options(&address(shared(), &world.database.name)));
        let holder = holder.await.unwrap();
        let mut lock = holder.begin().await.unwrap();
        sqlx::query("SELECT 1 FROM store_state FOR UPDATE").execute(&mut *lock).await.unwrap();

        let redeemed = async {
            let redeemed = world.redeem(1);
            let release = async {
                until("the call waits again", || world.proxy.is_done() && waiting(&world.database) == "1").await;
                lock.rollback().await.unwrap();
            };
            tokio::join!(redeemed, release).0
        };

        assert_eq!(redeemed.await, (vec![1], 0));
        assert_eq!(world.recorded(), ("1".to_owned(), "1".to_owned()));
        assert_eq!(writers(&world), "1", "the process of the lost connection is still there");
    })
    .await;
}

fn writers(world: &World) -> String {
    world.database.sql(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name LIKE 'grantd writer%'",
    )
}

#[tokio::test]
async fn each_redemption_of_a_lost_batch_gets_its_own_answer() {
    for cut in [Cut::BeforeTheCall, Cut::BeforeTheAnswer, Cut::AfterTheCall] {
        within(async {
            let world = world().await;
            world.proxy.cut(&[cut]);

            assert_eq!(world.redeem(20).await, (vec![1, 2, 3, 4, 5], 15), "{cut:?}");

            assert!(world.proxy.is_done());
            assert_eq!(world.recorded(), ("1 2 3 4 5".to_owned(), "5".to_owned()), "{cut:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_again_and_again_gives_an_error_and_counts_nothing_twice() {
    within(async {
        let world = world().await;
        // The call, looking it up, the second call.
        world.proxy.cut(&[Cut::BeforeTheCall, Cut::BeforeTheCall, Cut::BeforeTheAnswer, Cut::BeforeTheCall]);

        let (ordinals, exhausted) = world.redeem(1).await;

        until("all cuts are made", || world.proxy.is_done()).await;
        let (ledger, count) = world.recorded();
        assert_eq!((ordinals.len(), exhausted), (ledger.split(' ').filter(|ordinal| !ordinal.is_empty()).count(), 0));
        assert_eq!(count, ordinals.len().to_string());
    })
    .await;
}

#[tokio::test]
async fn the_change_of_a_redemption_that_was_looked_up_is_published() {
    within(async {
        let world = world().await;
        let before = world.store.changes().head();
        world.proxy.cut(&[Cut::BeforeTheAnswer]);

        world.redeem(1).await;

        let changes = world.store.changes().since(before).unwrap();
        assert_eq!(changes.iter().map(|change| change.revision.0).collect::<Vec<_>>(), [before.0 + 1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_gives_an_error_in_time_and_is_used_again_when_it_is_back() {
    within(async {
        let cluster = Cluster::start(&ClusterOptions::default());
        let (files, name) = (Files::new(), cluster.create_database().name);
        let store = PostgresStore::open(options(address(&cluster, &name), &files)).await.unwrap();
        cluster.sql(&name, FOLLOW_THE_CLOCK_OF_THE_TESTS);
        let grant = store.create(new_grant("offer")).await.unwrap();
        cluster.kill();

        let refused = commit(&store, admission(&grant, 1500), certificate());
        let refused = tokio::time::timeout(Duration::from_secs(9), refused).await.expect("an answer in time");

        assert!(matches!(refused, Err(CommitError::Store(StoreError::Unavailable { .. }))), "{refused:?}");
        cluster.start_again();
        // The connections that read are replaced without an error.
        assert!(store.get(grant.id).await.unwrap().is_some());
        assert_eq!(commit(&store, admission(&grant, 1500), certificate()).await.unwrap().ordinal(), 1);
        assert_eq!(cluster.sql(&name, "SELECT COUNT(*) FROM redemption"), "1");
    })
    .await;
}
