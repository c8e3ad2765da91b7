//! What a quota can be asked about before it is written.

use super::ObjectContent;
use crate::grant::{Code, GrantMetadata};

/// What a caller may want to write. A quota can be asked about it before.
#[derive(Debug)]
pub enum Wanted {
    /// A new grant.
    Grant {
        /// Its code.
        code: Code,
        /// Its metadata.
        metadata: GrantMetadata,
    },
    /// Another metadata of a grant.
    GrantChange {
        /// The metadata that it has.
        before: GrantMetadata,
        /// The metadata that it would have.
        after: GrantMetadata,
    },
    /// A new object.
    Object(ObjectContent),
    /// Another content of an object.
    ObjectChange {
        /// The content that it has.
        before: ObjectContent,
        /// The content that it would have.
        after: ObjectContent,
    },
    /// New objects whose contents are not known yet.
    Objects {
        /// How many there are.
        count: u64,
        /// The bytes of their contents together.
        bytes: u64,
    },
}
