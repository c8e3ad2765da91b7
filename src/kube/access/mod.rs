//! Callers, their permissions, and the reviews that answer questions about both.

pub(super) mod caller;
pub(super) mod review;
pub(super) mod reviews;
pub(super) mod rights;
