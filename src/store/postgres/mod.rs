//! The store in a PostgreSQL database, which several processes can share.
#![expect(dead_code, reason = "the backend that uses this follows")]

mod connection;
mod doubt;
mod fault;
mod redeem;
mod settings;
