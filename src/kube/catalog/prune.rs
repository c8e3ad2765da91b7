//! Removal of the fields that a type does not have, before an object is stored.

use serde_json::{Map, Value};

use super::schema::{Field, FieldKind};

/// The members that are among these fields, pruned in the same way. Null members count as absent; the status is left out, as
/// only the server writes it.
pub(crate) fn prune(fields: &[Field], members: &Map<String, Value>) -> Map<String, Value> {
    let mut kept = known(fields, members);
    kept.remove("status");
    kept
}

fn known(fields: &[Field], members: &Map<String, Value>) -> Map<String, Value> {
    let kept = fields.iter().filter_map(|field| {
        let value = members.get(field.name).filter(|value| !value.is_null())?;
        Some((field.name.to_owned(), within(&field.kind, value)))
    });
    kept.collect()
}

fn within(kind: &FieldKind, value: &Value) -> Value {
    match (kind, value) {
        (FieldKind::Object(fields), Value::Object(members)) => known(fields, members).into(),
        (FieldKind::List(fields), Value::Array(items)) => {
            items.iter().map(|item| item.as_object().map_or(Value::Null, |item| known(fields, item).into())).collect()
        }
        (
            FieldKind::Text
            | FieldKind::Integer
            | FieldKind::Boolean
            | FieldKind::Duration
            | FieldKind::Texts
            | FieldKind::Data(_)
            | FieldKind::Object(_)
            | FieldKind::List(_),
            _,
        ) => value.clone(),
    }
}
