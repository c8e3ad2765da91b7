//! Faults of requests, and the answers that report them.

pub(super) mod budget;
pub(super) mod cause;
pub(super) mod faults;
pub(super) mod json;
pub(super) mod status;
pub(super) mod type_meta;
