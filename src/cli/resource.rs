//! The objects of the admin API, as far as the commands read them (docs/protocol.md sections 4.1 and 4.5).

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use super::error::CliError;
use crate::{
    client::AdminError,
    grant::{GrantName, Namespace},
};

/// How a grant is named in output, as kubectl names it.
pub(super) const GRANT_KIND: &str = "accessgrant.skupper.io";
/// The version of every object here.
pub(super) const API_VERSION: &str = "skupper.io/v2alpha1";
pub(super) const GROUP: &str = "/apis/skupper.io/v2alpha1";
/// How many items a command asks for in one request.
pub(super) const PAGE: u32 = 500;

/// Parses a grant's name from an argument: the name alone, or with its kind, as this program and kubectl print it.
pub(super) fn grant_name(text: &str) -> Result<GrantName, CliError> {
    let kinds = [GRANT_KIND, "accessgrants.skupper.io", "accessgrant", "accessgrants"];
    let name = match text.split_once('/') {
        Some((kind, name)) if kinds.contains(&kind) => name,
        Some(_) | None => text,
    };
    name.parse().map_err(|error| CliError::usage(format!("name {text:?} is not valid: it {error}")))
}

/// The namespaces that a list covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    Namespace(Namespace),
    All,
}

/// The path of a list of sites.
pub(super) fn sites_path(scope: &Scope) -> String {
    match scope {
        Scope::Namespace(namespace) => format!("{GROUP}/namespaces/{namespace}/sites"),
        Scope::All => format!("{GROUP}/sites"),
    }
}

/// The path for creating grants.
pub(super) fn grants_path(namespace: &Namespace) -> String {
    format!("{GROUP}/namespaces/{namespace}/accessgrants")
}

/// The path of one grant.
pub(super) fn grant_path(namespace: &Namespace, name: &GrantName) -> String {
    format!("{GROUP}/namespaces/{namespace}/accessgrants/{name}")
}

/// The path of a list of grants.
pub(super) fn scope_path(scope: &Scope) -> String {
    match scope {
        Scope::Namespace(namespace) => grants_path(namespace),
        Scope::All => format!("{GROUP}/accessgrants"),
    }
}

/// The path of a list of links.
pub(super) fn links_path(scope: &Scope) -> String {
    match scope {
        Scope::Namespace(namespace) => format!("{GROUP}/namespaces/{namespace}/links"),
        Scope::All => format!("{GROUP}/links"),
    }
}

/// The path of the ledger of a grant.
pub(super) fn redemptions_path(namespace: &Namespace, name: &GrantName) -> String {
    format!("{}/redemptions", grant_path(namespace, name))
}

/// The path of the ledger of all grants in scope.
pub(super) fn ledger_path(scope: &Scope) -> String {
    match scope {
        Scope::Namespace(namespace) => format!("{GROUP}/namespaces/{namespace}/redemptions"),
        Scope::All => format!("{GROUP}/redemptions"),
    }
}

/// Where it is acknowledged that the database was put back.
pub(super) const ACKNOWLEDGE_ROLLBACK_PATH: &str = "/grantd/v1/acknowledge-rollback";

/// What became of that.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RollbackAcknowledgement {
    pub(super) was_rolled_back: bool,
    pub(super) expired_grants: u64,
}

/// The path of a page of a list; `token` is from the previous page.
pub(super) fn page_path(path: &str, token: Option<&str>) -> String {
    let mut page = format!("{path}?limit={PAGE}");
    if let Some(token) = token {
        page.push_str("&continue=");
        page.push_str(&escaped(token));
    }
    page
}

/// Text encoded for a segment of a path, or for a value of a query.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// An object, with the members that a command needs.
pub(super) fn read<T: for<'de> Deserialize<'de>>(object: &Value) -> Result<T, CliError> {
    T::deserialize(object).map_err(|_| {
        CliError::Admin(AdminError::Malformed { what: "the answer is not of the kind that was asked for" })
    })
}

/// One page of any list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    #[serde(default)]
    pub(super) metadata: PageMetadata,
    #[serde(default)]
    pub(super) items: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct PageMetadata {
    #[serde(default, rename = "continue")]
    pub(super) token: String,
    /// Rows of the ledger that are damaged.
    #[serde(default)]
    pub(super) unreadable: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Grant {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) status: GrantStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) creation_timestamp: String,
    pub(super) resource_version: String,
}

/// It does not implement `Debug`, which would print the code.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GrantStatus {
    pub(super) url: String,
    pub(super) code: String,
    pub(super) ca: String,
    pub(super) redemptions: u64,
    pub(super) expiration_time: String,
    pub(super) status: String,
    pub(super) message: String,
    pub(super) conditions: Vec<Condition>,
}

impl std::fmt::Debug for GrantStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GrantStatus(redacted)")
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// Whether the condition `Ready` is true.
pub(super) fn is_ready(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True")
}

#[derive(Debug, Deserialize)]
pub(super) struct Site {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) spec: SiteSpec,
    #[serde(default)]
    pub(super) status: SiteStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SiteSpec {
    pub(super) edge: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SiteStatus {
    pub(super) endpoints: Vec<Value>,
    pub(super) message: String,
    pub(super) conditions: Vec<Condition>,
}

/// One row of a grant's ledger.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Redemption {
    pub(super) ordinal: u64,
    pub(super) redeemed_at: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) subject: String,
    #[serde(default)]
    pub(super) peer: Option<String>,
    #[serde(default)]
    pub(super) serial: String,
    #[serde(default)]
    pub(super) not_after: String,
    #[serde(default)]
    pub(super) replays: Vec<Replay>,
}

/// A redemption that was answered once more, uncounted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Replay {
    pub(super) kind: String,
    pub(super) replayed_at: String,
    #[serde(default)]
    pub(super) peer: Option<String>,
    #[serde(default)]
    pub(super) serial: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_with_its_kind_and_with_no_other() {
        assert_eq!(grant_name("accessgrant.skupper.io/offer").unwrap().as_str(), "offer");
        assert_eq!(grant_name("offer").unwrap().as_str(), "offer");
        assert!(grant_name("secret/offer").is_err());
    }

    #[test]
    fn a_continue_token_is_escaped() {
        assert_eq!(page_path("/x", None), "/x?limit=500");
        assert_eq!(page_path("/x", Some("a/b&c=ä")), "/x?limit=500&continue=a%2Fb%26c%3D%C3%A4");
    }

    #[test]
    fn an_object_with_the_least_is_read_and_anything_else_refused() {
        let grant: Grant = read(&serde_json::json!({"metadata": {"name": "g"}})).unwrap();
        assert_eq!((grant.metadata.name.as_str(), is_ready(&grant.status.conditions)), ("g", false));
        assert!(read::<Grant>(&serde_json::json!("g")).is_err());
        let page: Page = read(&serde_json::json!({"kind": "AccessGrantList"})).unwrap();
        assert!(page.items.is_empty() && page.metadata.token.is_empty());
    }

    #[test]
    fn the_debug_text_of_a_grant_has_no_code() {
        let grant: Grant = read(&serde_json::json!({"metadata": {"name": "g"}, "status": {"code": "canary"}})).unwrap();
        assert!(!format!("{grant:?}").contains("canary"));
    }
}
