//! What goes wrong, as Kubernetes' `Status` objects: the one place that knows codes, reasons and wording
//! (docs/kubernetes-api.md section 4.5).

use hyper::StatusCode;
use serde_json::{Value, json};
use tracing::error;

use super::cause::{Cause, LONGEST_NAME, OperationFault, cut};
use crate::{
    app::chain,
    grant::{Namespace, Revision},
    kube::catalog::resource_type::{ResourceType, qualified},
    store::StoreError,
};

/// The most characters of a sentence that repeats parts of the request.
const LONGEST_MESSAGE: usize = 2048;

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Nothing is served at this path. Plain text: client-go then words it as a missing resource type
    /// (docs/kubernetes-api.md section 3.18).
    NoSuchPath,
    /// The request itself makes no sense.
    BadRequest(String),
    /// Understood, and never done here.
    Forbidden(&'static str),
    /// The client is not authenticated, or not in a way that is accepted here.
    Unauthorized(&'static str),
    /// The caller may not do this; the name is empty where there is none.
    NotPermitted { group: &'static str, resource: &'static str, name: String, why: String },
    /// No object of this name.
    NotFound { resource: &'static ResourceType, name: String },
    /// Not with this method; `allow` lists those there are.
    MethodNotAllowed { message: &'static str, allow: String },
    /// The name is taken.
    AlreadyExists { resource: &'static ResourceType, name: String },
    /// A namespace that is there without being made.
    NamespaceExists(Namespace),
    /// Not in the state that the caller expects.
    Conflict { resource: &'static ResourceType, name: String, why: String },
    /// Fields that break rules.
    Invalid { resource: &'static ResourceType, name: String, causes: Vec<Cause> },
    /// A JSON patch with an operation that the object does not bear.
    Inapplicable { resource: &'static ResourceType, name: String, fault: OperationFault },
    /// A JSON patch of more operations than that.
    TooManyOperations { limit: usize, found: usize },
    /// A body in a form that is not read.
    UnsupportedMediaType(&'static str),
    /// A body longer than this many bytes.
    TooLarge { limit: usize },
    /// A body that did not arrive in time.
    BodyTimedOut,
    /// Work that was not done in time; whether it will be is not known.
    TimedOut,
    /// The changes after this revision cannot be sent: it is too old, or is not reached yet. Sent as an event, this makes every
    /// client list again (docs/kubernetes-api.md section 3.10).
    Expired { revision: Revision, head: Revision },
    /// Too many requests at once.
    Overloaded,
    /// Too many watches at once.
    TooManyWatches,
    /// The store did not answer.
    Unavailable,
    /// A fault of ours.
    Internal(String),
}

/// Kubernetes' `Status`, of a request that was not done.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) code: StatusCode,
    reason: &'static str,
    message: String,
    details: Value,
    /// The methods there are, when the one used is not.
    pub(crate) allow: Option<String>,
    /// When the client may try again.
    pub(crate) retry_after_seconds: Option<u32>,
}

impl Status {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null, allow: None, retry_after_seconds: None }
    }

    /// As clients read it.
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

    fn about(self, resource: &ResourceType, name: &str) -> Self {
        Self { details: details(resource, name, resource.plural), ..self }
    }

    fn retry_after(self, seconds: u32) -> Self {
        Self { details: json!({"retryAfterSeconds": seconds}), retry_after_seconds: Some(seconds), ..self }
    }
}

fn details(resource: &ResourceType, name: &str, kind: &str) -> Value {
    let mut details = json!({"name": name, "kind": kind});
    if !resource.group_version.group.is_empty() {
        details["group"] = resource.group_version.group.into();
    }
    details
}

impl Problem {
    /// The store's failure, which is logged here: the answer says less than an operator must know.
    pub(crate) fn from_store(error: &StoreError) -> Self {
        match error {
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

    /// The object was changed since it was read.
    pub(crate) fn modified(resource: &'static ResourceType, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::Conflict { resource, name: name.to_owned(), why: why.to_owned() }
    }

    /// The status that says so.
    pub(crate) fn into_status(self) -> Status {
        match self {
            Self::NoSuchPath => Status::new(StatusCode::NOT_FOUND, "NotFound", "404 page not found"),
            Self::BadRequest(message) => {
                Status::new(StatusCode::BAD_REQUEST, "BadRequest", cut(&message, LONGEST_MESSAGE))
            }
            Self::Forbidden(message) => Status::new(StatusCode::FORBIDDEN, "Forbidden", message),
            Self::Unauthorized(message) => Status::new(StatusCode::UNAUTHORIZED, "Unauthorized", message),
            Self::NotPermitted { group, resource, name, why } => not_permitted(group, resource, &name, &why),
            Self::NotFound { resource, name } => {
                let name = cut(&name, LONGEST_NAME);
                let message = format!("{} {name:?} not found", resource.qualified_plural());
                Status::new(StatusCode::NOT_FOUND, "NotFound", message).about(resource, &name)
            }
            Self::MethodNotAllowed { message, allow } => {
                let status = Status::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
                Status { allow: Some(allow), ..status }
            }
            Self::AlreadyExists { resource, name } => {
                let name = cut(&name, LONGEST_NAME);
                let message = format!("{} {name:?} already exists", resource.qualified_plural());
                Status::new(StatusCode::CONFLICT, "AlreadyExists", message).about(resource, &name)
            }
            Self::NamespaceExists(name) => {
                let message = format!("namespaces {:?} already exists", name.as_str());
                let details = json!({"name": name.as_str(), "kind": "namespaces"});
                Status { details, ..Status::new(StatusCode::CONFLICT, "AlreadyExists", message) }
            }
            Self::Conflict { resource, name, why } => {
                let name = cut(&name, LONGEST_NAME);
                let what = resource.qualified_plural();
                let message = format!("Operation cannot be fulfilled on {what} {name:?}: {why}");
                Status::new(StatusCode::CONFLICT, "Conflict", message).about(resource, &name)
            }
            Self::Invalid { resource, name, causes } => invalid(resource, &name, causes),
            Self::Inapplicable { resource, name, fault } => inapplicable(resource, &name, &fault),
            Self::TooManyOperations { limit, found } => {
                let message = format!(
                    "Request entity too large: the allowed maximum operations in a JSON patch is {limit}, got {found}"
                );
                Status::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
            }
            Self::UnsupportedMediaType(message) => {
                Status::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
            }
            Self::TooLarge { limit } => {
                let message = format!("Request entity too large: limit is {limit}");
                Status::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
            }
            Self::BodyTimedOut => {
                Status::new(StatusCode::REQUEST_TIMEOUT, "Timeout", "the request body did not arrive in time")
            }
            Self::TimedOut => {
                let message = "the request was not done in time, and may still be done";
                Status::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message)
            }
            Self::Expired { revision, head } => {
                let message = format!("too old resource version: {revision} ({head})");
                Status::new(StatusCode::GONE, "Expired", message)
            }
            Self::TooManyWatches => {
                let message = "too many watches at once, please try again later";
                Status::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message).retry_after(5)
            }
            Self::Overloaded => {
                let message = "too many requests at once, please try again later";
                Status::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message).retry_after(1)
            }
            Self::Unavailable => {
                let message = "the grant store did not answer, please try again later";
                Status::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message).retry_after(1)
            }
            Self::Internal(message) => Status::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message),
        }
    }
}

fn not_permitted(group: &str, resource: &'static str, name: &str, why: &str) -> Status {
    let mut details = json!({"kind": resource});
    let mut what = qualified(resource, group);
    if !group.is_empty() {
        details["group"] = group.into();
    }
    if !name.is_empty() {
        details["name"] = name.into();
        what = format!("{what} {name:?}");
    }
    Status { details, ..Status::new(StatusCode::FORBIDDEN, "Forbidden", format!("{what} is forbidden: {why}")) }
}

fn invalid(resource: &ResourceType, name: &str, causes: Vec<Cause>) -> Status {
    let name = cut(name, LONGEST_NAME);
    let lines: Vec<String> = causes.iter().map(Cause::line).collect();
    let list = if let [only] = lines.as_slice() { only.clone() } else { format!("[{}]", lines.join(", ")) };
    let mut details = details(resource, &name, resource.kind);
    details["causes"] = causes
        .into_iter()
        .map(|cause| json!({"field": cause.field, "reason": cause.reason, "message": cause.message}))
        .collect();
    let message = format!("{} {name:?} is invalid: {list}", resource.qualified_kind());
    Status { details, ..Status::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message) }
}

/// Kubernetes' own words, and the operation, which it keeps to itself.
fn inapplicable(resource: &ResourceType, name: &str, fault: &OperationFault) -> Status {
    let name = cut(name, LONGEST_NAME);
    let field = format!("patch[{}]", fault.index);
    let message = format!("the server rejected our request due to an error in our request: {field}: {}", fault.why);
    let mut details = details(resource, &name, resource.kind);
    details["causes"] = json!([{"field": field, "reason": "FieldValueInvalid", "message": fault.why}]);
    Status { details, ..Status::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message) }
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
            (413, "RequestEntityTooLarge", plain(Problem::TooManyOperations { limit: 1, found: 2 })),
            (415, "UnsupportedMediaType", plain(Problem::UnsupportedMediaType("x"))),
            (422, "Invalid", named(Problem::Invalid { resource, name, causes: Vec::new() })),
            (429, "TooManyRequests", later(Problem::Overloaded, 1)),
            (429, "TooManyRequests", later(Problem::TooManyWatches, 5)),
            (500, "InternalError", plain(Problem::Internal("x".to_owned()))),
            (503, "ServiceUnavailable", later(Problem::Unavailable, 1)),
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
