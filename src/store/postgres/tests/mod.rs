//! What is promised of PostgreSQL beyond the contract.

mod opening;
#[expect(dead_code, reason = "the tests that cut connections follow")]
mod proxy;
mod replicas;
