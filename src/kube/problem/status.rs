//! Failed requests as Kubernetes' `Status` objects: the only place that knows codes, reasons and messages
//! (docs/kubernetes-api.md section 4.5).

use hyper::StatusCode;
use serde_json::{Value, json};
use tracing::{error, warn};

use super::cause::{Cause, LONGEST_NAME, OperationFault, cut};
use crate::{
    app::chain,
    grant::{Namespace, Revision},
    kube::catalog::resource_type::{ResourceType, qualified},
    store::{QuotaExceeded, StoreError, StoreFailure},
};

/// The most characters of a sentence that repeats parts of the request.
const LONGEST_MESSAGE: usize = 2048;

/// Why a request failed.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Nothing is served at this path. Plain text: client-go then words it as a missing resource type
    /// (docs/kubernetes-api.md section 3.18).
    NoSuchPath,
    /// The request is malformed, whatever it is about.
    BadRequest(String),
    /// A request that this server never does, for any user.
    Forbidden(&'static str),
    /// The client is not authenticated, or not in a way that is accepted here.
    Unauthorized(&'static str),
    /// This user has no permission for the request; `name` is empty when the request names no object.
    NotPermitted { group: &'static str, resource: &'static str, name: String, why: String },
    /// No object of this name.
    NotFound { resource: &'static ResourceType, name: String },
    /// The path does not have this method; `allow` lists the methods that it has.
    MethodNotAllowed { message: &'static str, allow: String },
    /// An object of this name exists already.
    AlreadyExists { resource: &'static ResourceType, name: String },
    /// A namespace that a client tries to create although it exists: every namespace exists implicitly.
    NamespaceExists(Namespace),
    /// The object is not in the state that the caller expects.
    Conflict { resource: &'static ResourceType, name: String, why: String },
    /// Fields that break rules.
    Invalid { resource: &'static ResourceType, name: String, causes: Vec<Cause> },
    /// A JSON patch with an operation that cannot be applied to the object.
    Inapplicable { resource: &'static ResourceType, name: String, fault: OperationFault },
    /// A JSON patch with `found` operations, more than `limit`.
    TooManyOperations { limit: usize, found: usize },
    /// A body of a media type that is not supported.
    UnsupportedMediaType(&'static str),
    /// A body longer than this many bytes.
    TooLarge { limit: usize },
    /// A body, or an object that a patch makes, with so many values that it would take far more memory than its length.
    TooManyValues,
    /// A body that did not arrive in time.
    BodyTimedOut,
    /// The request took longer than its deadline; whether its change is still made is unknown.
    TimedOut,
    /// The changes after this revision cannot be sent: it is too old, or is not reached yet. Sent as an event, this makes every
    /// client list again (docs/kubernetes-api.md section 3.10).
    Expired { revision: Revision, head: Revision },
    /// Too many requests at once.
    Overloaded,
    /// Too many watches at once.
    TooManyWatches,
    /// The disk is nearly full, and the rest is kept for redemptions.
    DiskReserve(String),
    /// The store did not answer.
    Unavailable,
    /// A fault of the server.
    Internal(String),
}

/// Kubernetes' `Status` object of a request that failed.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) code: StatusCode,
    reason: &'static str,
    message: String,
    details: Value,
    /// The value of the `Allow` header of a 405.
    pub(crate) allow: Option<String>,
    /// The value of the `Retry-After` header.
    pub(crate) retry_after_seconds: Option<u32>,
}

impl Status {
    /// The JSON object that clients read.
    pub(crate) fn into_object(self) -> Value {
        let mut object = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": self.code.as_u16(), "reason": self.reason, "message": self.message,
        });
        if !self.details.is_null() {
            object["details"] = self.details;
        }
        object
    }
}

impl Problem {
    /// Logs a failure of the store, and makes the answer, which says less than an operator must know.
    pub(crate) fn from_store(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable { source: reserve @ StoreFailure::DiskReserve { .. }, .. } => {
                warn!(reason = %reserve, "an admin request was refused");
                Self::DiskReserve(format!("{reserve}, or delete grants and objects that are not needed"))
            }
            StoreError::Unavailable { .. } => {
                error!(error = %chain(error), "the grant store did not answer an admin request");
                Self::Unavailable
            }
            StoreError::Corrupt { id, what } => {
                error!(object.id = %id.escape_debug(), what, "a stored object is corrupt");
                Self::Internal(format!("stored object {} is corrupt: {what}", id.escape_debug()))
            }
        }
    }

    /// The namespace has stored too much; in the words of Kubernetes' quotas.
    pub(crate) fn over_quota(resource: &'static ResourceType, name: &str, exceeded: QuotaExceeded) -> Self {
        let ResourceType { group_version, plural, .. } = *resource;
        let (name, why) = (name.to_owned(), exceeded.to_string());
        Self::NotPermitted { group: group_version.group, resource: plural, name, why }
    }

    /// The object was changed since it was read.
    pub(crate) fn modified(resource: &'static ResourceType, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::Conflict { resource, name: name.to_owned(), why: why.to_owned() }
    }

    /// The answer to the client.
    pub(crate) fn into_status(self) -> Status {
        let (code, reason) = self.code_and_reason();
        let message = self.message();
        let retry_after_seconds = self.retry_after_seconds();
        let details = self.details(retry_after_seconds);
        let allow = if let Self::MethodNotAllowed { allow, .. } = self { Some(allow) } else { None };
        Status { code, reason, message, details, allow, retry_after_seconds }
    }

    /// The HTTP status, and the word by which Kubernetes' clients know what happened.
    fn code_and_reason(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoSuchPath | Self::NotFound { .. } => (StatusCode::NOT_FOUND, "NotFound"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "BadRequest"),
            Self::Forbidden(_) | Self::NotPermitted { .. } => (StatusCode::FORBIDDEN, "Forbidden"),
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
            Self::AlreadyExists { .. } | Self::NamespaceExists(_) => (StatusCode::CONFLICT, "AlreadyExists"),
            Self::Conflict { .. } => (StatusCode::CONFLICT, "Conflict"),
            Self::Invalid { .. } | Self::Inapplicable { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid"),
            Self::TooManyOperations { .. } | Self::TooLarge { .. } | Self::TooManyValues => {
                (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge")
            }
            Self::UnsupportedMediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType"),
            Self::BodyTimedOut => (StatusCode::REQUEST_TIMEOUT, "Timeout"),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "Timeout"),
            Self::Expired { .. } => (StatusCode::GONE, "Expired"),
            Self::TooManyWatches | Self::Overloaded => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            Self::DiskReserve(_) => (StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        }
    }

    /// The sentence that kubectl prints, in Kubernetes' words where Kubernetes has some.
    fn message(&self) -> String {
        match self {
            Self::NoSuchPath => "404 page not found".to_owned(),
            Self::BadRequest(message) => cut(message, LONGEST_MESSAGE),
            Self::Forbidden(message) | Self::Unauthorized(message) | Self::UnsupportedMediaType(message) => {
                (*message).to_owned()
            }
            Self::MethodNotAllowed { message, .. } => (*message).to_owned(),
            Self::NotPermitted { group, resource, name, why } => not_permitted(group, resource, name, why),
            Self::NotFound { resource, name } => format!("{} not found", named(resource, name)),
            Self::AlreadyExists { resource, name } => format!("{} already exists", named(resource, name)),
            Self::NamespaceExists(name) => format!("namespaces {:?} already exists", name.as_str()),
            Self::Conflict { resource, name, why } => {
                format!("Operation cannot be fulfilled on {}: {why}", named(resource, name))
            }
            Self::Invalid { resource, name, causes } => invalid(resource, name, causes),
            Self::Inapplicable { fault, .. } => {
                // Kubernetes names neither the operation nor the fault.
                let (index, why) = (fault.index, &fault.why);
                format!("the server rejected our request due to an error in our request: patch[{index}]: {why}")
            }
            Self::TooManyOperations { limit, found } => format!(
                "Request entity too large: the allowed maximum operations in a JSON patch is {limit}, got {found}"
            ),
            Self::TooLarge { limit } => format!("Request entity too large: limit is {limit}"),
            Self::TooManyValues => "Request entity too large: it has too many values for its length".to_owned(),
            Self::BodyTimedOut => "the request body did not arrive in time".to_owned(),
            Self::TimedOut => "the request was not done in time, and may still be done".to_owned(),
            Self::Expired { revision, head } => format!("too old resource version: {revision} ({head})"),
            Self::TooManyWatches => "too many watches at once, please try again later".to_owned(),
            Self::Overloaded => "too many requests at once, please try again later".to_owned(),
            Self::Unavailable => "the grant store did not answer, please try again later".to_owned(),
            Self::DiskReserve(message) | Self::Internal(message) => message.clone(),
        }
    }

    /// The facts that client programs read instead of the message; null when there are none.
    fn details(&self, retry_after_seconds: Option<u32>) -> Value {
        match self {
            Self::NotFound { resource, name }
            | Self::AlreadyExists { resource, name }
            | Self::Conflict { resource, name, .. } => {
                object_details(resource.group_version.group, resource.plural, Some(&cut(name, LONGEST_NAME)))
            }
            Self::Invalid { resource, name, causes } => caused_details(resource, name, causes),
            Self::Inapplicable { resource, name, fault } => {
                let field = format!("patch[{}]", fault.index);
                caused_details(resource, name, &[Cause::invalid_unshown(&field, fault.why.as_str())])
            }
            Self::NotPermitted { group, resource, name, .. } => {
                object_details(group, resource, Some(name.as_str()).filter(|name| !name.is_empty()))
            }
            Self::NamespaceExists(name) => object_details("", "namespaces", Some(name.as_str())),
            Self::TooManyWatches | Self::Overloaded | Self::Unavailable => {
                json!({"retryAfterSeconds": retry_after_seconds})
            }
            Self::NoSuchPath
            | Self::BadRequest(_)
            | Self::Forbidden(_)
            | Self::Unauthorized(_)
            | Self::MethodNotAllowed { .. }
            | Self::TooManyOperations { .. }
            | Self::UnsupportedMediaType(_)
            | Self::TooLarge { .. }
            | Self::TooManyValues
            | Self::BodyTimedOut
            | Self::TimedOut
            | Self::Expired { .. }
            | Self::DiskReserve(_)
            | Self::Internal(_) => Value::Null,
        }
    }

    /// After how many seconds the client may try again, where trying again may help.
    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::TooManyWatches => Some(5),
            Self::Overloaded | Self::Unavailable => Some(1),
            Self::NoSuchPath
            | Self::BadRequest(_)
            | Self::Forbidden(_)
            | Self::Unauthorized(_)
            | Self::NotPermitted { .. }
            | Self::NotFound { .. }
            | Self::MethodNotAllowed { .. }
            | Self::AlreadyExists { .. }
            | Self::NamespaceExists(_)
            | Self::Conflict { .. }
            | Self::Invalid { .. }
            | Self::Inapplicable { .. }
            | Self::TooManyOperations { .. }
            | Self::UnsupportedMediaType(_)
            | Self::TooLarge { .. }
            | Self::TooManyValues
            | Self::BodyTimedOut
            | Self::TimedOut
            | Self::Expired { .. }
            | Self::DiskReserve(_)
            | Self::Internal(_) => None,
        }
    }
}

/// An object as messages name it: `accessgrants.skupper.io "west"`.
fn named(resource: &ResourceType, name: &str) -> String {
    format!("{} {:?}", resource.qualified_plural(), cut(name, LONGEST_NAME))
}

fn not_permitted(group: &str, resource: &str, name: &str, why: &str) -> String {
    let what = qualified(resource, group);
    if name.is_empty() { format!("{what} is forbidden: {why}") } else { format!("{what} {name:?} is forbidden: {why}") }
}

fn invalid(resource: &ResourceType, name: &str, causes: &[Cause]) -> String {
    let lines: Vec<String> = causes.iter().map(Cause::line).collect();
    let list = if let [only] = lines.as_slice() { only.clone() } else { format!("[{}]", lines.join(", ")) };
    format!("{} {:?} is invalid: {list}", resource.qualified_kind(), cut(name, LONGEST_NAME))
}

/// Which object a status is about; the core group, whose name is empty, is left out.
fn object_details(group: &str, kind: &str, name: Option<&str>) -> Value {
    let mut details = json!({"kind": kind});
    if !group.is_empty() {
        details["group"] = group.into();
    }
    if let Some(name) = name {
        details["name"] = name.into();
    }
    details
}

fn caused_details(resource: &ResourceType, name: &str, causes: &[Cause]) -> Value {
    let mut details = object_details(resource.group_version.group, resource.kind, Some(&cut(name, LONGEST_NAME)));
    details["causes"] = causes
        .iter()
        .map(|cause| json!({"field": cause.field, "reason": cause.reason, "message": cause.message}))
        .collect();
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::catalog::access_grant::ACCESS_GRANTS;

    fn object(problem: Problem) -> Value {
        problem.into_status().into_object()
    }

    #[test]
    fn a_missing_object_is_reported_in_kubernetes_words() {
        let status = object(Problem::NotFound { resource: &ACCESS_GRANTS, name: "nope".to_owned() });
        let expected = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 404,
            "reason": "NotFound", "message": "accessgrants.skupper.io \"nope\" not found",
            "details": {"name": "nope", "group": "skupper.io", "kind": "accessgrants"},
        });
        assert_eq!(status, expected);
    }

    #[test]
    fn each_problem_has_the_code_and_the_reason_by_which_clients_know_it() {
        let (resource, name) = (&ACCESS_GRANTS, "g".to_owned());
        let (revision, head) = (Revision(1), Revision(2));
        let named = |problem: Problem| (problem, Some("g"), None);
        let plain = |problem: Problem| (problem, None, None);
        let later = |problem: Problem, seconds: u32| (problem, None, Some(seconds));
        let conflict = Problem::Conflict { resource, name: name.clone(), why: String::new() };
        let not_permitted =
            Problem::NotPermitted { group: "skupper.io", resource: "sites", name: name.clone(), why: String::new() };
        let table = [
            (400, "BadRequest", plain(Problem::BadRequest("x".to_owned()))),
            (401, "Unauthorized", plain(Problem::Unauthorized("x"))),
            (403, "Forbidden", plain(Problem::Forbidden("x"))),
            (403, "Forbidden", named(not_permitted)),
            (404, "NotFound", named(Problem::NotFound { resource, name: name.clone() })),
            (405, "MethodNotAllowed", plain(Problem::MethodNotAllowed { message: "x", allow: "GET".to_owned() })),
            (408, "Timeout", plain(Problem::BodyTimedOut)),
            (409, "AlreadyExists", named(Problem::AlreadyExists { resource, name: name.clone() })),
            (409, "AlreadyExists", named(Problem::NamespaceExists("g".parse().unwrap()))),
            (409, "Conflict", named(conflict)),
            (410, "Expired", plain(Problem::Expired { revision, head })),
            (413, "RequestEntityTooLarge", plain(Problem::TooLarge { limit: 1 })),
            (413, "RequestEntityTooLarge", plain(Problem::TooManyValues)),
            (413, "RequestEntityTooLarge", plain(Problem::TooManyOperations { limit: 1, found: 2 })),
            (415, "UnsupportedMediaType", plain(Problem::UnsupportedMediaType("x"))),
            (422, "Invalid", named(Problem::Invalid { resource, name, causes: Vec::new() })),
            (429, "TooManyRequests", later(Problem::Overloaded, 1)),
            (429, "TooManyRequests", later(Problem::TooManyWatches, 5)),
            (500, "InternalError", plain(Problem::Internal("x".to_owned()))),
            (503, "ServiceUnavailable", later(Problem::Unavailable, 1)),
            (507, "InsufficientStorage", plain(Problem::DiskReserve("x".to_owned()))),
            (504, "Timeout", plain(Problem::TimedOut)),
        ];
        for (code, reason, (problem, name, seconds)) in table {
            let status = problem.into_status();
            assert_eq!((status.code.as_u16(), status.retry_after_seconds), (code, seconds), "{reason}");
            let status = status.into_object();
            assert_eq!((&status["kind"], &status["status"]), (&"Status".into(), &"Failure".into()), "{status}");
            assert_eq!((&status["code"], &status["reason"]), (&code.into(), &reason.into()), "{status}");
            assert_eq!(status["details"]["name"].as_str(), name, "{status}");
            assert!(!status["message"].as_str().unwrap().is_empty(), "{status}");
        }
    }

    #[test]
    fn every_fault_of_an_object_is_a_cause() {
        let causes = vec![
            Cause::required("metadata.name", "name or generateName is required"),
            Cause::invalid("spec.issuer", "A", "must be good"),
        ];
        let status = object(Problem::Invalid { resource: &ACCESS_GRANTS, name: "g".to_owned(), causes });

        assert_eq!(
            status["message"],
            "AccessGrant.skupper.io \"g\" is invalid: [metadata.name: Required value: name or generateName is \
             required, spec.issuer: Invalid value: \"A\": must be good]"
        );
        assert_eq!(status["details"]["kind"], "AccessGrant");
        assert_eq!(status["details"]["causes"][0]["reason"], "FieldValueRequired");
        assert_eq!(status["details"]["causes"][1]["message"], "Invalid value: \"A\": must be good");
    }
}
