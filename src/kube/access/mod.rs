//! Which callers there are, what each may do, and the reviews that answer questions about it.

pub(super) mod caller;
pub(super) mod review;
pub(super) mod reviews;
pub(super) mod rights;
