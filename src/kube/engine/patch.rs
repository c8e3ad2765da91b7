//! Patches: their kinds, and their application to an object.

use serde_json::Value;

use super::json_patch::Operations;
use crate::{
    kube::{
        catalog::resource_type::Origin,
        problem::{budget::most_memory, cause::OperationFault, json, status::Problem},
    },
    store::footprint,
};

/// A change of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Patch {
    /// A merge patch (RFC 7386).
    Merge(Value),
    /// A JSON patch (RFC 6902).
    Json(Operations),
}

impl Patch {
    /// Reads a body of this media type, which is in lower case and without parameters, for a type of this origin.
    ///
    /// # Errors
    /// 415 for another type; kubectl prints the text behind its own words (docs/kubernetes-api.md section 5). 400 or
    /// 413 for the body.
    pub(crate) fn read(media_type: &str, body: &[u8], origin: Origin) -> Result<Self, Problem> {
        let message = match media_type {
            "application/merge-patch+json" => return json::object(body).map(Self::Merge),
            "application/json-patch+json" => return Operations::read(json::array(body)?).map(Self::Json),
            "application/apply-patch+yaml" | "application/apply-patch+cbor" => {
                "server-side apply is not supported; use kubectl apply without --server-side"
            }
            "application/strategic-merge-patch+json" => match origin {
                Origin::Kubernetes => return strategic(json::object(body)?).map(Self::Merge),
                Origin::Skupper => "use --type=merge or --type=json",
            },
            _ => {
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json"
            }
        };
        Err(Problem::UnsupportedMediaType(message))
    }

    /// Whether the patch names the version of the object that it is for.
    pub(crate) fn names_a_version(&self) -> bool {
        match self {
            Self::Merge(patch) => !matches!(patch.pointer("/metadata/resourceVersion"), None | Some(Value::Null)),
            Self::Json(operations) => operations.name_a_version(),
        }
    }

    /// The object with the patch applied.
    ///
    /// # Errors
    /// The operation that cannot be done. A merge patch can always be applied.
    pub(crate) fn apply(&self, mut object: Value) -> Result<Value, OperationFault> {
        match self {
            Self::Merge(patch) => {
                // Recurses as deeply as the patch is nested, which the parser of bodies limits.
                json_patch::merge(&mut object, patch);
                Ok(object)
            }
            Self::Json(operations) => operations.apply(object),
        }
    }
}

/// The longest object that a patch may produce, in bytes of JSON. A single body is always shorter, but an object can grow
/// with every patch.
const LONGEST_OBJECT: usize = 3 * 1024 * 1024;
/// The longest body of a request, in bytes: no object takes more memory than one that was sent whole could.
pub(crate) const LONGEST_BODY: usize = 1024 * 1024;

/// Refuses an object that several patches have made too long, or too large in memory for its length, as a body would be.
///
/// # Errors
/// 413.
pub(crate) fn check_length(object: &Value) -> Result<(), Problem> {
    let size = json::size(object);
    if size > LONGEST_OBJECT {
        return Err(Problem::TooLarge { limit: LONGEST_OBJECT });
    }
    let most = most_memory(size).min(most_memory(LONGEST_BODY));
    if footprint::of_value(object) > most { Err(Problem::TooManyValues) } else { Ok(()) }
}

/// Reads a strategic merge patch of an object without lists. It is a merge patch, except for directives: members that say
/// how to merge. kubectl writes none into such a patch.
fn strategic(patch: Value) -> Result<Value, Problem> {
    if has_directive(&patch) {
        let message = "directives such as $patch are not supported in a strategic merge patch; use --type=merge";
        return Err(Problem::BadRequest(message.to_owned()));
    }
    Ok(patch)
}

/// Recursion is safe here: the parser of bodies limits the nesting.
fn has_directive(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, member)| name.starts_with('$') || has_directive(member)),
        Value::Array(items) => items.iter().any(has_directive),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const STRATEGIC: &str = "application/strategic-merge-patch+json";

    fn read(patch: &Value, origin: Origin) -> Result<Patch, Problem> {
        Patch::read(STRATEGIC, patch.to_string().as_bytes(), origin)
    }

    #[test]
    fn a_strategic_patch_of_kubernetes_own_types_is_a_merge() {
        let patch = json!({"data": {"a": null, "b": "Yg=="}});
        assert_eq!(read(&patch, Origin::Kubernetes).unwrap(), Patch::Merge(patch));
    }

    #[test]
    fn a_strategic_patch_of_other_types_is_refused() {
        let problem = read(&json!({}), Origin::Skupper).unwrap_err();
        assert!(matches!(problem, Problem::UnsupportedMediaType("use --type=merge or --type=json")), "{problem:?}");
    }

    #[test]
    fn directives_are_refused_rather_than_taken_for_members() {
        for patch in [
            json!({"$patch": "replace"}),
            json!({"data": {"$patch": "delete"}}),
            json!({"metadata": {"$retainKeys": ["name"]}}),
            json!({"metadata": {"finalizers": [{"$patch": "delete"}]}}),
        ] {
            assert!(matches!(read(&patch, Origin::Kubernetes), Err(Problem::BadRequest(_))), "{patch}");
        }
    }
    /// RFC 7386, appendix A.
    #[test]
    fn the_examples_of_rfc_7386_hold() {
        let table = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (target, patch, merged) in table {
            assert_eq!(Patch::Merge(patch.clone()).apply(target.clone()).unwrap(), merged, "{target} + {patch}");
        }
    }
}
