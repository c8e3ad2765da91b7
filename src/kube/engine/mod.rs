//! What is done with objects, written once against the trait [`Kind`](kind::Kind).

pub(super) mod action;
pub(super) mod json_patch;
pub(super) mod kind;
pub(super) mod list;
pub(super) mod manifest;
pub(super) mod object_meta;
pub(super) mod options;
pub(super) mod outcome;
pub(super) mod page;
pub(super) mod patch;
pub(super) mod selector;
pub(super) mod shares;
pub(super) mod validate;
pub(super) mod verbs;
pub(super) mod watch;
