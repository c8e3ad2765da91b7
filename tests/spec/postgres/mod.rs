//! grantd with its store in PostgreSQL: real clusters, made by the tests from the machine's own programs.

pub(crate) mod cluster;
mod commands;
mod documents;
mod harness;
mod password;
mod programs;
mod replicas;
mod serve;
mod start;
mod tls;
