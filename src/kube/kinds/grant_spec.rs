//! The spec of an AccessGrant as a caller writes it (protocol.md 4.1).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    app::GrantSpec,
    grant::{Allowance, AllowanceError, Code, ExpirationWindow, IssuerName, WindowError},
    kube::problem::{
        cause::Cause,
        faults::{Faults, text},
    },
};

/// More than the longest duration anybody means, so that a stored text has a bound.
const LONGEST_WINDOW: usize = 64;

/// The spec, `None` when a fault was found, and its settings. The types of the fields are checked already.
pub(crate) fn read_spec(
    faults: &mut Faults,
    members: &Map<String, Value>,
) -> (Option<GrantSpec>, BTreeMap<String, String>) {
    let settings = members.get("settings").map(|settings| faults.texts("spec.settings", Some(settings)));
    let allowed = redemptions_allowed(faults, members.get("redemptionsAllowed"));
    let window = expiration_window(faults, text(members, "expirationWindow"));
    let code = text(members, "code").map(str::parse::<Code>).transpose();
    let code = code.map_err(|error| faults.add(Cause::invalid_unshown("spec.code", format!("Invalid value: {error}"))));
    let issuer = text(members, "issuer")
        .map(|text| text.parse::<IssuerName>().map_err(|error| faults.add(Cause::invalid("spec.issuer", text, error))));
    let spec = match (allowed, window, code, issuer.transpose()) {
        (Some(allowed), Some(window), Ok(code), Ok(issuer)) => Some(GrantSpec { allowed, window, code, issuer }),
        (_, _, _, _) => None,
    };
    (spec, settings.unwrap_or_default())
}

/// Absent and 0 are 1, as Skupper writes it back since 2.2.
fn redemptions_allowed(faults: &mut Faults, value: Option<&Value>) -> Option<u32> {
    const FIELD: &str = "spec.redemptionsAllowed";
    let Some(Value::Number(number)) = value else { return Some(1) };
    let rule = match number.as_u64() {
        Some(0) => return Some(1),
        Some(allowed) => match u32::try_from(allowed).ok().filter(|allowed| *allowed <= Allowance::MAX) {
            Some(allowed) => return Some(allowed),
            None => AllowanceError::TooMany,
        },
        None => AllowanceError::Zero,
    };
    faults.add(Cause::invalid(FIELD, number, rule));
    None
}

/// Absent is the default. The text of a fault is Skupper's, since it is what users know (protocol.md 4.1).
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
