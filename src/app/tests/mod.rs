//! The controllers and the sites, over a real store.

mod admin_users;
mod fairness;
mod filling;
mod follow;
mod links;
mod own_keys;
mod publication;
mod scripted;
mod signing;
mod sites;
mod slow_signatures;
mod supervision;
mod token_quota;
mod tokens;
mod world;
