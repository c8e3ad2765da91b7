//! What is promised of PostgreSQL beyond the contract.

mod opening;
