//! `grantd apply`.

mod document;

use document::Document;
pub use document::read_documents;
use serde_json::{Value, json};

use crate::cli::{
    args::ApplyArgs,
    error::CliError,
    files::FileLocation,
    output::{Console, printable},
    resource::{self, GRANT_KIND, Grant, is_ready},
    server::Server,
};

pub async fn run(args: &ApplyArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    let place = FileLocation::new(&args.file);
    let documents = read_documents(&place.read()?, &place.name(), &args.namespace.parse()?)?;
    let mut failures = Vec::new();
    for document in documents {
        match apply(&document, server).await {
            Ok((what, grant)) => {
                console.line(format_args!("{GRANT_KIND}/{} {what}", document.name))?;
                if !is_ready(&grant.status.conditions) {
                    console.note(format_args!("It is not ready: {}", printable(&grant.status.message)));
                }
            }
            Err(error) => failures.push(CliError::Applying { position: document.position, cause: Box::new(error) }),
        }
    }
    CliError::all(failures)
}

/// Creates or changes the grant and says which, in kubectl's words, and what it is now.
async fn apply(document: &Document, server: &Server) -> Result<(&'static str, Grant), CliError> {
    let Document { namespace, name, .. } = document;
    let Some(before) = server.find_grant(namespace, name).await? else {
        let made = server.create_grant(namespace, &document.metadata, &document.spec).await?;
        return Ok(("created", resource::read(&made)?));
    };
    let before: Grant = resource::read(&before)?;
    let after: Grant = resource::read(&server.change_grant(namespace, name, &patch(document)).await?)?;
    let same = before.metadata.resource_version == after.metadata.resource_version;
    Ok((if same { "unchanged" } else { "configured" }, after))
}

/// What the document says, and nothing that it does not: a field that it leaves out stays as it is.
fn patch(document: &Document) -> Value {
    let mut metadata = json!({});
    for field in ["labels", "annotations"] {
        if let Some(value) = document.metadata.get(field) {
            metadata[field] = value.clone();
        }
    }
    json!({"metadata": metadata, "spec": document.spec})
}
