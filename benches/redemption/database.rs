//! A PostgreSQL for the store, and what the redemptions cost it.

use crate::cluster::{Cluster, ClusterOptions, Database};

/// Starts a cluster that syncs its commits to a real disk: `TMPDIR` names a directory on another one.
pub(crate) fn start_cluster() -> Cluster {
    let cluster = Cluster::start(&ClusterOptions::default());
    assert_eq!(cluster.sql("postgres", "SHOW fsync"), "on");
    println!(
        "PostgreSQL {} in {}, fsync on",
        cluster.sql("postgres", "SHOW server_version"),
        cluster.socket_directory().display()
    );
    cluster
}

/// Counters of the database.
#[derive(Clone, Copy, Default)]
pub(crate) struct Costs {
    transactions: f64,
    wal_bytes: f64,
    wal_syncs: f64,
}

impl Costs {
    /// Their values now, a moment after the last statement: the server publishes them at most once a second.
    pub(crate) fn now(database: &Database<'_>) -> Self {
        std::thread::sleep(std::time::Duration::from_millis(1200));
        let row = database.sql(
            "SELECT d.xact_commit, w.wal_bytes, w.wal_sync FROM pg_stat_database d, pg_stat_wal w \
             WHERE d.datname = current_database()",
        );
        let mut numbers = row.split('|').map(|number| number.parse().unwrap());
        let mut next = || numbers.next().unwrap();
        Self { transactions: next(), wal_bytes: next(), wal_syncs: next() }
    }

    /// Adds what was used since `before`.
    pub(crate) fn add_since(&mut self, before: Self, now: Self) {
        self.transactions += now.transactions - before.transactions;
        self.wal_bytes += now.wal_bytes - before.wal_bytes;
        self.wal_syncs += now.wal_syncs - before.wal_syncs;
    }

    /// Prints them for each redemption.
    pub(crate) fn print(self, redemptions: u64) {
        let each = |number: f64| number / redemptions as f64;
        println!("transactions each          {:>8.3}", each(self.transactions));
        println!("WAL bytes each             {:>8.0}", each(self.wal_bytes));
        println!("WAL syncs each             {:>8.3}", each(self.wal_syncs));
    }
}
