//! A request for objects of a type: the action and its options.

use serde_json::Value;

use super::{
    list::ListForm,
    options::{Effect, ListOptions, WriteOptions},
    patch::Patch,
};
use crate::{
    grant::{Namespace, Revision},
    kube::{
        catalog::resource_type::ResourceType,
        problem::{cause::shortened, status::Problem},
    },
};

/// One request for objects of a type. Names are as the client sent them, and may be invalid.
#[derive(Debug)]
pub(crate) enum Action {
    Get { namespace: Namespace, name: String },
    List { namespace: Option<Namespace>, options: ListOptions, form: ListForm },
    Create { namespace: Namespace, object: Value, options: WriteOptions },
    Update { namespace: Namespace, name: String, object: Value, options: WriteOptions },
    Patch { namespace: Namespace, name: String, patch: Patch, options: WriteOptions },
    Delete { namespace: Namespace, name: String, options: DeleteOptions },
}

/// How an object is removed. Kubernetes' other options (`propagationPolicy`, `gracePeriodSeconds`) are about
/// dependent objects and the end of processes; objects here have neither.
#[derive(Debug)]
pub(crate) struct DeleteOptions {
    pub(crate) effect: Effect,
    pub(crate) preconditions: Preconditions,
}

/// Conditions under which an object is removed.
#[derive(Debug, Default)]
pub(crate) struct Preconditions {
    pub(crate) uid: Option<String>,
    pub(crate) revision: Option<Revision>,
}

impl DeleteOptions {
    /// Reads the body of a DELETE. kubectl sends `dryRun` in the body, other clients in the query.
    ///
    /// # Errors
    /// 400 for unknown preconditions too: if one were ignored, the wrong object could be removed.
    pub(crate) fn read(body: Option<&Value>, query: Effect) -> Result<Self, Problem> {
        let member = |name: &str| body.and_then(|body| body.get(name)).filter(|value| !value.is_null());
        let malformed = |what: &str| Problem::BadRequest(format!("DeleteOptions: {what}"));

        let stages = match member("dryRun") {
            None => Vec::new(),
            Some(Value::Array(stages)) => {
                let texts = stages.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
                texts.ok_or_else(|| malformed("dryRun must be an array of strings"))?
            }
            Some(_) => return Err(malformed("dryRun must be an array of strings")),
        };
        let in_body = Effect::of_dry_run(stages)?;
        let effect = if query == Effect::DryRun { query } else { in_body };

        let mut preconditions = Preconditions::default();
        if let Some(value) = member("preconditions") {
            let Value::Object(members) = value else { return Err(malformed("preconditions must be an object")) };
            for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                let text = value.as_str().ok_or_else(|| malformed("preconditions must be strings"))?;
                match name.as_str() {
                    "uid" => preconditions.uid = Some(text.to_owned()),
                    "resourceVersion" => {
                        let revision = text.parse().map_err(|_| malformed("resourceVersion is not one of this server"));
                        preconditions.revision = Some(Revision(revision?));
                    }
                    _ => return Err(malformed("preconditions are uid and resourceVersion")),
                }
            }
        }
        Ok(Self { effect, preconditions })
    }
}

impl Preconditions {
    pub(crate) fn is_empty(&self) -> bool {
        self.uid.is_none() && self.revision.is_none()
    }

    /// Compares the conditions with the object that exists.
    ///
    /// # Errors
    /// 409 in Kubernetes' words.
    pub(crate) fn check(
        &self,
        resource: &'static ResourceType,
        name: &str,
        uid: &str,
        revision: Revision,
    ) -> Result<(), Problem> {
        let conflict = |why: String| Problem::Conflict { resource, name: name.to_owned(), why };
        if let Some(expected) = self.uid.as_deref().filter(|expected| *expected != uid) {
            let expected = shortened(expected);
            let why = format!("Precondition failed: UID in precondition: {expected}, UID in object meta: {uid}");
            return Err(conflict(why));
        }
        match self.revision {
            Some(expected) if expected != revision => Err(conflict(format!(
                "the ResourceVersion in the precondition ({expected}) does not match the ResourceVersion in record \
                 ({revision}). The object might have been modified"
            ))),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &Value) -> Result<DeleteOptions, Problem> {
        DeleteOptions::read(Some(body), Effect::Lasting)
    }

    #[test]
    fn the_options_of_a_removal_are_in_the_body() {
        let options = read(&json!({
            "kind": "DeleteOptions", "propagationPolicy": "Background", "gracePeriodSeconds": 0, "dryRun": ["All"],
            "preconditions": {"uid": "u", "resourceVersion": "7"},
        }))
        .unwrap();
        assert_eq!(options.effect, Effect::DryRun);
        assert_eq!(
            (options.preconditions.uid.as_deref(), options.preconditions.revision),
            (Some("u"), Some(Revision(7)))
        );
        assert_eq!(DeleteOptions::read(None, Effect::DryRun).unwrap().effect, Effect::DryRun);
    }

    #[test]
    fn a_precondition_that_is_not_understood_is_refused() {
        for body in [
            json!({"preconditions": {"uid": 1}}),
            json!({"preconditions": []}),
            json!({"preconditions": {"resourceVersion": "x"}}),
            json!({"preconditions": {"generation": "1"}}),
            json!({"dryRun": "All"}),
            json!({"dryRun": ["Some"]}),
        ] {
            assert!(read(&body).is_err(), "{body}");
        }
    }
}
