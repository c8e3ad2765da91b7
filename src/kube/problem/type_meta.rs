//! Checks of `apiVersion` and `kind`, which give the type of an object.

use serde_json::Value;

use super::{cause::shortened, status::Problem};
use crate::kube::catalog::resource_type::{GroupVersion, ResourceType};

/// Refuses an object of another type.
///
/// # Errors
/// 400 in Kubernetes' words.
pub(crate) fn check_type(resource: &ResourceType, object: &Value) -> Result<(), Problem> {
    check_kind(resource.group_version, resource.kind, object)
}

/// As [`check_type`], for a type that is not in the type table.
///
/// # Errors
/// 400 in Kubernetes' words.
pub(crate) fn check_kind(group_version: GroupVersion, expected_kind: &str, object: &Value) -> Result<(), Problem> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (kind, version) = (text("kind"), text("apiVersion"));
    let expected = group_version.api_version();
    if kind.is_empty() || version.is_empty() {
        let missing = if kind.is_empty() { "Kind" } else { "apiVersion" };
        return Err(Problem::BadRequest(format!("Object '{missing}' is missing")));
    }
    if version != expected {
        let message = format!(
            "the API version in the data ({}) does not match the expected API version ({expected})",
            shortened(version)
        );
        return Err(Problem::BadRequest(message));
    }
    if kind != expected_kind {
        let found = shortened(kind);
        let message = format!("{found} in version {:?} cannot be handled as a {expected_kind}", group_version.version);
        return Err(Problem::BadRequest(message));
    }
    Ok(())
}

/// The refusal of an object whose content does not fit its type.
pub(crate) fn cannot_be_handled(group_version: GroupVersion, kind: &str, why: &str) -> Problem {
    let version = group_version.version;
    Problem::BadRequest(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
}
