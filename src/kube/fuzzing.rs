//! Public functions for fuzzers, which cannot call private ones, and for property tests. They are not part of the program.

mod shaped;

use hyper::{
    HeaderMap,
    header::{ACCEPT, HeaderValue},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::shaped::Shaped;
use crate::{
    grant::{Allowance, GrantName, Revision},
    kube::{
        catalog::{access_grant::ACCESS_GRANTS, resource_type::ResourceType, secret::SECRETS, types::TYPES},
        engine::{
            json_patch::Operations,
            kind::Kind,
            options::Start,
            page::Continue,
            patch::{self, LONGEST_BODY, Patch},
            selector::Selector,
        },
        kinds::{
            grants::AccessGrants,
            links, links_v1alpha1,
            registry::{Behaviour, behaviour},
            sites,
            stored::{Body, Stored, StoredKind},
        },
        problem::{
            budget::most_memory,
            faults::{Faults, FieldValidation},
            json,
        },
        wire::{
            negotiation::table_form,
            options::{read_list_options, read_watch_options, read_write_options},
            protobuf,
            query::Query,
            route::Route,
        },
    },
    link::ResourceName,
    store::{ObjectContent, ObjectKey, StoredObject, footprint},
    time::Timestamp,
};

const HOUR_SECONDS: u64 = 3600;

/// Reads a body as the admin API does, as an object of each type and as a patch of itself.
pub fn body(bytes: &[u8]) {
    let Ok(object) = json::object(bytes) else { return };
    for resource in TYPES {
        read(resource, &object);
    }
    let once = merged(object.clone(), &object);
    assert_eq!(merged(once.clone(), &object), once, "the same patch again changes nothing (RFC 7386)");
}

/// Makes a long body of small values, whose structure is chosen by the bytes, and reads it as every parser of bodies does: what
/// is not refused has become no more than its length allows.
pub fn bounds(bytes: &[u8]) {
    const LONGEST: usize = 256 * 1024;
    let (times, structure) = bytes.split_first().unwrap_or((&0, &[]));
    let unit = shaped::unit(structure);
    let times = (LONGEST / (unit.len() + 1)).min(1 << (times % 18));
    let items = vec![unit.as_str(); times].join(",");
    let members: String = (0..times).map(|number| format!("\"{number:x}\":{unit},")).collect();
    for body in [format!("{{\"a\":[{items}]}}"), format!("{{{members}\"\":0}}")] {
        let Ok(value) = json::object(body.as_bytes()) else { continue };
        assert!(footprint::of_value(&value) <= most_memory(body.len()), "{} bytes", body.len());
        // A patch may add to it, but not without end.
        let copies =
            json!([{"op": "copy", "from": "", "path": "/copy"}, {"op": "copy", "from": "/copy", "path": "/again"}]);
        let patch = Patch::read("application/json-patch+json", copies.to_string().as_bytes(), SECRETS.origin);
        if let Ok(patched) = patch.map(|patch| patch.apply(value))
            && let Ok(patched) = patched
            && patch::check_length(&patched).is_ok()
        {
            assert!(footprint::of_value(&patched) <= most_memory(LONGEST_BODY));
        }
    }
    let fields: Vec<u8> = (0..times).flat_map(|number| shaped::encoded_field(number, structure)).collect();
    protobuf(&fields);
}

/// Makes an object of each type out of the bytes, reads it, shows it as a table, and patches it with another one.
pub fn objects(bytes: &[u8]) {
    let (choice, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let resource = TYPES[usize::from(*choice) % TYPES.len()];
    let mut shaped = Shaped::new(bytes);
    let (object, other) = (shaped.object(resource), shaped.object(resource));
    read(resource, &object);
    read(resource, &merged(object.clone(), &other));
    table(resource, &object);
    table(resource, &shaped.anything(0));
    let _ = AccessGrants.manifest(&shaped.anything(0), FieldValidation::Warn);
}

fn merged(mut object: Value, patch: &Value) -> Value {
    json_patch::merge(&mut object, patch);
    object
}

fn read(resource: &'static ResourceType, object: &Value) {
    let _ = patch::check_length(object);
    match behaviour(resource.id) {
        Behaviour::AccessGrants(_) => {
            if let Ok(manifest) = AccessGrants.manifest(object, FieldValidation::Ignore) {
                assert!(Allowance::new(manifest.spec.grant.allowed, 0).is_ok(), "an allowance that cannot be");
            }
        }
        Behaviour::Sites(_) => read_stored(&sites::APPLIED, object),
        Behaviour::Stored(Stored(kind)) => read_stored(kind, object),
    }
}

/// Checks that an object is shown in a form that is read back unchanged, also in the other version of the type.
fn read_stored(kind: &'static StoredKind, object: &Value) {
    let Ok(manifest) = Stored(kind).manifest(object, FieldValidation::Ignore) else { return };
    let body = manifest.spec;
    assert!((kind.check_change)(&body, &body).is_empty(), "no change is none");
    assert_eq!(again(kind, &shown(kind, &body), &body), body, "what is shown is what was written");
    if kind.object == links::STORED.object {
        assert_eq!(again(&links::STORED, &body, &body), body, "what the oldest form writes is a Link");
        let oldest = shown(&links_v1alpha1::STORED, &body);
        assert_eq!(again(&links_v1alpha1::STORED, &oldest, &body), body, "the oldest form loses nothing");
    }
}

fn shown(kind: &StoredKind, body: &Body) -> Body {
    let stored = StoredObject {
        #[expect(clippy::expect_used, reason = "both are names")]
        key: ObjectKey {
            kind: kind.object,
            namespace: "west".parse().expect("a namespace"),
            name: "a".parse().expect("a name"),
        },
        uid: Uuid::nil(),
        generation: 1,
        revision: Revision(1),
        created_at: Timestamp::from_unix_seconds(0),
        content: ObjectContent { body: body.clone(), ..ObjectContent::default() },
    };
    if std::ptr::eq(kind, &links_v1alpha1::STORED) { links_v1alpha1::shown(&stored) } else { stored.content.body }
}

/// The body that is stored when one object replaces another.
#[expect(clippy::panic, reason = "the fuzzer is to stop")]
fn again(kind: &'static StoredKind, shown: &Body, before: &Body) -> Body {
    let mut object = shown.clone();
    object.insert("apiVersion".to_owned(), kind.resource.group_version.api_version().into());
    object.insert("kind".to_owned(), kind.resource.kind.into());
    object.insert("metadata".to_owned(), json!({"name": "a"}));
    match Stored(kind).manifest(&Value::Object(object), FieldValidation::Strict) {
        Ok(manifest) => (kind.keep)(manifest.spec, before),
        Err(problem) => panic!("what is shown is refused: {problem:?}"),
    }
}

/// Checks that a table can be made from any value.
fn table(resource: &'static ResourceType, value: &Value) {
    for include in ["None", "Metadata", "Object"] {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json;as=Table;v=v1;g=meta.k8s.io"));
        let query = Query::read(&format!("includeObject={include}"));
        let form = query.and_then(|query| table_form(&headers, &query)).ok().flatten();
        for value in [value.clone(), json!({"metadata": value, "items": [value, {"items": value}]})] {
            let table = form.map(|form| form.table(resource, value, Timestamp::from_unix_seconds(0)));
            let rows = table.as_ref().and_then(|table| table["rows"].as_array()).map(Vec::as_slice).unwrap_or_default();
            let columns = resource.columns.len() + 1;
            assert!(rows.iter().all(|row| row["cells"].as_array().is_some_and(|cells| cells.len() == columns)));
        }
    }
}

/// Reads a body as a patch of each kind, and applies it to a small object.
pub fn operations(bytes: &[u8]) {
    let small = || json!({"a": [1, {"b": "c"}], "d": {}});
    if let Ok(items) = json::array(bytes)
        && let Ok(operations) = Operations::read(items)
    {
        let _ = operations.apply(small());
    }
    for resource in TYPES {
        for form in ["merge-patch+json", "json-patch+json", "strategic-merge-patch+json"] {
            if let Ok(patch) = Patch::read(&format!("application/{form}"), bytes, resource.origin) {
                let _ = (patch.names_a_version(), patch.apply(small()));
            }
        }
    }
}

/// Reads a body in protobuf as the admin API does, whole and as the fields of a Secret.
pub fn protobuf(bytes: &[u8]) {
    let _ = protobuf::object(&[b"k8s\0", bytes].concat());
    // The envelope says `v1` and `Secret`, and the number of bytes that follow.
    let length = [bytes.len() & 0x7f | 0x80, bytes.len() >> 7 & 0x7f | 0x80, bytes.len() >> 14];
    let [Ok(low), Ok(middle), Ok(high @ 0..0x80)] = length.map(u8::try_from) else { return };
    let secret = [b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12", [low, middle, high].as_slice(), bytes].concat();
    if let Ok(object) = protobuf::object(&secret) {
        assert!(footprint::of_value(&object) <= most_memory(secret.len()), "{} bytes", secret.len());
        assert_eq!((&object["apiVersion"], &object["kind"]), (&json!("v1"), &json!("Secret")));
        for resource in TYPES {
            read(resource, &object);
        }
    }
}

/// Reads a path, a query, and what a caller accepts as the admin API does.
pub fn address(path: &str, query: &str) {
    let _ = Route::read(path);
    let members = Map::new();
    let labels = Faults::default().texts("labels", None);
    if let Ok(selector) = Selector::read(Some(path), Some(query), &["type"]) {
        let _ = selector.selects(path, query, &labels, Some(&members));
    }
    if let Ok(token) = path.parse::<Continue>() {
        let again = token.to_string().parse::<Continue>();
        assert_eq!(again.as_ref(), Ok(&token), "a token that is written is read");
        let _ = token.position::<GrantName>(&ACCESS_GRANTS, None);
        let _ = token.position::<ResourceName>(&SECRETS, token.scope.as_ref());
    }
    let Ok(query) = Query::read(query) else { return };
    let _ = (query.limit(), query.wants_watch(), read_write_options(&query));
    for resource in TYPES {
        let _ = read_list_options(&query, resource.selectable);
        if let Ok(options) = read_watch_options(resource, &query) {
            assert!(!options.lasts.is_zero() && options.lasts.as_secs() <= HOUR_SECONDS, "{:?}", options.lasts);
            assert_ne!(options.start, Start::After(Revision(0)), "0 is any revision");
        }
    }
    if let Ok(accept) = HeaderValue::from_str(path) {
        let _ = table_form(&HeaderMap::from_iter([(ACCEPT, accept)]), &query);
    }
}
