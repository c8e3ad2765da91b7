//! Which callers there are, what each may do, and the reviews that tell them.

pub(super) mod caller;
pub(super) mod review;
pub(super) mod reviews;
pub(super) mod rights;
