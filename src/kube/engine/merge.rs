//! JSON merge patch (RFC 7386).

use serde_json::{Map, Value};

/// `target` with `patch` applied: objects merge member by member, null removes, everything else replaces.
///
/// Recurses as deep as the patch does; the reader of bodies bounds that.
pub(crate) fn merge(target: Value, patch: Value) -> Value {
    let Value::Object(changes) = patch else { return patch };
    let mut merged = match target {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    for (name, change) in changes {
        if change.is_null() {
            merged.remove(&name);
        } else {
            let before = merged.remove(&name).unwrap_or(Value::Null);
            merged.insert(name, merge(before, change));
        }
    }
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// RFC 7386, appendix A.
    #[test]
    fn the_examples_of_the_rfc_hold() {
        let table = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (target, patch, merged) in table {
            assert_eq!(merge(target.clone(), patch.clone()), merged, "{target} + {patch}");
        }
    }

    fn json_values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn holds_null(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Object(members) => members.values().any(holds_null),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
        }
    }

    proptest! {
        #[test]
        fn applying_a_patch_twice_is_applying_it_once(target in json_values(), patch in json_values()) {
            let once = merge(target, patch.clone());
            prop_assert_eq!(merge(once.clone(), patch), once);
        }

        #[test]
        fn the_empty_patch_changes_no_object(members in prop::collection::btree_map("[a-d]", json_values(), 0..4)) {
            let target = Value::Object(members.into_iter().collect());
            prop_assert_eq!(merge(target.clone(), json!({})), target);
        }

        #[test]
        fn a_patch_that_removes_nothing_shows_in_the_result(target in json_values(), patch in json_values()) {
            prop_assume!(!holds_null(&patch));
            // Merging the patch into its own result changes nothing, and into nothing gives the patch itself.
            prop_assert_eq!(merge(Value::Null, patch.clone()), patch.clone());
            prop_assert_eq!(merge(merge(target.clone(), patch.clone()), patch.clone()), merge(target, patch));
        }

        #[test]
        fn members_the_patch_does_not_name_stay(target in json_values(), patch in json_values()) {
            if let (Value::Object(before), Value::Object(changes)) = (&target, &patch) {
                let after = merge(target.clone(), patch.clone());
                for (name, value) in before.iter().filter(|(name, _)| !changes.contains_key(*name)) {
                    prop_assert_eq!(after.get(name), Some(value));
                }
            }
        }
    }
}
