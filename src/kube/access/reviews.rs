//! Reviews: questions that a caller asks about itself (`kubectl auth can-i`, `kubectl auth whoami`). Nothing is stored.

use serde_json::{Map, Value, json};

use super::{
    caller::Caller,
    review::Review,
    rights::{self, Question},
};
use crate::kube::problem::{
    faults::{Faults, FieldValidation},
    status::Problem,
    type_meta::{cannot_be_handled, check_kind},
};

/// Answers a question, with warnings about fields that were dropped. A dry run is answered in the same way, as nothing is
/// stored.
///
/// # Errors
/// 400 for an invalid question.
pub(crate) fn answer(
    review: Review,
    caller: &Caller,
    question: &Value,
    validation: FieldValidation,
) -> Result<(Value, Vec<String>), Problem> {
    check_kind(review.group_version(), review.kind(), question)?;
    let (group_version, kind) = (review.group_version(), review.kind());
    let refused = |why: &str| cannot_be_handled(group_version, kind, why);
    let mut faults = Faults::default();
    if let Value::Object(members) = question {
        faults.only("", members, &["apiVersion", "kind", "metadata", "spec", "status"]);
    }
    let spec = faults.object("spec", question.get("spec")).cloned().unwrap_or_default();
    let answered = match review {
        Review::Access => may_i(caller, &mut faults, &spec),
        Review::Rules => what_may_i(caller, &mut faults, &spec),
        Review::Myself | Review::MyselfBeta => {
            Ok((Value::Null, json!({"userInfo": {"username": caller.name(), "groups": caller.groups()}})))
        }
    };
    if let Some(cause) = faults.causes.first() {
        return Err(refused(&cause.line()));
    }
    let warnings = faults.unknown_fields(validation).map_err(|why| refused(&why))?;
    let (spec, status) = answered.map_err(refused)?;
    let mut object = json!({
        "apiVersion": group_version.api_version(), "kind": kind, "metadata": {"creationTimestamp": null}, "status": status,
    });
    if !spec.is_null() {
        object["spec"] = spec;
    }
    Ok((object, warnings))
}

/// The question as it was understood, and its answer.
type Answered = Result<(Value, Value), &'static str>;

fn may_i(caller: &Caller, faults: &mut Faults, spec: &Map<String, Value>) -> Answered {
    faults.only("spec.", spec, &["resourceAttributes", "nonResourceAttributes"]);
    let resource = faults.object("spec.resourceAttributes", spec.get("resourceAttributes"));
    let path = faults.object("spec.nonResourceAttributes", spec.get("nonResourceAttributes"));
    match (resource, path) {
        (Some(attributes), None) => {
            const NAMES: [&str; 7] = ["group", "name", "namespace", "resource", "subresource", "verb", "version"];
            let asked = texts(faults, "spec.resourceAttributes.", attributes, &NAMES);
            let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
            let (group, resource, part) = (text("group"), text("resource"), text("subresource"));
            let question = Question {
                verb: text("verb"),
                group,
                resource,
                subresource: part,
                namespace: text("namespace"),
                name: text("name"),
            };
            let allowed = rights::allows(caller, question);
            let mut status = json!({"allowed": allowed});
            if !allowed {
                status["reason"] = rights::refusal(group, resource, part).into();
            }
            Ok((json!({"resourceAttributes": asked}), status))
        }
        (None, Some(attributes)) => {
            let asked = texts(faults, "spec.nonResourceAttributes.", attributes, &["path", "verb"]);
            let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
            let allowed = rights::allows_path(caller, text("verb"), text("path"));
            Ok((json!({"nonResourceAttributes": asked}), json!({"allowed": allowed})))
        }
        (Some(_), Some(_)) | (None, None) => {
            Err("spec: exactly one of resourceAttributes and nonResourceAttributes must be specified")
        }
    }
}

/// The texts of the members with these names, as far as they are present.
fn texts(faults: &mut Faults, prefix: &str, members: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    // Label and field selectors are among the unknown fields: they can only narrow the question, and a permission here is
    // always for all objects.
    faults.only(prefix, members, names);
    let mut found = Map::new();
    for name in names {
        if let Some(text) = faults.text(&format!("{prefix}{name}"), members.get(*name)) {
            found.insert((*name).to_owned(), text.into());
        }
    }
    found
}

fn what_may_i(caller: &Caller, faults: &mut Faults, spec: &Map<String, Value>) -> Answered {
    faults.only("spec.", spec, &["namespace"]);
    let Some(namespace) = faults.text("spec.namespace", spec.get("namespace")) else {
        return Err("no namespace on request");
    };
    let rules: Vec<Value> = rights::rules(caller, namespace)
        .iter()
        .map(|rule| {
            let verbs: Vec<&str> = rule.verbs.iter().map(|verb| verb.as_str()).collect();
            let mut shown = json!({"verbs": verbs, "apiGroups": [rule.group], "resources": [rule.resource]});
            let names = rule.names(caller);
            if !names.is_empty() {
                shown["resourceNames"] = json!(names);
            }
            shown
        })
        .collect();
    let documents = json!([{"verbs": ["get"], "nonResourceURLs": rights::DOCUMENTS}]);
    let status = json!({"resourceRules": rules, "nonResourceRules": documents, "incomplete": false});
    Ok((json!({"namespace": namespace}), status))
}
