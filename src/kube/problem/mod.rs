//! What is wrong with a request, and how that is answered.

pub(super) mod cause;
pub(super) mod faults;
pub(super) mod json;
pub(super) mod status;
pub(super) mod type_meta;
