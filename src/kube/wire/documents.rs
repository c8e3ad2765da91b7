//! Answers with the documents of discovery.

use hyper::{StatusCode, body::Bytes};

use super::{
    query::Query,
    reply::{Body, Keep, Reply},
};
use crate::kube::{
    catalog::{
        discovery::{self, Content},
        document::Document,
        openapi::OpenApiDocument,
    },
    problem::status::Problem,
};

/// The answer with this document.
///
/// # Errors
/// 400 for a query that cannot be understood; 404 for a version without types.
pub(crate) fn document(document: Document, query: &Query) -> Result<Reply, Problem> {
    match discovery::content(document).ok_or(Problem::NoSuchPath)? {
        Content::Json(object) => Ok(Reply::ok(object)),
        Content::OpenApi(document) => open_api(document, query),
        Content::OpenApiV2 => Ok(Reply::new(StatusCode::OK, Body::EmptyProtobuf)),
    }
}

/// A client that names the hash of the index may keep the document. A wrong hash is answered with the document as it is now.
fn open_api(document: &'static OpenApiDocument, query: &Query) -> Result<Reply, Problem> {
    let keep = if query.one("hash")? == Some(document.hash.as_str()) { Keep::Forever } else { Keep::Never };
    let text = Bytes::from_static(document.text.as_bytes());
    Ok(Reply { keep, ..Reply::new(StatusCode::OK, Body::Written(text)) })
}
