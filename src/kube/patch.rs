//! Patches: what kinds there are, and what they make of an object.

use serde_json::Value;

use super::{
    json,
    merge::merge,
    operations::{OperationFault, Operations},
    problem::Problem,
};

/// A change of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Patch {
    /// RFC 7386.
    Merge(Value),
    /// RFC 6902.
    Json(Operations),
}

impl Patch {
    /// Reads a body of this media type, which is in lower case and without parameters.
    ///
    /// # Errors
    /// 415 for another type; kubectl prints the text behind its own words (kubectl.md 5). 400 or 413 for the body.
    pub(super) fn read(media_type: &str, body: &[u8]) -> Result<Self, Problem> {
        let message = match media_type {
            "application/merge-patch+json" => return json::object(body).map(Self::Merge),
            "application/json-patch+json" => return Operations::read(json::array(body)?).map(Self::Json),
            "application/apply-patch+yaml" | "application/apply-patch+cbor" => {
                "server-side apply is not supported; use kubectl apply without --server-side"
            }
            "application/strategic-merge-patch+json" => "use --type=merge or --type=json",
            _ => {
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json"
            }
        };
        Err(Problem::UnsupportedMediaType(message))
    }

    /// Whether it says which version of the object it is for.
    pub(super) fn names_a_version(&self) -> bool {
        match self {
            Self::Merge(patch) => !matches!(patch.pointer("/metadata/resourceVersion"), None | Some(Value::Null)),
            Self::Json(operations) => operations.name_a_version(),
        }
    }

    /// The object with the patch applied.
    ///
    /// # Errors
    /// The operation that cannot be done. A merge patch can always be.
    pub(super) fn apply(&self, object: Value) -> Result<Value, OperationFault> {
        match self {
            Self::Merge(patch) => Ok(merge(object, patch.clone())),
            Self::Json(operations) => operations.apply(object),
        }
    }
}
