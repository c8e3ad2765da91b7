//! How much memory a body may become: a small multiple of its length, whatever is in it. Every value is counted before it is
//! made.

use std::cell::Cell;

use crate::store::footprint;

/// The most bytes of memory for each byte of a body.
const FACTOR: usize = 4;
/// What every body may become beside that, in bytes: small ones are mostly structure. The 1,000 operations of the longest JSON
/// patch fit in it.
const LEAST: usize = 1024 * 1024;
/// The most bytes that one byte of a body becomes: five, such as `{"":1}` without the value, become an object with a member.
const DENSEST: usize = 128;

/// The memory that a body may still become.
#[derive(Debug)]
pub(crate) struct Budget(Cell<usize>);

/// A body would take more memory than its length allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted;

/// The most memory, in bytes, that a body of this length becomes.
pub(crate) fn most_memory(length: usize) -> usize {
    length.saturating_mul(FACTOR).saturating_add(LEAST).min(length.saturating_mul(DENSEST))
}

impl Budget {
    /// The budget of a body of this many bytes.
    pub(crate) fn of_body(length: usize) -> Self {
        // One more, so that a budget with nothing left is one that was exceeded.
        Self(Cell::new(most_memory(length) + 1))
    }

    /// Whether a body was refused because it takes too much.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.0.get() == 0
    }

    /// To be called before a text is stored.
    pub(crate) fn text(&self, text: &str) -> Result<(), Exhausted> {
        self.take(footprint::of_text(text))
    }

    /// To be called before an item is added to an array of `index` others.
    pub(crate) fn item(&self, index: usize) -> Result<(), Exhausted> {
        self.take(footprint::of_item(index))
    }

    /// To be called before a member is added to an object of `index` others.
    pub(crate) fn member(&self, index: usize, name: &str) -> Result<(), Exhausted> {
        self.take(footprint::of_member(index, name))
    }

    /// Once something was refused, everything is.
    fn take(&self, bytes: usize) -> Result<(), Exhausted> {
        let left = self.0.get().saturating_sub(bytes);
        self.0.set(left);
        if left > 0 { Ok(()) } else { Err(Exhausted) }
    }
}
