//! Paths of requests, and the resources that they name.

use hyper::Method;

use crate::{
    grant::Namespace,
    kube::{
        access::review::Review,
        catalog::{
            document::Document,
            namespaces,
            path::segments,
            resource_type::{CORE, GroupVersion, NOT_ALLOWED, ResourceType, SKUPPER, Shows, Subresource, Verb},
            server_path::ServerPath,
            types::{find, versions},
        },
        problem::status::Problem,
    },
    metrics::AdminResource,
};

/// The resource that a path names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// A document of discovery.
    Discovery(Document),
    /// The list of namespaces.
    Namespaces,
    /// A namespace as an object. Every namespace exists implicitly.
    Namespace(Namespace),
    /// The events of a namespace, of which there are none.
    Events(Namespace),
    /// A review: a question about the caller's permissions or identity.
    Review(Review),
    /// All objects of a type, in one namespace or in all.
    Collection { resource: &'static ResourceType, namespace: Option<Namespace> },
    /// One object; the name is as the client sent it, and may be invalid.
    Object { resource: &'static ResourceType, namespace: Namespace, name: String },
    /// A subresource of an object.
    Subresource {
        resource: &'static ResourceType,
        subresource: &'static Subresource,
        namespace: Namespace,
        name: String,
    },
    /// What is about this server.
    Server(ServerPath),
    /// The ledger of all grants of a namespace, or of all namespaces.
    Ledger(Option<Namespace>),
    /// A path with an invalid namespace or percent escape; the text says which.
    Malformed(String),
    /// A path at which nothing is served.
    Unknown,
}

impl Route {
    /// Parses a path, which must not contain the query.
    pub(crate) fn read(path: &str) -> Self {
        let Some(path) = path.strip_prefix('/') else { return Self::Unknown };
        let Some(segments) = segments(path) else {
            return Self::Malformed("the path holds an invalid percent escape".to_owned());
        };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let Some(document) = Document::at(&segments) {
            return Self::Discovery(document);
        }
        if let Some(path) = ServerPath::at(&segments) {
            return Self::Server(path);
        }
        match segments.as_slice() {
            ["api", version, rest @ ..] if *version == CORE.version => Self::within(CORE, rest),
            ["apis", group, version, rest @ ..] if !group.is_empty() => {
                match (versions(group).into_iter().find(|served| served.version == *version), rest) {
                    (Some(served), rest) => Self::within(served, rest),
                    (None, [plural]) => Review::find(group, version, plural).map_or(Self::Unknown, Self::Review),
                    (None, _) => Self::Unknown,
                }
            }
            _ => Self::Unknown,
        }
    }

    fn within(group_version: GroupVersion, rest: &[&str]) -> Self {
        match rest {
            ["namespaces"] if group_version == CORE => Self::Namespaces,
            ["namespaces", namespace] if group_version == CORE => match namespace.parse() {
                Ok(namespace) => Self::Namespace(namespace),
                Err(error) => Self::Malformed(format!("namespace {namespace:?} {error}")),
            },
            ["namespaces", namespace, "events"] if group_version == CORE => match namespace.parse() {
                Ok(namespace) => Self::Events(namespace),
                Err(error) => Self::Malformed(format!("namespace {namespace:?} {error}")),
            },
            ["redemptions"] if group_version == SKUPPER => Self::Ledger(None),
            ["namespaces", namespace, "redemptions"] if group_version == SKUPPER => match namespace.parse() {
                Ok(namespace) => Self::Ledger(Some(namespace)),
                Err(error) => Self::Malformed(format!("namespace {namespace:?} {error}")),
            },
            ["namespaces", namespace, plural, rest @ ..] => {
                let Some(resource) = find(group_version, plural) else { return Self::Unknown };
                match namespace.parse() {
                    Ok(namespace) => Self::namespaced(resource, namespace, rest),
                    Err(error) => Self::Malformed(format!("namespace {namespace:?} {error}")),
                }
            }
            [plural] => match find(group_version, plural) {
                Some(resource) => Self::Collection { resource, namespace: None },
                None => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }

    fn namespaced(resource: &'static ResourceType, namespace: Namespace, rest: &[&str]) -> Self {
        match rest {
            [] => Self::Collection { resource, namespace: Some(namespace) },
            [name] if !name.is_empty() => Self::Object { resource, namespace, name: (*name).to_owned() },
            [name, subresource] if !name.is_empty() => {
                match resource.subresources.iter().find(|s| s.name == *subresource) {
                    Some(subresource) => {
                        Self::Subresource { resource, subresource, namespace, name: (*name).to_owned() }
                    }
                    None => Self::Unknown,
                }
            }
            _ => Self::Unknown,
        }
    }

    /// The verb that the method means for this path.
    ///
    /// # Errors
    /// 405, or what is wrong with the path.
    pub(crate) fn verb(&self, method: &Method) -> Result<Verb, Problem> {
        let verbs = match self {
            Self::Discovery(_) | Self::Namespace(_) | Self::Subresource { .. } => vec![Verb::Get],
            Self::Namespaces => vec![Verb::Create, Verb::List],
            Self::Events(_) | Self::Ledger(_) => vec![Verb::List],
            Self::Review(_) => vec![Verb::Create],
            Self::Server(path) => vec![path.verb()],
            Self::Collection { resource, namespace } => {
                let here = |verb: &Verb| match verb {
                    Verb::List => true,
                    Verb::Create => namespace.is_some(),
                    // The query can turn a list into a watch.
                    Verb::Delete | Verb::Get | Verb::Patch | Verb::Update | Verb::Watch => false,
                };
                resource.verbs.iter().copied().filter(here).collect()
            }
            Self::Object { resource, .. } => {
                let here = |verb: &Verb| match verb {
                    Verb::Delete | Verb::Get | Verb::Patch | Verb::Update => true,
                    Verb::Create | Verb::List | Verb::Watch => false,
                };
                resource.verbs.iter().copied().filter(here).collect()
            }
            Self::Malformed(message) => return Err(Problem::BadRequest(message.clone())),
            Self::Unknown => return Err(Problem::NoSuchPath),
        };
        let found = verbs.iter().copied().find(|verb| http_method(*verb) == method);
        let writes = [Method::PATCH, Method::PUT].contains(method);
        if let (Self::Subresource { subresource, .. }, true) = (self, writes)
            && subresource.shows == Shows::Status
        {
            return Err(Problem::Forbidden("status is written by this server alone"));
        }
        found.ok_or_else(|| Problem::MethodNotAllowed {
            message: self.other_verbs(),
            allow: verbs.iter().map(|verb| http_method(*verb).to_string()).collect::<Vec<_>>().join(", "),
        })
    }

    /// The message about methods that this path does not have.
    fn other_verbs(&self) -> &'static str {
        match self {
            Self::Namespaces | Self::Namespace(_) => namespaces::OTHER_VERBS,
            Self::Collection { .. }
            | Self::Object { .. }
            | Self::Subresource { .. }
            | Self::Discovery(_)
            | Self::Events(_)
            | Self::Ledger(_)
            | Self::Review(_)
            | Self::Server(_)
            | Self::Malformed(_)
            | Self::Unknown => NOT_ALLOWED,
        }
    }

    /// The label in metrics.
    pub(crate) fn label(&self) -> AdminResource {
        match self {
            Self::Discovery(_) => AdminResource::Discovery,
            Self::Collection { resource, .. } | Self::Object { resource, .. } => resource.label,
            Self::Subresource { subresource, .. } => subresource.label,
            Self::Ledger(_) => AdminResource::Redemptions,
            Self::Namespaces
            | Self::Namespace(_)
            | Self::Events(_)
            | Self::Review(_)
            | Self::Server(_)
            | Self::Malformed(_)
            | Self::Unknown => AdminResource::Other,
        }
    }

    /// The names for logs: resource, namespace and name, each if the path has one.
    pub(crate) fn words(&self) -> (&'static str, &str, &str) {
        match self {
            Self::Collection { resource, namespace } => {
                (resource.plural, namespace.as_ref().map_or("", Namespace::as_str), "")
            }
            Self::Object { resource, namespace, name } | Self::Subresource { resource, namespace, name, .. } => {
                (resource.plural, namespace.as_str(), name)
            }
            Self::Namespaces => ("namespaces", "", ""),
            Self::Namespace(namespace) => ("namespaces", "", namespace.as_str()),
            Self::Events(namespace) => ("events", namespace.as_str(), ""),
            Self::Ledger(namespace) => ("redemptions", namespace.as_ref().map_or("", Namespace::as_str), ""),
            Self::Review(review) => (review.plural(), "", ""),
            Self::Server(path) => (path.name(), "", ""),
            Self::Discovery(_) | Self::Malformed(_) | Self::Unknown => ("", "", ""),
        }
    }
}

fn http_method(verb: Verb) -> Method {
    match verb {
        Verb::Create => Method::POST,
        Verb::Delete => Method::DELETE,
        Verb::Get | Verb::List | Verb::Watch => Method::GET,
        Verb::Patch => Method::PATCH,
        Verb::Update => Method::PUT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::{
        access::{
            caller::Caller,
            rights::{Question, allows},
        },
        catalog::{access_grant::ACCESS_GRANTS, site::SITES, types::TYPES},
    };
    use proptest::prelude::*;

    #[test]
    fn kubernetes_paths_lead_to_our_types() {
        let west: Namespace = "west".parse().unwrap();
        let base = "/apis/skupper.io/v2alpha1";
        let table = [
            (format!("{base}/sites"), Route::Collection { resource: &SITES, namespace: None }),
            (format!("{base}/redemptions"), Route::Ledger(None)),
            (format!("{base}/namespaces/west/redemptions"), Route::Ledger(Some(west.clone()))),
            (
                format!("{base}/namespaces/west/accessgrants"),
                Route::Collection { resource: &ACCESS_GRANTS, namespace: Some(west.clone()) },
            ),
            (
                format!("{base}/namespaces/west/accessgrants/g%2Eh"),
                Route::Object { resource: &ACCESS_GRANTS, namespace: west.clone(), name: "g.h".to_owned() },
            ),
            (
                format!("{base}/namespaces/west/accessgrants/g/redemptions"),
                Route::Subresource {
                    resource: &ACCESS_GRANTS,
                    subresource: &ACCESS_GRANTS.subresources[0],
                    namespace: west.clone(),
                    name: "g".to_owned(),
                },
            ),
            ("/api/v1/namespaces/west".to_owned(), Route::Namespace(west)),
            (base.to_owned(), Route::Discovery(Document::Resources(SKUPPER))),
            (format!("/openapi/v3{base}"), Route::Discovery(Document::OpenApi(SKUPPER))),
        ];
        for (path, route) in table {
            assert_eq!(Route::read(&path), route, "{path}");
        }
    }

    #[test]
    fn other_paths_name_nothing() {
        for path in [
            "",
            "/",
            "//",
            "/apis/",
            "/apis/apps/v1",
            "/apis/route.openshift.io/v1",
            "/api/v1/pods",
            "/api/v1/namespaces/west/pods",
            "/api/v1/events",
            "/api/v1/namespaces/west/events/e",
            "/apis/skupper.io/v2alpha1/namespaces/west/events",
            "/apis/authorization.k8s.io/v1",
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            "/apis/authentication.k8s.io/v1alpha1/selfsubjectreviews",
            "/apis/skupper.io/v1",
            "/apis/skupper.io/v2alpha1/accessgrants/g",
            "/apis/skupper.io/v2alpha1/namespaces/west/listeners",
            "/apis/skupper.io/v1alpha1/namespaces/west/accessgrants",
            "/apis//v1/links",
            "/apis/skupper.io/v2alpha1/namespaces/west/accessgrants/",
            "/apis/skupper.io/v2alpha1/namespaces/west/accessgrants/g/scale",
            "/apis/skupper.io/v2alpha1/namespaces/west/sites/s/redemptions",
            "/apis/skupper.io/v2alpha1/namespaces/west",
            "/openapi/v3/",
            "/openapi/v3/api",
            "/openapi/v3/apis/skupper.io",
            "/openapi/v3/apis/skupper.io/v1",
            "/openapi/v3/apis//v1",
            "/openapi/v3/apis/skupper.io/v2alpha1/sites",
            "/openapi/v3/apis/skupper.io%2Fv2alpha1",
        ] {
            assert_eq!(Route::read(path), Route::Unknown, "{path}");
        }
        assert!(matches!(Route::read("/api/v1/namespaces/West"), Route::Malformed(_)));
    }

    #[test]
    fn a_method_that_is_not_there_is_answered_with_those_that_are() {
        let grants = Route::read("/apis/skupper.io/v2alpha1/namespaces/west/accessgrants");
        assert_eq!(grants.verb(&Method::POST).unwrap(), Verb::Create);
        let Problem::MethodNotAllowed { allow, .. } = grants.verb(&Method::DELETE).unwrap_err() else { panic!() };
        assert_eq!(allow, "POST, GET");

        let status = Route::read("/apis/skupper.io/v2alpha1/namespaces/west/sites/s/status");
        let Problem::MethodNotAllowed { allow, .. } = status.verb(&Method::DELETE).unwrap_err() else { panic!() };
        assert_eq!(allow, "GET");
        assert!(matches!(status.verb(&Method::PUT), Err(Problem::Forbidden(_))));

        let everywhere = Route::read("/apis/skupper.io/v2alpha1/accessgrants");
        assert!(everywhere.verb(&Method::POST).is_err());
    }

    #[test]
    fn what_is_allowed_is_what_is_served() {
        let methods = |route: &Route| {
            [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE].map(|m| route.verb(&m).ok())
        };
        for resource in TYPES {
            let path = format!("/{}/namespaces/west/{}", resource.group_version.path(), resource.plural);
            let served = [methods(&Route::read(&path)), methods(&Route::read(&format!("{path}/x")))].concat();
            for verb in served.into_iter().flatten() {
                let question = Question {
                    verb: verb.as_str(),
                    group: resource.group_version.group,
                    resource: resource.plural,
                    subresource: "",
                    namespace: "west",
                    name: "",
                };
                assert!(allows(&Caller::Owner, question), "{verb:?} {path}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "(/(apis|skupper\\.io|v2alpha1|namespaces|west|accessgrants|%2[0-9a-z]|.{0,4})){0,8}|.{0,40}") {
            let route = Route::read(&path);
            let _ = (route.verb(&Method::GET), route.label(), route.words());
        }
    }
}
