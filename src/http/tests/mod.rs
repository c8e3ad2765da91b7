//! The listeners from outside: real sockets, real TLS, a real store.

mod drain;
mod honesty;
mod hostile;
mod observe;
mod outcomes;
mod replays;
mod requests;
mod server;
mod store;
mod table;
mod tls;
mod tools;
