//! The controllers, over a real store.

mod links;
mod tokens;
mod world;
