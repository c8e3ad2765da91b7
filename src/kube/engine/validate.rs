//! Compares an object from a caller with the fields of the type table: unknown fields, missing fields, and wrong types.

use serde_json::{Map, Value};

use crate::kube::{
    catalog::{
        resource_type::ResourceType,
        schema::{Field, FieldKind, Presence},
    },
    problem::{
        cause::{Cause, keyed},
        faults::Faults,
    },
};

/// The members that every object has, whatever its type.
const OF_EVERY_TYPE: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Adds a fault for each field that is unknown, missing, or of another type than the table says. The `status`, which only
/// the server writes, is not checked.
pub(crate) fn validate(faults: &mut Faults, resource: &ResourceType, members: &Map<String, Value>) {
    let known: Vec<&str> = OF_EVERY_TYPE.into_iter().chain(resource.fields.iter().map(|field| field.name)).collect();
    faults.only("", members, &known);
    for field in resource.fields.iter().filter(|field| field.name != "status") {
        check(faults, field.name, field, members.get(field.name));
    }
}

fn check(faults: &mut Faults, path: &str, field: &Field, value: Option<&Value>) {
    // Null counts as absent everywhere, as clients write it for fields that are not set. The empty text does too, as Go's
    // clients do not send it.
    let absent = match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(_) | Value::Object(_) | Value::Bool(_) | Value::Number(_)) => false,
    };
    if let (Presence::Required, true) = (field.presence, absent) {
        faults.add(Cause::required(path, "must be given"));
        return;
    }
    let Some(value) = value.filter(|value| !value.is_null()) else { return };
    match &field.kind {
        FieldKind::Text | FieldKind::Duration => {
            let _ = faults.text(path, Some(value));
        }
        FieldKind::Integer if value.is_u64() || value.is_i64() => {}
        FieldKind::Integer => faults.add(Cause::wrong_type(path, value, "integer")),
        FieldKind::Boolean if value.is_boolean() => {}
        FieldKind::Boolean => faults.add(Cause::wrong_type(path, value, "boolean")),
        FieldKind::Texts => {
            let _ = faults.texts(path, Some(value));
        }
        FieldKind::Data(_) => {
            for (key, value) in faults.object(path, Some(value)).into_iter().flatten() {
                if !value.is_string() && !value.is_null() {
                    faults.add(Cause::wrong_type(&keyed(path, key), value, "string"));
                }
            }
        }
        FieldKind::Object(fields) => {
            if let Some(members) = faults.object(path, Some(value)) {
                check_members(faults, path, fields, members);
            }
        }
        FieldKind::List(fields) => match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    // A field that is null counts as absent, but an item of a list that is null is an item.
                    match item {
                        Value::Object(members) => check_members(faults, &path, fields, members),
                        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                            faults.add(Cause::wrong_type(&path, item, "object"));
                        }
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                faults.add(Cause::wrong_type(path, value, "array"));
            }
        },
    }
}

fn check_members(faults: &mut Faults, path: &str, fields: &'static [Field], members: &Map<String, Value>) {
    let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
    faults.only(&format!("{path}."), members, &known);
    for field in fields {
        check(faults, &format!("{path}.{}", field.name), field, members.get(field.name));
    }
}
