//! `grantd apply`.

mod document;

use document::Document;
pub(crate) use document::read_documents;
use serde_json::{Value, json};

use crate::{
    cli::{
        args::ApplyArgs,
        error::CliError,
        files::FileLocation,
        output::{Console, printable},
        resource::{self, GRANT_KIND, Grant, is_ready},
        server::{Server, Write},
    },
    client::{AdminError, Status, StatusCause},
};

pub(crate) async fn run(args: &ApplyArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    let file = FileLocation::new(&args.file);
    let documents = read_documents(&file.read()?, &file.name(), &args.namespace.parse()?)?;
    let mut faults = Vec::new();
    for document in &documents {
        if let Err(error) = send(document, server, Write::Validate).await {
            faults.push(fault(document, error));
        }
    }
    server.print_warnings(console);
    CliError::all(faults)?;
    let mut failures = Vec::new();
    for document in documents {
        match send(&document, server, Write::Store).await {
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

/// Creates or changes the grant, or has the server validate that. Returns what was done, in kubectl's words, and the
/// resulting object.
async fn send(document: &Document, server: &Server, write: Write) -> Result<(&'static str, Grant), CliError> {
    let Document { namespace, name, .. } = document;
    let Some(before) = server.find_grant(namespace, name).await? else {
        let made = server.create_grant(namespace, &document.metadata, &document.spec, write).await?;
        return Ok(("created", resource::read(&made)?));
    };
    let before: Grant = resource::read(&before)?;
    let after: Grant = resource::read(&server.change_grant(namespace, name, &patch(document), write).await?)?;
    let same = before.metadata.resource_version == after.metadata.resource_version;
    Ok((if same { "unchanged" } else { "configured" }, after))
}

/// A patch with the fields of the document; a field that the document does not have stays unchanged.
fn patch(document: &Document) -> Value {
    let mut metadata = json!({});
    for field in ["labels", "annotations"] {
        if let Some(value) = document.metadata.get(field) {
            metadata[field] = value.clone();
        }
    }
    json!({"metadata": metadata, "spec": document.spec})
}

/// The error for a refused validation. When the server answers that the request is wrong, the document is at fault, in the
/// fields that the server names.
fn fault(document: &Document, error: CliError) -> CliError {
    let position = &document.position;
    let CliError::Admin(AdminError::Refused(Status { code: 400 | 422, causes, message, .. })) = error else {
        return CliError::Applying { position: position.clone(), cause: Box::new(error) };
    };
    if causes.is_empty() {
        // The part before this marker names the kind, which the user knows.
        let message = message.rsplit("strict decoding error: ").next().unwrap_or(&message);
        return CliError::usage(format!("{position}: {message}"));
    }
    let causes: Vec<String> = causes.iter().map(|cause| format!("{position}: {}", line(cause))).collect();
    CliError::usage(causes.join("\n"))
}

/// The message about one field. YAML reads a text without quotes as a number or boolean when it looks like one.
fn line(StatusCause { field, message, reason }: &StatusCause) -> String {
    let should_be_text = reason == "FieldValueTypeInvalid" && message.contains("must be of type string");
    format!("{field}: {message}{}", if should_be_text { "; put it in quotes" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str, causes: Vec<StatusCause>) -> CliError {
        let text = "apiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nmetadata: {name: a}\n";
        let document = read_documents(text, "f.yaml", &"west".parse().unwrap()).unwrap().remove(0);
        let status = Status { code, reason: String::new(), message: message.to_owned(), causes };
        fault(&document, CliError::Admin(AdminError::Refused(status)))
    }

    #[test]
    fn a_document_that_the_server_refuses_is_reported_with_its_position_and_fields() {
        let cause = |field: &str, reason: &str, message: &str| StatusCause {
            field: field.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        let causes = vec![
            cause("spec.issuer", "FieldValueInvalid", "Invalid value: \"A\": no"),
            cause(
                "spec.code",
                "FieldValueTypeInvalid",
                "Invalid value: \"integer\": spec.code in body must be of type string",
            ),
        ];
        assert_eq!(
            refused(422, "the whole", causes).chain(),
            "f.yaml: document 1 (line 1): spec.issuer: Invalid value: \"A\": no\n\
             f.yaml: document 1 (line 1): spec.code: Invalid value: \"integer\": spec.code in body must be of type string; \
             put it in quotes"
        );
        let unknown = refused(400, "AccessGrant ...: strict decoding error: unknown field \"spec.bogus\"", Vec::new());
        assert_eq!(unknown.chain(), "f.yaml: document 1 (line 1): unknown field \"spec.bogus\"");
        assert_eq!(unknown.exit().code(), 64);
        let away = refused(503, "try again", Vec::new());
        assert_eq!((away.chain().as_str(), away.exit().code()), ("f.yaml: document 1 (line 1): try again", 1));
    }
}
