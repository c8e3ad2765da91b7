//! The bodies of requests: limits of length and time, and parsing.

use std::{pin::pin, time::Duration};

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request,
    body::{Body, Bytes},
    header::CONTENT_TYPE,
};
use serde_json::Value;

use super::protobuf;
use crate::kube::{
    engine::patch::LONGEST_BODY,
    problem::{json, status::Problem},
};

/// The longest body that is received although it will be refused: most clients read no answer before they have sent
/// everything, and would otherwise report a broken pipe instead of the refusal.
const LONGEST_DISCARDED: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// The type of the body in lower case and without its parameters; empty when none is named.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?")).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The object in a request of a kind that kubectl sends in protobuf.
pub(crate) async fn read_object<B>(request: Request<B>) -> Result<Value, Problem>
where
    B: Body<Data = Bytes>,
{
    let (parts, body) = request.into_parts();
    any_body(&parts.headers, &read_body(body).await?)
}

pub(crate) fn any_body(headers: &HeaderMap, body: &[u8]) -> Result<Value, Problem> {
    match media_type(headers).as_str() {
        protobuf::MEDIA_TYPE => protobuf::object(body),
        "" | "application/json" => json::object(body),
        _ => Err(Problem::UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/vnd.kubernetes.protobuf",
        )),
    }
}

pub(crate) fn json_body(headers: &HeaderMap, body: &[u8]) -> Result<Value, Problem> {
    // A body without a type is read as JSON, as in Kubernetes.
    match media_type(headers).as_str() {
        "" | "application/json" => json::object(body),
        _ => Err(Problem::UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: application/json",
        )),
    }
}

pub(crate) async fn read_body<B>(body: B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
{
    if body.size_hint().lower() > LONGEST_DISCARDED as u64 {
        return Err(Problem::TooLarge { limit: LONGEST_BODY });
    }
    match tokio::time::timeout(BODY_DEADLINE, collect(body)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::BodyTimedOut),
    }
}

async fn collect<B>(body: B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let (mut bytes, mut arrived) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::BadRequest("the request body could not be read".to_owned()))?;
        let Ok(data) = frame.into_data() else { continue };
        arrived += data.len();
        if arrived > LONGEST_DISCARDED {
            break;
        }
        if arrived <= LONGEST_BODY {
            bytes.extend_from_slice(&data);
        }
    }
    if arrived > LONGEST_BODY { Err(Problem::TooLarge { limit: LONGEST_BODY }) } else { Ok(bytes.into()) }
}
