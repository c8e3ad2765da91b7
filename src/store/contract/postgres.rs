//! The store in PostgreSQL under the tests of the contract: a database for each test, in one cluster for all of them.

use std::sync::Arc;

use super::bench::{Bench, Files};
use crate::store::{
    GrantStore as _, PostgresAddress, PostgresServer, PostgresTls, PostgresTlsMode, Quota,
    postgres::{PostgresOptions, PostgresStore},
};

#[expect(dead_code, reason = "the specification uses more of it")]
#[path = "../../../tests/spec/postgres/cluster.rs"]
mod cluster;
#[path = "../../../tests/spec/postgres/programs.rs"]
mod programs;

pub(in crate::store) use cluster::{Cluster, ClusterOptions, Database, shared};
pub(in crate::store) use programs::Account;

/// The clock of the tests is what they admit at, so that of the database follows it.
pub(in crate::store) const FOLLOW_THE_CLOCK_OF_THE_TESTS: &str = "CREATE OR REPLACE FUNCTION time_of_decision(admitted_at BIGINT) \
     RETURNS BIGINT LANGUAGE sql VOLATILE AS 'SELECT admitted_at'";

pub(in crate::store) struct PostgresBench {
    pub(in crate::store) files: Files,
    pub(in crate::store) database: Database<'static>,
    pub(in crate::store) store: Arc<PostgresStore>,
}

/// Where this database is, for its owner.
pub(in crate::store) fn address(cluster: &Cluster, database: &str) -> PostgresAddress {
    PostgresAddress {
        server: PostgresServer::Socket { directory: cluster.socket_directory().to_owned(), port: cluster.port() },
        user: "postgres".to_owned(),
        database: database.to_owned(),
        password: None,
        tls: PostgresTls { mode: PostgresTlsMode::Disable, roots: None, client: None },
    }
}

/// The options for this database with the key of these files.
pub(in crate::store) fn options(address: PostgresAddress, files: &Files) -> PostgresOptions {
    PostgresOptions { address, key: files.key(), quota: Quota::DEFAULT, on_commit: Box::new(|_| {}) }
}

impl PostgresBench {
    pub(in crate::store) async fn on(files: Files, database: Database<'static>) -> Self {
        let address = address(shared(), &database.name);
        let store = Arc::new(PostgresStore::open(options(address, &files)).await.unwrap());
        Self { files, database, store }
    }
}

impl Bench for PostgresBench {
    type Store = PostgresStore;

    async fn fresh() -> Self {
        let bench = Self::on(Files::new(), shared().create_database()).await;
        bench.database.sql(FOLLOW_THE_CLOCK_OF_THE_TESTS);
        bench
    }

    fn store(&self) -> Arc<PostgresStore> {
        Arc::clone(&self.store)
    }

    async fn reopened(self) -> Self {
        self.store.close().await.unwrap();
        Self::on(self.files, self.database).await
    }

    /// Every row of every table, with bytes that are texts as texts. Not the files: writing all of the cluster to the disk
    /// first takes long, and none of them has more than the rows had at some time.
    fn stored_bytes(&self) -> Vec<u8> {
        let tables = self.database.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
        let copies = tables.lines().map(|table| format!("COPY {table} TO STDOUT;"));
        let script: String = std::iter::once("SET bytea_output = 'escape';".to_owned()).chain(copies).collect();
        self.database.sql(&script).into_bytes()
    }
}
