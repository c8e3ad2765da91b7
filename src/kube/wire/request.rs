//! The bodies of requests: limits of length and time, and parsing; and the host that a request is for.

use std::{pin::pin, time::Duration};

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, Version,
    body::{Body, Bytes},
    header::CONTENT_TYPE,
};
use serde_json::Value;

use super::protobuf;
use crate::{
    app::{MemoryPermit, MemoryShare, NoMemory},
    kube::{
        engine::patch::LONGEST_BODY,
        problem::{budget::most_memory, json, status::Problem},
    },
    net::is_for_one_host,
};

/// The longest body that is received although it will be refused: most clients read no answer before they have sent
/// everything, and would otherwise report a broken pipe instead of the refusal.
const LONGEST_DISCARDED: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// Bodies of at most this many bytes are read without a permit for their memory: the limit of requests bounds their number.
const UNCOUNTED_BODY: usize = 2 * 1024;
/// How long a body may wait for memory before its first byte is read.
const MEMORY_DEADLINE: Duration = Duration::from_secs(5);

/// Refuses a request that may be meant for another server.
pub(crate) fn check_host<B>(request: &Request<B>) -> Result<(), Problem> {
    if is_for_one_host(request) {
        return Ok(());
    }
    let what = if request.version() == Version::HTTP_2 {
        "a request of HTTP/2 needs a well-formed :authority, or one header Host"
    } else {
        "a request of HTTP/1.1 needs one well-formed header Host"
    };
    Err(Problem::BadRequest(what.to_owned()))
}

/// The type of the body in lower case and without its parameters; empty when none is named.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?")).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The body of a request, and the permit for all the memory that it takes until it is answered.
#[derive(Debug)]
pub(crate) struct ReadBody {
    pub(crate) bytes: Bytes,
    pub(crate) memory: MemoryPermit,
}

/// The object in the body of a request of a kind that kubectl sends in protobuf.
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

/// Reads a body once there is memory for what it may become.
///
/// # Errors
/// 413 for a body that is too long, 408 for one that is too slow, 429 when there is no memory for it.
pub(crate) async fn read_body<B>(body: B, memory: &MemoryShare) -> Result<ReadBody, Problem>
where
    B: Body<Data = Bytes>,
{
    if body.size_hint().lower() > LONGEST_DISCARDED as u64 {
        return Err(Problem::TooLarge { limit: LONGEST_BODY });
    }
    let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let memory = match working_memory(length.unwrap_or(LONGEST_BODY)) {
        0 => memory.empty_permit(),
        needed => memory.take(needed, MEMORY_DEADLINE).await.map_err(|NoMemory| Problem::Overloaded)?,
    };
    match tokio::time::timeout(BODY_DEADLINE, collect(body)).await {
        Ok(read) => Ok(ReadBody { bytes: read?, memory }),
        Err(_) => Err(Problem::BodyTimedOut),
    }
}

/// How much memory a body of this length takes until it is answered, in bytes: it exists as parsed values, as the object that
/// is stored, and as several texts.
fn working_memory(length: usize) -> usize {
    if length <= UNCOUNTED_BODY { 0 } else { 2 * most_memory(length.min(LONGEST_BODY)) }
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
        } else {
            bytes = Vec::new();
        }
    }
    if arrived > LONGEST_BODY { Err(Problem::TooLarge { limit: LONGEST_BODY }) } else { Ok(bytes.into()) }
}
