//! grantd with its store in PostgreSQL: real clusters, made by the tests from the machine's own programs.

mod harness;
mod programs;
