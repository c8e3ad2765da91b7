//! The API as its callers see it: a real store, real certificates, real sockets, real clients.

mod arbitrary;
mod change;
mod create;
mod discovery;
mod door;
mod json_patch;
mod listing;
mod openapi;
mod removal;
mod sites;
mod skupper;
mod table;
mod world;
