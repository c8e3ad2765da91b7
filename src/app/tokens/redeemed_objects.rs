//! The objects that a redemption stores in the token's namespace: a Secret, and the Links that use it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{super::object_status::status_write, status::redeemed};
use crate::{
    grant::{LinkName, Namespace},
    link::{Bundle, Link, ResourceName, TlsSecret},
    store::{ObjectContent, ObjectKey, ObjectKind, ObjectWrite, StoredObject, Wanted},
    time::Timestamp,
};

/// The objects of one redeemed token.
pub(super) struct RedeemedObjects<'a> {
    token: &'a StoredObject,
    bundle: &'a Bundle,
    link_cost: Option<u32>,
    link_names: Vec<ResourceName>,
}

impl<'a> RedeemedObjects<'a> {
    /// Names all objects after the token, not as the other site named them: that site must not choose which names are
    /// taken here. The rule for the names is the one of redemption answers (docs/protocol.md section 2.2).
    ///
    /// `None` when a Link's number makes its name too long.
    pub(super) fn new(token: &'a StoredObject, bundle: &'a Bundle, link_cost: Option<u32>) -> Option<Self> {
        let name = &token.key.name;
        let link_names = match bundle.links.len() {
            1 => vec![name.clone()],
            count => (1..=count).map(|number| format!("{name}-{number}").parse().ok()).collect::<Option<_>>()?,
        };
        Some(Self { token, bundle, link_cost, link_names })
    }

    /// The writes of all objects and of the token's status; to be done in one transaction.
    pub(super) fn writes(&self, now: Timestamp) -> Vec<ObjectWrite> {
        let create = |kind, name: &ResourceName, body| ObjectWrite::Create {
            key: ObjectKey { kind, namespace: self.token.key.namespace.clone(), name: name.clone() },
            uid: Uuid::new_v4(),
            created_at: now,
            content: ObjectContent { body, ..ObjectContent::default() },
        };
        let name = &self.token.key.name;
        let links = self.link_names.iter().zip(&self.bundle.links);
        let mut writes = vec![create(ObjectKind::Secret, name, secret_body(&self.bundle.secret))];
        writes.extend(
            links.map(|(own, link)| create(ObjectKind::Link, own, link_body(link, name, self.link_cost.or(link.cost)))),
        );
        // The key is in the Secret now.
        writes.push(with_private(status_write(self.token, redeemed(self.token, now)), Map::new()));
        writes
    }
}

/// The write, with this as what the controller keeps for itself.
pub(super) fn with_private(mut write: ObjectWrite, kept: Map<String, Value>) -> ObjectWrite {
    match &mut write {
        ObjectWrite::Create { content, .. } | ObjectWrite::Update { content, .. } => content.private = kept,
        ObjectWrite::Delete { .. } => {}
    }
    write
}

fn secret_body(secret: &TlsSecret) -> Map<String, Value> {
    let data = json!({
        "ca.crt": STANDARD.encode(&secret.ca_pem),
        "tls.crt": STANDARD.encode(&secret.certificate_pem),
        "tls.key": STANDARD.encode(secret.key.expose()),
    });
    Map::from_iter([("type".to_owned(), "kubernetes.io/tls".into()), ("data".to_owned(), data)])
}

fn link_body(link: &Link, tls_credentials: &ResourceName, cost: Option<u32>) -> Map<String, Value> {
    let mut spec = json!({"endpoints": link.endpoints, "tlsCredentials": tls_credentials.as_str()});
    if let Some(cost) = cost {
        spec["cost"] = cost.into();
    }
    Map::from_iter([("spec".to_owned(), spec)])
}

/// The keys that a redemption needs in every case: the Secret's, and those of a single Link and of the first of several.
pub(super) fn likely_keys(namespace: &Namespace, name: &LinkName) -> Vec<ObjectKey> {
    let whole = ResourceName::from(name);
    // A LinkName is short enough that a number can be appended.
    let numbered = format!("{name}-1").parse().ok();
    let links = [Some(whole.clone()), numbered].into_iter().flatten();
    let key = |kind, name| ObjectKey { kind, namespace: namespace.clone(), name };
    std::iter::once(key(ObjectKind::Secret, whole)).chain(links.map(|name| key(ObjectKind::Link, name))).collect()
}

/// Whether the redeemed objects of the token may need this name: the token's own, with or without a suffix.
pub(super) fn may_take(token: &ObjectKey, other: &ObjectKey) -> bool {
    let rest = other.name.as_str().strip_prefix(token.name.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The space that is asked for before the call: of the Secret and one Link, and more bytes than they take, save with dozens of
/// Links. A bundle may have far more; but if there had to be space for the largest, a namespace with a small quota would
/// redeem nothing.
pub(super) const LIKELY: Wanted = Wanted::Objects { count: 2, bytes: 64 * 1024 };

/// The message when the redeemed objects are not stored, in Skupper's words.
pub(super) fn uncreated(why: &str) -> String {
    format!("Controller could not create received secret: {why}")
}

/// The message for a name that is taken, in Skupper's words (docs/protocol.md section 1.5).
pub(super) fn exists(taken: &ObjectKey) -> String {
    let (what, resource) = match taken.kind {
        ObjectKind::Secret => ("secret", "secrets"),
        ObjectKind::Link => ("link", "links.skupper.io"),
        // A redemption makes none of these.
        ObjectKind::AccessToken | ObjectKind::Site => ("object", taken.kind.as_str()),
    };
    format!("Controller could not create received {what}: {resource} \"{}\" already exists", taken.name)
}
