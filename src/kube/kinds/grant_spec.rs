//! The spec of an AccessGrant: parsing, and conversion to JSON (docs/protocol.md section 4.1).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    app::GrantSpec,
    grant::{
        Allowance, AllowanceError, Code, CodeOrigin, ExpirationWindow, Grant, GrantMetadata, GrantName, IssuerName,
        WindowError,
    },
    kube::{
        catalog::access_grant::DEFAULT_REDEMPTIONS_ALLOWED,
        engine::manifest::Manifest,
        problem::{
            cause::Cause,
            faults::{Faults, text},
        },
    },
};

/// The most bytes of a duration: longer than any useful one, so that the stored text is limited.
const LONGEST_WINDOW: usize = 64;

/// What a caller wants a grant to be.
#[derive(Debug, Clone)]
pub(crate) struct AccessGrantSpec {
    pub(crate) grant: GrantSpec,
    /// `spec.settings`.
    pub(crate) settings: BTreeMap<String, String>,
}

impl AccessGrantSpec {
    /// The spec of a stored grant. A code that was generated is in the status only.
    pub(crate) fn of(grant: &Grant) -> Self {
        let code = match grant.code_origin {
            CodeOrigin::Given => Some(grant.code.clone()),
            CodeOrigin::Generated => None,
        };
        let (window, issuer) = (grant.window.clone(), grant.issuer.clone());
        let settings = grant.metadata.settings.clone();
        Self { grant: GrantSpec { allowed: grant.allowance.allowed(), window, code, issuer }, settings }
    }

    /// The spec as JSON.
    pub(crate) fn object(&self) -> Value {
        let Self { grant: GrantSpec { allowed, window, code, issuer }, settings } = self;
        let mut spec = json!({"redemptionsAllowed": allowed, "expirationWindow": window.to_string()});
        if let Some(code) = code {
            spec["code"] = code.expose().into();
        }
        if let Some(issuer) = issuer {
            spec["issuer"] = issuer.as_str().into();
        }
        if !settings.is_empty() {
            spec["settings"] = json!(settings);
        }
        spec
    }
}

/// The labels, annotations and settings of the grant.
pub(crate) fn attached(manifest: &Manifest<GrantName, AccessGrantSpec>) -> GrantMetadata {
    let Manifest { labels, annotations, spec: AccessGrantSpec { settings, .. }, .. } = manifest;
    GrantMetadata { labels: labels.clone(), annotations: annotations.clone(), settings: settings.clone() }
}

/// Parses a spec whose fields have the right types; `None` when a fault was found.
pub(crate) fn read_spec(faults: &mut Faults, members: &Map<String, Value>) -> Option<AccessGrantSpec> {
    let settings = members.get("settings").map(|settings| faults.texts("spec.settings", Some(settings)));
    let allowed = redemptions_allowed(faults, members.get("redemptionsAllowed"));
    let window = expiration_window(faults, text(members, "expirationWindow"));
    let code = text(members, "code").map(str::parse::<Code>).transpose();
    let code = code.map_err(|error| faults.add(Cause::invalid_unshown("spec.code", format!("Invalid value: {error}"))));
    let issuer = text(members, "issuer")
        .map(|text| text.parse::<IssuerName>().map_err(|error| faults.add(Cause::invalid("spec.issuer", text, error))));
    match (allowed, window, code, issuer.transpose()) {
        (Some(allowed), Some(window), Ok(code), Ok(issuer)) => {
            let grant = GrantSpec { allowed, window, code, issuer };
            Some(AccessGrantSpec { grant, settings: settings.unwrap_or_default() })
        }
        (_, _, _, _) => None,
    }
}

/// Absent and 0 mean the default, which is also what Skupper writes into the spec since 2.2.
fn redemptions_allowed(faults: &mut Faults, value: Option<&Value>) -> Option<u32> {
    const FIELD: &str = "spec.redemptionsAllowed";
    let Some(Value::Number(number)) = value else { return Some(DEFAULT_REDEMPTIONS_ALLOWED) };
    let rule = match number.as_u64() {
        Some(0) => return Some(DEFAULT_REDEMPTIONS_ALLOWED),
        Some(allowed) => match u32::try_from(allowed).ok().filter(|allowed| *allowed <= Allowance::MAX) {
            Some(allowed) => return Some(allowed),
            None => AllowanceError::TooMany,
        },
        None => AllowanceError::Zero,
    };
    faults.add(Cause::invalid(FIELD, number, rule));
    None
}

/// Absent means the default. The text of a fault is Skupper's, which users know (docs/protocol.md section 4.1).
fn expiration_window(faults: &mut Faults, text: Option<&str>) -> Option<ExpirationWindow> {
    const FIELD: &str = "spec.expirationWindow";
    let Some(text) = text else { return Some(ExpirationWindow::default()) };
    if text.len() > LONGEST_WINDOW {
        faults.add(Cause::too_long(FIELD, LONGEST_WINDOW));
        return None;
    }
    match text.parse() {
        Ok(window) => Some(window),
        Err(WindowError::NotADuration(error)) => {
            faults.add(Cause::invalid_unshown(FIELD, format!("Invalid duration {text:?}: time: {error}")));
            None
        }
        Err(error @ WindowError::NotPositive) => {
            faults.add(Cause::invalid(FIELD, text, error));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::{
        engine::kind::Kind,
        kinds::grants::AccessGrants,
        problem::{faults::FieldValidation, status::Problem},
    };
    use proptest::prelude::*;

    fn read(metadata: &Value, spec: &Value) -> Result<Manifest<GrantName, AccessGrantSpec>, Problem> {
        let object = json!({
            "apiVersion": "skupper.io/v2alpha1", "kind": "AccessGrant", "metadata": metadata, "spec": spec,
        });
        AccessGrants.manifest(&object, FieldValidation::Strict)
    }

    fn faults(metadata: &Value, spec: &Value) -> Vec<String> {
        let Problem::Invalid { causes, .. } = read(metadata, spec).unwrap_err() else { panic!("not invalid") };
        causes.into_iter().map(|cause| cause.field).collect()
    }

    #[test]
    fn what_is_left_out_gets_skuppers_defaults() {
        for spec in [json!(null), json!({}), json!({"redemptionsAllowed": 0, "expirationWindow": "", "code": null})] {
            let manifest = read(&json!({"name": "g"}), &spec).unwrap();
            assert_eq!((manifest.spec.grant.allowed, manifest.spec.grant.window.to_string()), (1, "15m0s".to_owned()));
            assert!(manifest.spec.grant.code.is_none());
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
            read(&json!({"name": "g"}), &json!({"redemptionsAllowed": value})).map(|m| m.spec.grant.allowed)
        };
        assert_eq!(allowed(json!(2_147_483_647)).unwrap(), 2_147_483_647);
        for wrong in
            [json!(-1), json!(1.5), json!(1.0), json!("1"), json!(2_147_483_648_u64), json!(u64::MAX), json!([])]
        {
            assert!(allowed(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_invalid_window_is_reported_in_skuppers_words() {
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
    fn unknown_fields_are_refused_warned_about_or_dropped() {
        let object = json!({
            "apiVersion": "skupper.io/v2alpha1", "kind": "AccessGrant", "metadata": {"name": "g", "x": 1},
            "spec": {"bogus": 1}, "extra": {},
        });
        let Problem::BadRequest(message) = AccessGrants.manifest(&object, FieldValidation::Strict).unwrap_err() else {
            panic!()
        };
        assert_eq!(
            message,
            "AccessGrant in version \"v2alpha1\" cannot be handled as a AccessGrant: strict decoding error: unknown \
             field \"extra\", unknown field \"spec.bogus\", unknown field \"metadata.x\""
        );
        assert_eq!(AccessGrants.manifest(&object, FieldValidation::Warn).unwrap().warnings.len(), 3);
        assert!(AccessGrants.manifest(&object, FieldValidation::Ignore).unwrap().warnings.is_empty());
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
                prop_assert!(Allowance::new(manifest.spec.grant.allowed, 0).is_ok());
                prop_assert!(!manifest.spec.grant.window.duration().is_zero());
            }
        }
    }
}
