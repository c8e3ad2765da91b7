//! The controllers, over a real store.

mod follow;
mod links;
mod tokens;
mod world;
