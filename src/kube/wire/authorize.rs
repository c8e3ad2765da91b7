//! Checks before a request is processed: authentication and authorization.

use hyper::{HeaderMap, header::AUTHORIZATION};

use super::route::Route;
use crate::{
    grant::Namespace,
    kube::{
        access::{caller::Peer, rights::permits},
        catalog::{
            document::Document,
            resource_type::{Audience, CORE, SKUPPER, Verb},
        },
        problem::{cause::shortened_name, status::Problem},
    },
    pki::AdminUser,
};

/// The message for a user whose certificate was revoked.
const REVOKED: &str = "the certificate of this kubeconfig was revoked: ask the operator of grantd for a new one";

/// Checks that the client is authenticated, unless it asks for the version alone, which Kubernetes shows to everyone too
/// (docs/kubernetes-api.md section 3.15).
///
/// # Errors
/// 401.
pub(crate) fn authenticate(peer: &Peer, headers: &HeaderMap, route: &Route) -> Result<(), Problem> {
    match (peer, route) {
        // A client that sends a bearer token wants to act as another user than the owner, but tokens cannot be checked here.
        (Peer::Owner { .. }, _) if headers.contains_key(AUTHORIZATION) => {
            Err(Problem::Unauthorized("bearer tokens are accepted over TLS only"))
        }
        // kubectl prints the message of a refusal only once it has the documents, which hold no data.
        (Peer::Revoked(_), Route::Discovery(_)) => Ok(()),
        (Peer::Revoked(_), _) => Err(Problem::Unauthorized(REVOKED)),
        (Peer::Owner { .. } | Peer::Certificate(_), _)
        | (Peer::Unauthenticated, Route::Discovery(Document::Version)) => Ok(()),
        (
            Peer::Unauthenticated,
            Route::Discovery(
                Document::CoreVersions
                | Document::Groups
                | Document::Group(_)
                | Document::Resources(_)
                | Document::OpenApiV2
                | Document::OpenApiIndex
                | Document::OpenApi(_),
            )
            | Route::Namespace(_)
            | Route::Namespaces
            | Route::Events(_)
            | Route::Ledger(_)
            | Route::Review(_)
            | Route::Server(_)
            | Route::Collection { .. }
            | Route::Object { .. }
            | Route::Subresource { .. }
            | Route::Malformed(_)
            | Route::Unknown,
        ) => Err(Problem::Unauthorized("Unauthorized")),
    }
}

/// Checks that `peer`, which [`authenticate`] has accepted, has permission for the request.
///
/// # Errors
/// 403.
pub(crate) fn authorize(peer: &Peer, route: &Route, verb: Verb) -> Result<(), Problem> {
    let user = match peer {
        Peer::Owner { .. } | Peer::Unauthenticated | Peer::Revoked(_) => return Ok(()),
        Peer::Certificate(user) => user,
    };
    if let Route::Server(_) = route {
        return Err(Problem::Forbidden("only the owner of the admin socket may do this"));
    }
    let Some(attributes) = Attributes::of(route) else { return Ok(()) };
    let namespace = attributes.namespace.map(Namespace::as_str);
    if permits(&user.scope, namespace, attributes.audience, verb) {
        Ok(())
    } else {
        Err(attributes.refused_to(user, verb))
    }
}

/// Acting as another user is not supported; ignoring the header would act as the caller instead.
///
/// Discovery is exempt, as it is the same for all users: kubectl prints a refusal there five times, without its message.
///
/// # Errors
/// 403.
pub(crate) fn refuse_impersonation(route: &Route, headers: &HeaderMap) -> Result<(), Problem> {
    if !matches!(route, Route::Discovery(_)) && headers.keys().any(|name| name.as_str().starts_with("impersonate-")) {
        return Err(Problem::Forbidden("impersonation is not supported by this server"));
    }
    Ok(())
}

/// The facts about a request that decide permission, as a refusal names them.
struct Attributes<'a> {
    group: &'static str,
    resource: &'static str,
    subresource: Option<&'static str>,
    namespace: Option<&'a Namespace>,
    name: &'a str,
    audience: Audience,
}

impl<'a> Attributes<'a> {
    /// `None` for a path that every authenticated caller may use, and for a path that does not exist.
    fn of(route: &'a Route) -> Option<Self> {
        let (resource, subresource, namespace, name) = match route {
            Route::Collection { resource, namespace } => (resource, None, namespace.as_ref(), ""),
            Route::Object { resource, namespace, name } => (resource, None, Some(namespace), name.as_str()),
            Route::Subresource { resource, subresource, namespace, name } => {
                (resource, Some(subresource.name), Some(namespace), name.as_str())
            }
            // In Kubernetes, the request for a namespace object counts as one within that namespace.
            Route::Namespace(namespace) => {
                return Some(Self::implicit("namespaces", Some(namespace), namespace.as_str()));
            }
            Route::Namespaces => return Some(Self::implicit("namespaces", None, "")),
            Route::Events(namespace) => return Some(Self::implicit("events", Some(namespace), "")),
            Route::Ledger(namespace) => {
                let implicit = Self::implicit("redemptions", namespace.as_ref(), "");
                return Some(Self { group: SKUPPER.group, ..implicit });
            }
            // Every caller may ask for its own permissions.
            Route::Review(_) | Route::Discovery(_) | Route::Server(_) | Route::Malformed(_) | Route::Unknown => {
                return None;
            }
        };
        let (group, audience, resource) = (resource.group_version.group, resource.audience, resource.plural);
        Some(Self { group, resource, subresource, namespace, name, audience })
    }

    /// A resource that is not in the type table.
    fn implicit(resource: &'static str, namespace: Option<&'a Namespace>, name: &'a str) -> Self {
        Self { group: CORE.group, resource, subresource: None, namespace, name, audience: Audience::Scoped }
    }

    /// The refusal, in the words of Kubernetes' API server.
    fn refused_to(&self, user: &AdminUser, verb: Verb) -> Problem {
        let Self { group, resource, subresource, namespace, name, audience: _ } = *self;
        let name = shortened_name(name);
        let subresource = subresource.map(|subresource| format!("/{subresource}")).unwrap_or_default();
        let place = match namespace {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            None => "at the cluster scope".to_owned(),
        };
        let (user, verb) = (user.name.as_str(), verb.as_str());
        let why = format!(
            "User {user:?} cannot {verb} resource \"{resource}{subresource}\" in API group \"{group}\" {place}"
        );
        Problem::NotPermitted { group, resource, name, why }
    }
}
