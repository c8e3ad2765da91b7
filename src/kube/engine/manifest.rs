//! An object as a caller writes it, checked: every fault at once, in Kubernetes' words.

use std::{collections::BTreeMap, str::FromStr};

use serde_json::Value;

use super::{
    kind::Kind,
    object_meta::{Identity, attached},
    validate::validate,
};
use crate::{
    grant::{NameError, Revision},
    kube::problem::{
        cause::Cause,
        faults::{Faults, FieldValidation},
        status::Problem,
        type_meta::{cannot_be_handled, check_type},
    },
};

/// How many characters the server adds to `generateName`.
const SUFFIX_LENGTH: usize = 8;

/// What a caller calls an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ManifestName<N> {
    /// `metadata.name`.
    Given(N),
    /// `metadata.generateName`: a beginning that makes a name with any suffix of lower-case hex digits.
    Generate(String),
}

impl<N: FromStr<Err = NameError> + Clone> ManifestName<N> {
    /// Reads a name of at most `longest` bytes; `None` when there is a fault. Too long a beginning is cut, as in
    /// Kubernetes.
    fn read(longest: usize, identity: &Identity, faults: &mut Faults) -> Option<Self> {
        match (&identity.given_name, &identity.prefix) {
            (Some(name), _) => match name.parse::<N>() {
                Ok(_) if name.len() > longest => faults.add(Cause::too_long("metadata.name", longest)),
                Ok(name) => return Some(Self::Given(name)),
                Err(error) => faults.add(Cause::invalid("metadata.name", name.as_str(), error)),
            },
            (None, Some(prefix)) => {
                let kept: String = prefix.chars().take(longest - SUFFIX_LENGTH).collect();
                match format!("{kept}{}", "0".repeat(SUFFIX_LENGTH)).parse::<N>() {
                    Ok(_) => return Some(Self::Generate(kept)),
                    Err(error) => faults.add(Cause::invalid("metadata.generateName", prefix.as_str(), error)),
                }
            }
            (None, None) => faults.add(Cause::required("metadata.name", "name or generateName is required")),
        }
        None
    }

    /// The name; a generated one is another every time.
    pub(crate) fn resolve(&self) -> N {
        match self {
            Self::Given(name) => name.clone(),
            Self::Generate(prefix) => loop {
                let random = uuid::Uuid::new_v4().simple().to_string();
                // The prefix was checked with a suffix of this alphabet and length, so the first turn ends the loop.
                if let Ok(name) = format!("{prefix}{}", &random[..SUFFIX_LENGTH]).parse() {
                    break name;
                }
            },
        }
    }
}

/// A whole object without its status, which is ours to write and is ignored where a caller wrote it.
#[derive(Debug)]
pub(crate) struct Manifest<N, W> {
    pub(crate) name: ManifestName<N>,
    pub(crate) namespace: Option<String>,
    pub(crate) uid: Option<String>,
    /// The state that the caller expects.
    pub(crate) revision: Option<Revision>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) wanted: W,
    /// For the caller, about what was dropped.
    pub(crate) warnings: Vec<String>,
}

impl<N: FromStr<Err = NameError> + Clone, W> Manifest<N, W> {
    /// Reads an object.
    ///
    /// # Errors
    /// 400 for another type, and for unknown fields when `validation` is strict; 422 with every field at fault.
    pub(crate) fn read<K>(kind: K, written: &Value, validation: FieldValidation) -> Result<Self, Problem>
    where
        K: Kind<Name = N, Wanted = W>,
    {
        let resource = kind.resource();
        check_type(resource, written)?;
        let mut faults = Faults::default();
        let members = faults.object("", Some(written)).cloned().unwrap_or_default();
        validate(&mut faults, resource, &members);
        let metadata = faults.object("metadata", members.get("metadata"));
        let identity = metadata.map(|members| Identity::read(&mut faults, members)).unwrap_or_default();
        let name = ManifestName::read(kind.longest_name(), &identity, &mut faults);
        let wanted = kind.wanted(&mut faults, &members);
        let (labels, annotations) = metadata.map(|members| attached(&mut faults, members)).unwrap_or_default();

        let warnings = faults.unknown_fields(validation);
        let warnings =
            warnings.map_err(|sentence| cannot_be_handled(resource.group_version, resource.kind, &sentence))?;
        let Identity { given_name, prefix, namespace, uid, revision } = identity;
        match (name, wanted) {
            (Some(name), Some(wanted)) if faults.causes.is_empty() => {
                Ok(Self { name, namespace, uid, revision, labels, annotations, wanted, warnings })
            }
            (_, _) => Err(Problem::Invalid {
                resource,
                name: given_name.or(prefix).unwrap_or_default(),
                causes: faults.causes,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        grant::{Allowance, GrantName},
        kube::kinds::grants::{AccessGrants, GrantWanted},
    };
    use proptest::prelude::*;
    use serde_json::json;

    fn read(metadata: &Value, spec: &Value) -> Result<Manifest<GrantName, GrantWanted>, Problem> {
        let object = json!({
            "apiVersion": "skupper.io/v2alpha1", "kind": "AccessGrant", "metadata": metadata, "spec": spec,
        });
        Manifest::read(AccessGrants, &object, FieldValidation::Strict)
    }

    fn faults(metadata: &Value, spec: &Value) -> Vec<String> {
        let Problem::Invalid { causes, .. } = read(metadata, spec).unwrap_err() else { panic!("not invalid") };
        causes.into_iter().map(|cause| cause.field).collect()
    }

    #[test]
    fn what_is_left_out_gets_skuppers_defaults() {
        for spec in [json!(null), json!({}), json!({"redemptionsAllowed": 0, "expirationWindow": "", "code": null})] {
            let manifest = read(&json!({"name": "g"}), &spec).unwrap();
            assert_eq!(
                (manifest.wanted.spec.allowed, manifest.wanted.spec.window.to_string()),
                (1, "15m0s".to_owned())
            );
            assert!(manifest.wanted.spec.code.is_none());
        }
    }

    #[test]
    fn every_fault_is_found_at_once() {
        let found = faults(
            &json!({"name": "A", "finalizers": ["x"], "ownerReferences": [{}], "labels": {"a b": "c d"}, "uid": 1}),
            &json!({"redemptionsAllowed": -1, "expirationWindow": "1d", "code": "a b", "issuer": "_", "settings": []}),
        );
        let expected = [
            "metadata.finalizers",
            "metadata.labels",
            "metadata.labels",
            "metadata.name",
            "metadata.ownerReferences",
            "metadata.uid",
            "spec.code",
            "spec.expirationWindow",
            "spec.issuer",
            "spec.redemptionsAllowed",
            "spec.settings",
        ];
        let mut found = found;
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn numbers_of_redemptions_are_whole_and_fit_an_int32() {
        let allowed = |value: Value| {
            read(&json!({"name": "g"}), &json!({"redemptionsAllowed": value})).map(|m| m.wanted.spec.allowed)
        };
        assert_eq!(allowed(json!(2_147_483_647)).unwrap(), 2_147_483_647);
        for wrong in
            [json!(-1), json!(1.5), json!(1.0), json!("1"), json!(2_147_483_648_u64), json!(u64::MAX), json!([])]
        {
            assert!(allowed(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_window_that_is_none_is_told_in_skuppers_words() {
        let Problem::Invalid { causes, .. } =
            read(&json!({"name": "g"}), &json!({"expirationWindow": "iamnotaduration"})).unwrap_err()
        else {
            panic!()
        };
        let text = r#"Invalid duration "iamnotaduration": time: invalid duration "iamnotaduration""#;
        assert_eq!(causes, [Cause::invalid_unshown("spec.expirationWindow", text)]);
        for wrong in ["0", "0s", "-1h", &"1h".repeat(40)] {
            assert!(read(&json!({"name": "g"}), &json!({"expirationWindow": wrong})).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_fault_repeats_a_code() {
        for code in [json!("canary canary"), json!(["canary"]), json!({"canary": 1})] {
            let problem = read(&json!({"name": "g"}), &json!({"code": code})).unwrap_err();
            assert!(!format!("{problem:?}").contains("canary"), "{problem:?}");
        }
    }

    #[test]
    fn unknown_fields_are_refused_told_or_dropped() {
        let object = json!({
            "apiVersion": "skupper.io/v2alpha1", "kind": "AccessGrant", "metadata": {"name": "g", "x": 1},
            "spec": {"bogus": 1}, "extra": {},
        });
        let Problem::BadRequest(message) = Manifest::read(AccessGrants, &object, FieldValidation::Strict).unwrap_err()
        else {
            panic!()
        };
        assert_eq!(
            message,
            "AccessGrant in version \"v2alpha1\" cannot be handled as a AccessGrant: strict decoding error: unknown \
             field \"extra\", unknown field \"spec.bogus\", unknown field \"metadata.x\""
        );
        assert_eq!(Manifest::read(AccessGrants, &object, FieldValidation::Warn).unwrap().warnings.len(), 3);
        assert!(Manifest::read(AccessGrants, &object, FieldValidation::Ignore).unwrap().warnings.is_empty());
    }

    #[test]
    fn a_generated_name_begins_as_asked_and_is_new_every_time() {
        let name = read(&json!({"generateName": "a-"}), &json!({})).unwrap().name;
        assert!(name.resolve().as_str().starts_with("a-"));
        assert_ne!(name.resolve(), name.resolve());
        let long = read(&json!({"generateName": "a".repeat(300)}), &json!({})).unwrap().name;
        assert_eq!(long.resolve().as_str().len(), GrantName::MAX_BYTES);
        assert_eq!(faults(&json!({"generateName": "A-"}), &json!({})), ["metadata.generateName"]);
    }

    #[test]
    fn what_is_attached_has_a_size() {
        let big = "x".repeat(256 * 1024);
        assert_eq!(faults(&json!({"name": "g", "annotations": {"a": big}}), &json!({})), ["metadata.annotations"]);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
            Just(json!("15m")),
            Just(json!("g")),
        ];
        let key =
            "name|namespace|labels|annotations|code|issuer|settings|redemptionsAllowed|expirationWindow|[a-z]{1,3}";
        leaf.prop_recursive(3, 16, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..6).prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_object_panics_and_what_is_read_is_valid(metadata in any_json(), spec in any_json()) {
            if let Ok(manifest) = read(&metadata, &spec) {
                prop_assert!(Allowance::new(manifest.wanted.spec.allowed, 0).is_ok());
                prop_assert!(!manifest.wanted.spec.window.duration().is_zero());
            }
        }
    }
}
