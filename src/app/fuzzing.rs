//! Entry points for fuzzers, which reach public items only, and for property tests. Not part of the program.

use serde_json::Value;
use uuid::Uuid;

use super::{
    conditions::{Basis, State, aggregate, state_in},
    links::{credentials, endpoint},
    tokens::spec,
};
use crate::{
    grant::Revision,
    link::{EndpointName, TlsSecret},
    store::{ObjectContent, ObjectKey, ObjectKind, StoredObject},
    time::Timestamp,
};

/// Reads an object as every controller does, whatever is in it; answers the credentials, if it holds any.
pub fn controllers(content: ObjectContent) -> Option<TlsSecret> {
    #[expect(clippy::expect_used, reason = "both are names")]
    let key = ObjectKey {
        kind: ObjectKind::Link,
        namespace: "west".parse().expect("a namespace"),
        name: "a".parse().expect("a name"),
    };
    let now = Timestamp::from_unix_seconds(0);
    let object = StoredObject { key, uid: Uuid::nil(), generation: 1, revision: Revision(1), created_at: now, content };
    if let Ok(token) = spec::read(&object) {
        assert!(!token.url.is_empty() && !token.ca.is_empty() && token.link_cost != Some(0));
    }
    if let Ok((endpoint, _)) = endpoint::choose(&object) {
        assert!(matches!(endpoint.name, EndpointName::InterRouter | EndpointName::Edge));
    }
    status(object.content.body.get("status"));
    let secret = credentials::read(&object).ok()?;
    assert!(secret.certificate_pem.contains("-----BEGIN CERTIFICATE-----"));
    Some(secret)
}

/// A status that is written is read back, whatever the status before was.
fn status(before: Option<&Value>) {
    let before_state = state_in(before, "Operational");
    let basis = Basis { before, generation: 1, now: Timestamp::from_unix_seconds(0) };
    for state in [State::Ready, State::Error("a".to_owned()), aggregate(&[("Operational", before_state)])] {
        let written = Value::Object(basis.status(&[("Operational", Some(state.clone()))], &state));
        assert_eq!(state_in(Some(&written), "Operational"), Some(state), "a status that is written is read");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_json() -> impl Strategy<Value = Value> {
        let word = "inter-router|edge|Operational|True|Ready|Error|Pending|55671|a|YQ==|LS0tLS1CRUdJTiA=|.{0,6}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            word.prop_map(Value::from),
        ];
        let key = "name|host|port|group|endpoints|tlsCredentials|url|ca|code|linkCost|conditions|type|status|reason|\
                   message|lastTransitionTime|tls\\.crt|tls\\.key|ca\\.crt";
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..8).prop_map(|members| json!(members)),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_stored_object_breaks_a_controller(spec in any_json(), status in any_json(), data in any_json()) {
            let body = [("spec", spec), ("status", status), ("data", data)];
            let body = body.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let _ = controllers(ObjectContent { body, ..ObjectContent::default() });
        }
    }
}
