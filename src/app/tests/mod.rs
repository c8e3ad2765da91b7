//! The controllers, over a real store.

mod filling;
mod follow;
mod links;
mod scripted;
mod tokens;
mod world;
