//! The documents of `grantd apply`: the AccessGrants in a file, and their positions.

use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use crate::{
    cli::{error::CliError, output::DocumentPosition, resource::API_VERSION},
    grant::{GrantName, Namespace},
};

/// A document of kind AccessGrant with a name. Labels, annotations and spec are as in the file; the server validates them.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) position: DocumentPosition,
    pub(crate) namespace: Namespace,
    pub(crate) name: GrantName,
    pub(crate) metadata: Value,
    pub(crate) spec: Value,
}

/// Reads all documents; empty ones are skipped.
pub(crate) fn read_documents(text: &str, file: &str, namespace: &Namespace) -> Result<Vec<Document>, CliError> {
    let (mut documents, mut faults) = (Vec::new(), Vec::new());
    for (index, (line, value)) in parse(text, file)?.into_iter().enumerate() {
        let position = DocumentPosition { file: file.to_owned(), number: index + 1, line };
        match read(value, position.clone(), namespace) {
            Ok(document) => documents.push(document),
            Err(fault) => faults.push(CliError::usage(format!("{position}: {fault}"))),
        }
    }
    CliError::all(faults)?;
    if documents.is_empty() {
        return Err(CliError::usage(format!("{file} holds no document; expected an AccessGrant")));
    }
    Ok(documents)
}

/// The values of the documents, each with the line where it begins. No error quotes the text, which may contain a code.
fn parse(text: &str, file: &str) -> Result<Vec<(u64, Value)>, CliError> {
    if text.trim_start().starts_with('{')
        && let Some(values) = parse_json(text)
    {
        return Ok(values);
    }
    let options = serde_saphyr::options! { with_snippet: false };
    match serde_saphyr::from_multiple_with_options::<Spanned<Value>>(text, options) {
        Ok(values) => {
            let values = values.into_iter().map(|value| (value.referenced.line(), value.value));
            Ok(values.filter(|(_, value)| !value.is_null()).collect())
        }
        Err(error) => {
            let at = error.location().map(|at| format!("line {}, column {}: ", at.line(), at.column()));
            let at = at.unwrap_or_default();
            Err(CliError::usage(format!("{file}: {at}this is neither YAML nor JSON that can be read")))
        }
    }
}

/// Reads several JSON documents, which are not a valid YAML stream. `None` when the text is something else.
fn parse_json(text: &str) -> Option<Vec<(u64, Value)>> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut values = Vec::new();
    loop {
        let rest = &text[stream.byte_offset()..];
        let start = text.len() - rest.trim_start().len();
        match stream.next() {
            None => return Some(values),
            Some(Ok(value)) => values.push((text[..start].matches('\n').count() as u64 + 1, value)),
            Some(Err(_)) => return None,
        }
    }
}

fn read(value: Value, position: DocumentPosition, default: &Namespace) -> Result<Document, String> {
    let Value::Object(mut fields) = value else { return Err("must be an object of kind AccessGrant".to_owned()) };
    let (version, kind) = (text_of(&fields, "apiVersion"), text_of(&fields, "kind"));
    if (version, kind) != (Some(API_VERSION), Some("AccessGrant")) {
        let (version, kind) = (version.unwrap_or("no apiVersion"), kind.unwrap_or("no kind"));
        return Err(format!("is {kind} ({version}); grantd apply takes AccessGrant ({API_VERSION})"));
    }
    let Some(Value::Object(mut metadata)) = fields.remove("metadata") else {
        return Err("metadata must be there, with a name".to_owned());
    };
    let name = text_of(&metadata, "name").ok_or("metadata.name must be there, as text")?;
    let name = name.parse().map_err(|error| format!("metadata.name {error}"))?;
    let namespace = match metadata.get("namespace") {
        None | Some(Value::Null) => default.clone(),
        Some(Value::String(text)) => text.parse().map_err(|error| format!("metadata.namespace {error}"))?,
        Some(_) => return Err("metadata.namespace must be text".to_owned()),
    };
    // Fields that only the server sets are left out, so that the output of 'grantd grant show -o yaml' can be applied again.
    metadata.retain(|field, _| ["name", "labels", "annotations"].contains(&field.as_str()));
    metadata.insert("namespace".to_owned(), namespace.as_str().into());
    let spec = match fields.remove("spec") {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(spec) => spec,
    };
    fields.retain(|field, _| !["apiVersion", "kind", "status"].contains(&field.as_str()));
    if let Some(unknown) = fields.keys().next() {
        return Err(format!("{unknown} is not a field of an AccessGrant; those are metadata and spec"));
    }
    Ok(Document { position, namespace, name, metadata: Value::Object(metadata), spec })
}

fn text_of<'a>(fields: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    fields.get(field).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str =
        "apiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nmetadata: {name: a}\nspec: {redemptionsAllowed: 2}\n";

    fn documents(text: &str) -> Result<Vec<Document>, CliError> {
        read_documents(text, "f.yaml", &"west".parse().unwrap())
    }

    fn fault(text: &str) -> String {
        documents(text).unwrap_err().chain()
    }

    #[test]
    fn documents_are_read_from_yaml_and_json() {
        let json =
            r#"{"apiVersion":"skupper.io/v2alpha1","kind":"AccessGrant","metadata":{"name":"b","namespace":"east"}}"#;
        for text in
            [format!("---\n{GOOD}---\n{json}\n---\n"), format!("{json}\n{json}\n"), format!("# two\n{GOOD}---\n{GOOD}")]
        {
            assert_eq!(documents(&text).unwrap().len(), 2, "{text}");
        }
        let documents = documents(&format!("{json}\n\n{json}")).unwrap();
        assert_eq!((documents[1].position.line, documents[1].namespace.as_str()), (3, "east"));
        assert_eq!(documents[0].spec, serde_json::json!({}));
    }

    #[test]
    fn what_the_server_decides_is_left_out() {
        let text = "apiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nstatus: {code: x}\nmetadata: {name: a, uid: u, \
                    resourceVersion: '7', labels: {k: v}}\n";
        let document = documents(text).unwrap().remove(0);
        assert_eq!(document.metadata, serde_json::json!({"name": "a", "namespace": "west", "labels": {"k": "v"}}));
    }

    #[test]
    fn a_fault_names_file_document_and_line() {
        let second = |text: &str| fault(&format!("{GOOD}---\n{text}"));
        let position = "f.yaml: document 2 (line 6): ";
        let table = [
            ("kind: Secret\napiVersion: v1\n", "is Secret (v1); grantd apply takes AccessGrant (skupper.io/v2alpha1)"),
            ("a: b\n", "is no kind (no apiVersion); grantd apply takes AccessGrant (skupper.io/v2alpha1)"),
            ("- a\n", "must be an object of kind AccessGrant"),
        ];
        for (text, message) in table {
            assert_eq!(second(text), format!("{position}{message}"));
        }
        let changed = |from: &str, to: &str| second(&GOOD.replace(from, to));
        let table = [
            ("{name: a}", "{}", "metadata.name must be there, as text"),
            ("{name: a}", "{name: a, namespace: 7}", "metadata.namespace must be text"),
            ("spec:", "specs:", "specs is not a field of an AccessGrant; those are metadata and spec"),
        ];
        for (from, to, message) in table {
            assert_eq!(changed(from, to), format!("{position}{message}"));
        }
        assert!(
            changed("name: a", "name: A").starts_with(&format!("{position}metadata.name must consist of lower case"))
        );
    }

    #[test]
    fn every_bad_document_is_reported_at_once() {
        let error = documents("kind: A\n---\nkind: B\n").unwrap_err();
        let CliError::Several(errors) = error else { panic!("{error:?}") };
        assert_eq!(errors.len(), 2);
    }

    #[test]
    fn an_empty_file_and_a_broken_one_are_reported_without_quoting_them() {
        assert_eq!(fault(""), "f.yaml holds no document; expected an AccessGrant");
        assert_eq!(
            fault("a: b\ncanary: [\n"),
            "f.yaml: line 2, column 9: this is neither YAML nor JSON that can be read"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}|[{}\\[\\]:\" \n-]{0,40}") {
            let _ = documents(&text);
        }
    }
}
