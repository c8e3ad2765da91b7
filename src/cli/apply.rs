//! `grantd apply`.

use serde_json::{Value, json};

use super::{
    CliError,
    apply_document::{Document, read_documents},
    args::ApplyArgs,
    output::Console,
    place::Place,
    resource::{self, GRANT_KIND, Grant},
    server::Server,
};

pub(super) async fn run(args: &ApplyArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    let place = Place::new(&args.file);
    let documents = read_documents(&place.read()?, &place.name(), &args.namespace.parse()?)?;
    let mut failures = Vec::new();
    for document in documents {
        match apply(&document, server).await {
            Ok(what) => console.line(format_args!("{GRANT_KIND}/{} {what}", document.name))?,
            Err(error) => failures.push(CliError::Applying { place: document.place, cause: Box::new(error) }),
        }
    }
    CliError::all(failures)
}

/// Creates or changes the grant and says which, in kubectl's words.
async fn apply(document: &Document, server: &Server) -> Result<&'static str, CliError> {
    let Document { namespace, name, .. } = document;
    let Some(before) = server.find_grant(namespace, name).await? else {
        let mut grant = json!({"apiVersion": "skupper.io/v2alpha1", "kind": "AccessGrant"});
        grant["metadata"] = document.metadata.clone();
        grant["spec"] = document.spec.clone();
        server.create_grant(namespace, &grant).await?;
        return Ok("created");
    };
    let after = server.change_grant(namespace, name, &patch(document)).await?;
    let version = |object: &Value| resource::read::<Grant>(object).map(|grant| grant.metadata.resource_version);
    Ok(if version(&before)? == version(&after)? { "unchanged" } else { "configured" })
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
