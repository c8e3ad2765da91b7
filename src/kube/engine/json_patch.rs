//! JSON patch (RFC 6902): a list of operations on an object.

use json_patch::{
    AddOperation, CopyOperation, MoveOperation, PatchErrorKind, PatchOperation, RemoveOperation, ReplaceOperation,
    TestOperation,
    jsonptr::{Pointer, PointerBuf},
    patch_unsafe,
};
use serde_json::{Map, Value};

use crate::{
    kube::problem::{
        cause::{OperationFault, Shown},
        json,
        status::Problem,
    },
    store::footprint,
};

/// The most operations of one patch.
const MOST_OPERATIONS: usize = 1000;
/// The most that the `copy` and `move` operations of one patch may copy together, in bytes of memory: each copy can double the
/// object, so a thousand copies would need more memory than any host has.
const MOST_CARRIED: usize = 4 * 1024 * 1024;
/// What each of them counts for at least: a new member, which may be the first one of its object.
const CARRIED_AT_LEAST: usize = 1024;
/// The deepest nesting that a patch may produce, equal to that of bodies: functions that visit the whole object recurse.
const DEEPEST: usize = 128;

/// The operations of a patch, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operations(Vec<PatchOperation>);

impl Operations {
    /// Reads the operations of a body.
    ///
    /// # Errors
    /// 400 for an invalid operation, 413 for too many.
    pub(crate) fn read(items: Vec<Value>) -> Result<Self, Problem> {
        if items.len() > MOST_OPERATIONS {
            return Err(Problem::TooManyOperations { limit: MOST_OPERATIONS, found: items.len() });
        }
        let read = items.into_iter().enumerate().map(|(index, item)| {
            operation(item).map_err(|why| Problem::BadRequest(format!("operation {index} of the JSON patch {why}")))
        });
        read.collect::<Result<_, _>>().map(Self)
    }

    /// Whether the operations name the version of the object that they are for; they must not be applied to another one.
    pub(crate) fn name_a_version(&self) -> bool {
        self.0.iter().any(|operation| match operation {
            PatchOperation::Test(_)
            | PatchOperation::Replace(_)
            | PatchOperation::Add(_)
            | PatchOperation::Move(_)
            | PatchOperation::Copy(_) => {
                matches!(operation.path().as_str(), "" | "/metadata" | "/metadata/resourceVersion")
            }
            PatchOperation::Remove(_) => false,
        })
    }

    /// The object after all operations.
    ///
    /// # Errors
    /// The first operation that cannot be done; then the object is not changed.
    pub(crate) fn apply(&self, mut object: Value) -> Result<Value, OperationFault> {
        let mut carried = 0;
        for (index, operation) in self.0.iter().enumerate() {
            let done = check_size(&object, operation, &mut carried)
                .and_then(|()| patch_unsafe(&mut object, std::slice::from_ref(operation)).map_err(|e| words(&e.kind)));
            done.map_err(|why| OperationFault {
                index,
                why: format!("{} at {}: {why}", name(operation), operation.path().as_str().shown()),
            })?;
        }
        Ok(object)
    }
}

fn name(operation: &PatchOperation) -> &'static str {
    match operation {
        PatchOperation::Add(_) => "add",
        PatchOperation::Remove(_) => "remove",
        PatchOperation::Replace(_) => "replace",
        PatchOperation::Move(_) => "move",
        PatchOperation::Copy(_) => "copy",
        PatchOperation::Test(_) => "test",
    }
}

fn words(kind: &PatchErrorKind) -> &'static str {
    match kind {
        PatchErrorKind::TestFailed => "the value is another one",
        PatchErrorKind::InvalidPointer => "there is no such place",
        PatchErrorKind::InvalidFromPointer => "there is nothing at the place that \"from\" names",
        PatchErrorKind::CannotMoveInsideItself => "a value cannot be moved into itself",
        // The enum of the crate is `non_exhaustive`.
        _ => "it cannot be done",
    }
}

/// Reads one operation by hand: an error must not repeat a value, and duplicate members were refused with the body. Members
/// that the operation does not have are ignored (RFC 6902 4).
fn operation(item: Value) -> Result<PatchOperation, String> {
    let Value::Object(mut members) = item else { return Err("must be an object".to_owned()) };
    let Some(Value::String(name)) = members.remove("op") else { return Err("has no \"op\"".to_owned()) };
    let path = pointer(&mut members, "path")?;
    let read = match name.as_str() {
        "add" => PatchOperation::Add(AddOperation { path, value: value(&mut members)? }),
        "remove" => PatchOperation::Remove(RemoveOperation { path }),
        "replace" => PatchOperation::Replace(ReplaceOperation { path, value: value(&mut members)? }),
        "move" => PatchOperation::Move(MoveOperation { from: pointer(&mut members, "from")?, path }),
        "copy" => PatchOperation::Copy(CopyOperation { from: pointer(&mut members, "from")?, path }),
        "test" => PatchOperation::Test(TestOperation { path, value: value(&mut members)? }),
        other => {
            let known = "add, copy, move, remove, replace, test";
            return Err(format!("has the unknown \"op\" {}; known are {known}", other.shown()));
        }
    };
    Ok(read)
}

fn pointer(members: &mut Map<String, Value>, name: &str) -> Result<PointerBuf, String> {
    let Some(Value::String(text)) = members.remove(name) else { return Err(format!("has no {name:?}")) };
    let rule =
        "is no JSON pointer: it must be empty or begin with '/', and '~' must be followed by '0' or '1' (RFC 6901)";
    PointerBuf::parse(text.as_str()).map_err(|_| format!("has a {name:?} that {rule}"))
}

/// The member `value`, which may be null but must not be missing.
fn value(members: &mut Map<String, Value>) -> Result<Value, String> {
    members.remove("value").ok_or_else(|| "has no \"value\"".to_owned())
}

/// Refuses an operation that would nest the object too deeply, or copy too much.
fn check_size(object: &Value, operation: &PatchOperation, carried: &mut usize) -> Result<(), &'static str> {
    match operation {
        PatchOperation::Move(MoveOperation { from, path }) | PatchOperation::Copy(CopyOperation { from, path }) => {
            // The operation itself reports a path that does not exist.
            let Some(source) = object.pointer(from.as_str()) else { return Ok(()) };
            check_depth(source, path)?;
            *carried += CARRIED_AT_LEAST + footprint::of_value(source);
            if *carried > MOST_CARRIED { Err("the patch copies and moves too much") } else { Ok(()) }
        }
        // The value was in the body, whose length is limited.
        PatchOperation::Add(AddOperation { value, path })
        | PatchOperation::Replace(ReplaceOperation { value, path }) => check_depth(value, path),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => Ok(()),
    }
}

/// Refuses a value that would be nested too deeply at this path.
fn check_depth(value: &Value, path: &Pointer) -> Result<(), &'static str> {
    let depth = path.tokens().take(DEEPEST + 1).count() + json::depth(value);
    if depth > DEEPEST { Err("the object would be nested too deeply") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn operations(items: &Value) -> Result<Operations, Problem> {
        Operations::read(items.as_array().unwrap().clone())
    }

    fn apply(object: &Value, items: &Value) -> Result<Value, OperationFault> {
        operations(items).unwrap().apply(object.clone())
    }

    /// RFC 6902, appendix A.
    #[test]
    fn the_examples_of_the_rfc_hold() {
        let table = [
            (json!({"a": 1}), json!({"op": "add", "path": "/b", "value": 2}), json!({"a": 1, "b": 2})),
            (json!({"a": [1, 3]}), json!({"op": "add", "path": "/a/1", "value": 2}), json!({"a": [1, 2, 3]})),
            (json!({"a": [1]}), json!({"op": "add", "path": "/a/-", "value": [2]}), json!({"a": [1, [2]]})),
            (json!({"a": 1}), json!({"op": "add", "path": "/b", "value": null}), json!({"a": 1, "b": null})),
            (json!({"a": 1, "b": 2}), json!({"op": "remove", "path": "/b"}), json!({"a": 1})),
            (json!({"a": [1, 2, 3]}), json!({"op": "remove", "path": "/a/1"}), json!({"a": [1, 3]})),
            (json!({"a": 1}), json!({"op": "replace", "path": "/a", "value": 2, "x": 1}), json!({"a": 2})),
            (json!({"a": {"b": 1}}), json!({"op": "move", "from": "/a/b", "path": "/c"}), json!({"a": {}, "c": 1})),
            (json!({"a": [1, 2]}), json!({"op": "move", "from": "/a/0", "path": "/a/1"}), json!({"a": [2, 1]})),
            (json!({"a": 1}), json!({"op": "copy", "from": "/a", "path": "/b"}), json!({"a": 1, "b": 1})),
            (json!({"/": 9, "~1": 10}), json!({"op": "test", "path": "/~01", "value": 10}), json!({"/": 9, "~1": 10})),
        ];
        for (object, operation, after) in table {
            assert_eq!(apply(&object, &json!([operation])).unwrap(), after, "{object} {operation}");
        }
        let faults = [
            json!({"op": "test", "path": "/a", "value": "1"}),
            json!({"op": "add", "path": "/b/c", "value": 1}),
            json!({"op": "add", "path": "/l/2", "value": 1}),
            json!({"op": "add", "path": "/l/01", "value": 1}),
            json!({"op": "remove", "path": "/l/-"}),
            json!({"op": "remove", "path": ""}),
            json!({"op": "replace", "path": "/b", "value": 1}),
            json!({"op": "move", "from": "/o", "path": "/o/p"}),
            json!({"op": "copy", "from": "/b", "path": "/c"}),
        ];
        for operation in faults {
            assert!(apply(&json!({"a": 1, "l": [1], "o": {}}), &json!([operation])).is_err(), "{operation}");
        }
    }

    #[test]
    fn a_fault_names_the_place_and_no_value() {
        let nothing = json!({"op": "test", "path": "", "value": {"a": "canary"}});
        let wrong = json!({"op": "test", "path": "/a", "value": "other canary"});
        let fault = apply(&json!({"a": "canary"}), &json!([nothing, wrong])).unwrap_err();
        assert_eq!(fault, OperationFault { index: 1, why: "test at \"/a\": the value is another one".to_owned() });
    }

    #[test]
    fn an_invalid_operation_is_reported_without_its_values() {
        let table = [
            (json!("canary"), "must be an object"),
            (json!({"path": "/a"}), "has no \"op\""),
            (json!({"op": "test", "path": 1, "value": "canary"}), "has no \"path\""),
            (json!({"op": "replace", "path": "/a"}), "has no \"value\""),
            (json!({"op": "copy", "path": "/a"}), "has no \"from\""),
            (json!({"op": "remove", "path": "a"}), "has a \"path\" that is no JSON pointer"),
            (json!({"op": "remove", "path": "/~2"}), "has a \"path\" that is no JSON pointer"),
            (json!({"op": "merge", "path": "/a", "value": "canary"}), "has the unknown \"op\" \"merge\""),
        ];
        for (item, expected) in table {
            let Problem::BadRequest(message) = operations(&json!([item])).unwrap_err() else { panic!("{item}") };
            assert!(message.starts_with(&format!("operation 0 of the JSON patch {expected}")), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }

    #[test]
    fn there_are_at_most_a_thousand_operations() {
        let test = json!({"op": "test", "path": "", "value": {}});
        assert!(apply(&json!({}), &Value::from(vec![test.clone(); 1000])).is_ok());
        let problem = operations(&Value::from(vec![test; 1001])).unwrap_err();
        assert!(matches!(problem, Problem::TooManyOperations { limit: 1000, found: 1001 }));
    }

    #[test]
    fn copies_of_copies_end_before_memory_does() {
        let double = json!({"op": "copy", "from": "", "path": "/a"});
        let wide: Vec<Value> = (0..1000).map(|_| json!({"op": "copy", "from": "/l", "path": "/l/-"})).collect();
        let filled = json!({"l": ["x".repeat(1000)]});
        for patch in [Value::from(vec![double; 1000]), Value::from(wide)] {
            let fault = apply(&filled, &patch).unwrap_err();
            assert!(fault.index < 200, "{fault:?}");
        }
    }

    #[test]
    fn values_in_values_end_before_the_stack_does() {
        let nested = (0..1000).map(|depth| json!({"op": "add", "path": "/a".repeat(depth + 1), "value": {}}));
        let fault = apply(&json!({}), &Value::from(nested.collect::<Vec<_>>())).unwrap_err();
        assert_eq!(fault.index, 128);
        assert!(fault.why.ends_with("the object would be nested too deeply"), "{fault:?}");
    }

    #[test]
    fn a_patch_that_names_a_version_is_recognized() {
        let table = [
            (json!({"op": "test", "path": "/metadata/resourceVersion", "value": "1"}), true),
            (json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}), true),
            (json!({"op": "replace", "path": "/metadata", "value": {}}), true),
            (json!({"op": "remove", "path": "/metadata/resourceVersion"}), false),
            (json!({"op": "test", "path": "/metadata/uid", "value": "1"}), false),
        ];
        for (item, expected) in table {
            assert_eq!(operations(&json!([item])).unwrap().name_a_version(), expected, "{item}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<i8>().prop_map(Value::from), "[a-c]{0,2}".prop_map(Value::from)];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c/~0-2-]", inner, 0..4).prop_map(|members| json!(members)),
            ]
        })
    }

    fn any_operation() -> impl Strategy<Value = Value> {
        let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test"]);
        let path = || "(/([a-c]|~0|~1|-|[0-2]|99999999999999999999|)){0,3}";
        let likely = (op, path(), path(), any_value())
            .prop_map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}));
        prop_oneof![9 => likely, 1 => any_value()]
    }

    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        }
    }

    proptest! {
        #[test]
        fn no_patch_panics(object in any_value(), items in prop::collection::vec(any_operation(), 0..12)) {
            if let Ok(operations) = Operations::read(items)
                && let Ok(after) = operations.apply(object)
            {
                prop_assert!(depth(&after) <= DEEPEST + 1);
            }
        }

        #[test]
        fn one_operation_after_another_is_both_at_once(
            object in any_value(), first in any_operation(), second in any_operation(),
        ) {
            let read = |items: Vec<Value>| Operations::read(items).ok();
            let (one, other, both) =
                (read(vec![first.clone()]), read(vec![second.clone()]), read(vec![first, second]));
            if let (Some(one), Some(other), Some(both)) = (one, other, both) {
                let stepwise = one.apply(object.clone()).ok().and_then(|between| other.apply(between).ok());
                prop_assert_eq!(both.apply(object).ok(), stepwise);
            }
        }
    }
}
