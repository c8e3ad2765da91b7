//! Who may do what.

use hyper::{HeaderMap, header::AUTHORIZATION};

use super::target::Target;
use crate::{
    grant::Namespace,
    kube::{
        access::{caller::Peer, rights::permits},
        catalog::resource_type::{Audience, CORE, Verb},
        problem::{cause::shortened_name, status::Problem},
    },
    pki::AdminUser,
};

/// Checks that it is known who asks, where that matters.
///
/// What tells which API this is may be read by all: without it kubectl gives bad advice instead of asking for credentials
/// (kubectl.md 3.15), and it holds nothing of anybody.
///
/// # Errors
/// 401.
pub(crate) fn authenticate(peer: &Peer, headers: &HeaderMap, target: &Target) -> Result<(), Problem> {
    match (peer, target) {
        // Whoever sends one means to be somebody else than the owner, and there are none to be checked here.
        (Peer::Owner, _) if headers.contains_key(AUTHORIZATION) => {
            Err(Problem::Unauthorized("bearer tokens are accepted over TLS only"))
        }
        (Peer::Owner | Peer::Certificate(_), _) | (Peer::Nobody, Target::Discovery(_)) => Ok(()),
        (
            Peer::Nobody,
            Target::Namespace(_)
            | Target::Namespaces
            | Target::Events(_)
            | Target::Review(_)
            | Target::Collection { .. }
            | Target::Object { .. }
            | Target::Part { .. }
            | Target::Malformed(_)
            | Target::Unknown,
        ) => Err(Problem::Unauthorized("Unauthorized")),
    }
}

/// Checks that `peer`, who is known where it matters, may do this.
///
/// # Errors
/// 403.
pub(crate) fn authorize(peer: &Peer, target: &Target, verb: Verb) -> Result<(), Problem> {
    let user = match peer {
        Peer::Owner | Peer::Nobody => return Ok(()),
        Peer::Certificate(user) => user,
    };
    let Some(wanted) = Wanted::of(target) else { return Ok(()) };
    let namespace = wanted.namespace.map(Namespace::as_str);
    if permits(&user.scope, namespace, wanted.audience, verb) { Ok(()) } else { Err(wanted.refused_to(user, verb)) }
}

/// What a request is about, in the words of a refusal.
struct Wanted<'a> {
    group: &'static str,
    resource: &'static str,
    part: Option<&'static str>,
    namespace: Option<&'a Namespace>,
    name: &'a str,
    audience: Audience,
}

impl<'a> Wanted<'a> {
    /// `None` for what is everybody's, and for what there is not.
    fn of(target: &'a Target) -> Option<Self> {
        let (resource, part, namespace, name) = match target {
            Target::Collection { resource, namespace } => (resource, None, namespace.as_ref(), ""),
            Target::Object { resource, namespace, name } => (resource, None, Some(namespace), name.as_str()),
            Target::Part { resource, part, namespace, name } => {
                (resource, Some(part.name), Some(namespace), name.as_str())
            }
            // Kubernetes takes a namespace to be within itself.
            Target::Namespace(namespace) => {
                return Some(Self::implicit("namespaces", Some(namespace), namespace.as_str()));
            }
            Target::Namespaces => return Some(Self::implicit("namespaces", None, "")),
            Target::Events(namespace) => return Some(Self::implicit("events", Some(namespace), "")),
            // Everybody may ask what they may do.
            Target::Review(_) | Target::Discovery(_) | Target::Malformed(_) | Target::Unknown => return None,
        };
        let (group, audience, resource) = (resource.group_version.group, resource.audience, resource.plural);
        Some(Self { group, resource, part, namespace, name, audience })
    }

    /// What is in no table of types.
    fn implicit(resource: &'static str, namespace: Option<&'a Namespace>, name: &'a str) -> Self {
        Self { group: CORE.group, resource, part: None, namespace, name, audience: Audience::Scoped }
    }

    /// As Kubernetes' API server words it.
    fn refused_to(&self, user: &AdminUser, verb: Verb) -> Problem {
        let Self { group, resource, part, namespace, name, audience: _ } = *self;
        let name = shortened_name(name);
        let part = part.map(|part| format!("/{part}")).unwrap_or_default();
        let place = match namespace {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            None => "at the cluster scope".to_owned(),
        };
        let (user, verb) = (user.name.as_str(), verb.as_str());
        let why = format!("User {user:?} cannot {verb} resource \"{resource}{part}\" in API group \"{group}\" {place}");
        Problem::NotPermitted { group, resource, name, why }
    }
}
