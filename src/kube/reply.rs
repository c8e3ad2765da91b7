//! An answer, before and after it is HTTP.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::{Body as HttpBody, Bytes, Frame, SizeHint},
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WARNING},
};
use serde_json::{Value, json};

use super::{
    types::ResourceType,
    watch::{BrokenOff, EventStream},
};

/// The most warnings one answer carries, and the most characters of each: headers have limits of their own.
const MOST_WARNINGS: usize = 16;
const LONGEST_WARNING: usize = 200;

/// An answer as HTTP.
pub(super) type Answer = Response<AnswerBody>;

/// What follows the head of an answer.
#[derive(Debug)]
pub(super) enum AnswerBody {
    /// All of it.
    Whole(Full<Bytes>),
    /// Event after event.
    Events(EventStream),
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Events(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Events(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Events(body) => body.size_hint(),
        }
    }
}

/// What an answer says.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Body,
    /// Shown by kubectl as `Warning: text`.
    pub(super) warnings: Vec<String>,
    pub(super) retry_after_seconds: Option<u32>,
    /// The methods there are, when the one used is not.
    pub(super) allow: Option<String>,
    pub(super) keep: Keep,
}

/// How long a client may use an answer again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Never,
    /// What stands at the request's URL never changes.
    Forever,
}

/// What is in it.
#[derive(Debug)]
pub(super) enum Body {
    Json(Value),
    /// JSON as it is sent.
    Written(Bytes),
    Text(&'static str),
    /// Zero bytes are a whole protobuf document: with it kubectl has no client-side schema, and validation is ours
    /// (kubectl.md 0.2).
    EmptyProtobuf,
    /// What a watch tells.
    Events(EventStream),
}

impl Reply {
    pub(super) fn new(status: StatusCode, body: Body) -> Self {
        Self { status, body, warnings: Vec::new(), retry_after_seconds: None, allow: None, keep: Keep::Never }
    }

    /// 200 with this object.
    pub(super) fn ok(object: Value) -> Self {
        Self::new(StatusCode::OK, Body::Json(object))
    }

    /// 201 with this object.
    pub(super) fn created(object: Value) -> Self {
        Self::new(StatusCode::CREATED, Body::Json(object))
    }

    /// 200 with a list of these objects.
    pub(super) fn list(resource: &ResourceType, metadata: Value, items: Vec<Value>) -> Self {
        let mut list = json!({
            "kind": format!("{}List", resource.kind), "apiVersion": resource.group_version.api_version(),
        });
        // Moved in: the macro would copy every item.
        list["metadata"] = metadata;
        list["items"] = items.into();
        Self::ok(list)
    }

    pub(super) fn warning(mut self, warnings: Vec<String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// The name of the object that this answer is or is about.
    pub(super) fn object_name(&self) -> Option<&str> {
        match &self.body {
            Body::Json(object) => {
                object.pointer("/metadata/name").or_else(|| object.pointer("/details/name")).and_then(Value::as_str)
            }
            Body::Written(_) | Body::Text(_) | Body::EmptyProtobuf | Body::Events(_) => None,
        }
    }

    /// As HTTP. JSON to everyone, whatever `Accept` says.
    pub(super) fn into_answer(self) -> Answer {
        let whole = |bytes| AnswerBody::Whole(Full::new(bytes));
        let (content_type, body) = match self.body {
            // Writing a Value cannot fail: its keys are strings.
            Body::Json(value) => ("application/json", whole(Bytes::from(value.to_string()))),
            Body::Written(bytes) => ("application/json", whole(bytes)),
            Body::Text(text) => ("text/plain; charset=utf-8", whole(Bytes::from_static(text.as_bytes()))),
            Body::EmptyProtobuf => ("application/com.github.proto-openapi.spec.v2.v1.0+protobuf", whole(Bytes::new())),
            Body::Events(stream) => ("application/json", AnswerBody::Events(stream)),
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

/// A warning as RFC 7234 5.5 writes it, in ASCII.
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
