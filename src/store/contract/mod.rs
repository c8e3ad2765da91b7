//! The promises of a store, as tests that run on every implementation.

mod bench;
mod changes;
mod linearizable;
mod model;
mod objects;
pub(in crate::store) mod postgres;
mod promises;
mod reading;
mod replay;
mod replays;

pub(in crate::store) use bench::{
    Bench, Files, Kept, MemoryBench, SqliteBench, admission, at, certificate, change, claim, commit, commit_kept,
    content, create_object, key, new_grant, read_object, site_key, update_object, within,
};

/// Makes a test of each promise for each store.
macro_rules! on_every_store {
    ($($promise:ident),* $(,)?) => {
        mod on_memory {
            use $crate::store::contract::{Bench as _, MemoryBench, within};
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                within(async { super::$promise(MemoryBench::fresh().await).await }).await;
            })*
        }
        mod on_postgres {
            use $crate::store::contract::{Bench as _, postgres::PostgresBench, within};
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                within(async { super::$promise(PostgresBench::fresh().await).await }).await;
            })*
        }
        mod on_sqlite {
            use $crate::store::contract::{Bench as _, SqliteBench, within};
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                within(async { super::$promise(SqliteBench::fresh().await).await }).await;
            })*
        }
    };
}
use on_every_store;
