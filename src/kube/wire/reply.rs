//! Answers: their content, and their conversion to HTTP.

use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WARNING},
};
use serde_json::Value;

use super::answer::{Answer, AnswerBody};
use crate::{
    app::{MemoryPermit, MemoryShare, NoMemory},
    kube::{
        engine::{
            list::UNCOUNTED,
            outcome::{Content, Outcome},
            watch::stream::EventStream,
        },
        problem::status::Problem,
    },
};

/// The most warnings one answer carries, and the most characters of each: headers have limits of their own.
const MOST_WARNINGS: usize = 16;
const LONGEST_WARNING: usize = 200;

/// The content of an answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Body,
    /// Shown by kubectl as `Warning: text`.
    pub(crate) warnings: Vec<String>,
    pub(crate) retry_after_seconds: Option<u32>,
    /// The value of the `Allow` header of a 405.
    pub(crate) allow: Option<String>,
    pub(crate) keep: Keep,
    /// The permit for the memory of the body, if that was counted already.
    pub(crate) permit: Option<MemoryPermit>,
}

/// How long a client may cache an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Never,
    /// The resource at the request's URL never changes.
    Forever,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    Json(Value),
    /// JSON that is already written as text.
    Written(Bytes),
    Text(&'static str),
    /// Zero bytes are a complete protobuf document: with it kubectl has no client-side schema, and the server validates
    /// (docs/kubernetes-api.md section 0.2).
    EmptyProtobuf,
    /// The events of a watch.
    Events(EventStream),
}

impl From<Outcome> for Reply {
    fn from(Outcome { content, warnings }: Outcome) -> Self {
        let reply = match content {
            Content::Object(object) => Self::ok(object),
            Content::Created(object) => Self::created(object),
            Content::List(text, permit) => {
                Self { permit: Some(permit), ..Self::new(StatusCode::OK, Body::Written(text)) }
            }
            Content::Events(events) => Self::new(StatusCode::OK, Body::Events(events)),
        };
        Self { warnings, ..reply }
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        if matches!(problem, Problem::NoSuchPath) {
            return Self::new(StatusCode::NOT_FOUND, Body::Text("404 page not found\n"));
        }
        let mut status = problem.into_status();
        let (allow, retry_after_seconds) = (status.allow.take(), status.retry_after_seconds);
        Self { allow, retry_after_seconds, ..Self::new(status.code, Body::Json(status.into_object())) }
    }
}

impl Reply {
    pub(crate) fn new(status: StatusCode, body: Body) -> Self {
        Self {
            status,
            body,
            warnings: Vec::new(),
            retry_after_seconds: None,
            allow: None,
            keep: Keep::Never,
            permit: None,
        }
    }

    /// An answer 200 with this object.
    pub(crate) fn ok(object: Value) -> Self {
        Self::new(StatusCode::OK, Body::Json(object))
    }

    /// An answer 201 with this object.
    pub(crate) fn created(object: Value) -> Self {
        Self::new(StatusCode::CREATED, Body::Json(object))
    }

    /// The name of the object in this answer, or the one that a Status is about.
    pub(crate) fn object_name(&self) -> Option<&str> {
        match &self.body {
            Body::Json(object) => {
                object.pointer("/metadata/name").or_else(|| object.pointer("/details/name")).and_then(Value::as_str)
            }
            Body::Written(_) | Body::Text(_) | Body::EmptyProtobuf | Body::Events(_) => None,
        }
    }

    /// Counts the memory of the body, unless it is small or counted already.
    ///
    /// # Errors
    /// [`NoMemory`]; then the answer must not be sent.
    pub(crate) fn count(&mut self, memory: &MemoryShare) -> Result<(), NoMemory> {
        if let Body::Json(value) = &self.body {
            // Writing a Value cannot fail: its keys are strings.
            self.body = Body::Written(Bytes::from(value.to_string()));
        }
        let length = match &self.body {
            Body::Written(bytes) => bytes.len(),
            Body::Json(_) | Body::Text(_) | Body::EmptyProtobuf | Body::Events(_) => 0,
        };
        if self.permit.is_none() && length > UNCOUNTED {
            self.permit.insert(memory.empty_permit()).grow_to(length)?;
        }
        Ok(())
    }

    /// The HTTP answer. It is JSON whatever `Accept` says.
    pub(crate) fn into_answer(self) -> Answer {
        let permit = self.permit;
        let whole = |bytes| AnswerBody::whole(bytes, permit);
        let (content_type, body) = match self.body {
            // Writing a Value cannot fail: its keys are strings.
            Body::Json(value) => ("application/json", whole(Bytes::from(value.to_string()))),
            Body::Written(bytes) => ("application/json", whole(bytes)),
            Body::Text(text) => ("text/plain; charset=utf-8", whole(Bytes::from_static(text.as_bytes()))),
            Body::EmptyProtobuf => ("application/com.github.proto-openapi.spec.v2.v1.0+protobuf", whole(Bytes::new())),
            Body::Events(stream) => ("application/json", AnswerBody::events(stream)),
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let cache = match self.keep {
            Keep::Never => "no-cache, private",
            Keep::Forever => "public, max-age=31536000",
        };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            headers.insert(ALLOW, allow);
        }
        for warning in self.warnings.iter().take(MOST_WARNINGS) {
            if let Ok(value) = HeaderValue::try_from(warning_header(warning)) {
                headers.append(WARNING, value);
            }
        }
        answer
    }
}

/// The value of a `Warning` header (RFC 7234 5.5), in ASCII.
fn warning_header(text: &str) -> String {
    let mut quoted = String::from("299 - \"");
    for c in text.chars().take(LONGEST_WARNING) {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ => {
                quoted.push('\\');
                quoted.extend(c.escape_unicode());
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_one_quoted_string_whatever_it_holds() {
        assert_eq!(warning_header("unknown field \"spec.a\""), "299 - \"unknown field \\\"spec.a\\\"\"");
        assert_eq!(warning_header("it's"), "299 - \"it's\"");
        assert_eq!(warning_header("a\r\\ä"), "299 - \"a\\\\u{d}\\\\\\\\u{e4}\"");
    }

    #[test]
    fn an_empty_openapi_document_says_how_long_it_is() {
        let answer = Reply::new(StatusCode::OK, Body::EmptyProtobuf).into_answer();
        assert_eq!(hyper::body::Body::size_hint(answer.body()).exact(), Some(0));
    }
}
