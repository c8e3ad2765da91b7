//! Label selectors and field selectors, in Kubernetes' grammar: they select items of a list.
//!
//! An unknown selector is refused: if it were ignored, every item would be selected, and `kubectl wait` would report on
//! the wrong object (docs/kubernetes-api.md section 3.6).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{grant::IssuerName, kube::problem::cause::shortened};

/// The conditions that an item must fulfil to be selected.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldRequirement>,
}

/// One condition on the labels.
#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    /// Also fulfilled by an item without the label, as in Kubernetes.
    NotIn(Vec<String>),
}

/// The fields that a field selector can refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
    /// A text outside the metadata; an absent one counts as empty.
    Member(&'static str),
}

#[derive(Debug, PartialEq, Eq)]
struct FieldRequirement {
    field: Field,
    value: String,
    equal: bool,
}

impl Selector {
    /// Parses both selectors; `selectable` are the fields outside the metadata that a field selector may refer to.
    ///
    /// # Errors
    /// A sentence for the caller.
    pub(crate) fn read(
        labels: Option<&str>,
        fields: Option<&str>,
        selectable: &'static [&'static str],
    ) -> Result<Self, String> {
        let labels = labels.map(read_labels).transpose()?.unwrap_or_default();
        let fields = fields.map(|fields| read_fields(fields, selectable)).transpose()?.unwrap_or_default();
        Ok(Self { labels, fields })
    }

    /// Whether every item is selected.
    pub(crate) fn selects_all(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether the item is selected.
    pub(crate) fn selects(
        &self,
        namespace: &str,
        name: &str,
        labels: &BTreeMap<String, String>,
        members: Option<&Map<String, Value>>,
    ) -> bool {
        self.selects_place(namespace, name) && self.selects_members(members) && self.selects_labels(labels)
    }

    /// Whether these labels fulfil the conditions on labels.
    pub(crate) fn selects_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|requirement| requirement.is_met_by(labels))
    }

    /// Whether this namespace and name fulfil the conditions on them.
    pub(crate) fn selects_place(&self, namespace: &str, name: &str) -> bool {
        self.fields.iter().all(|requirement| match requirement.field {
            Field::Name => requirement.is_met_by(name),
            Field::Namespace => requirement.is_met_by(namespace),
            Field::Member(_) => true,
        })
    }

    /// Whether these members fulfil the conditions on fields outside the metadata.
    pub(crate) fn selects_members(&self, members: Option<&Map<String, Value>>) -> bool {
        self.fields.iter().all(|requirement| match requirement.field {
            Field::Name | Field::Namespace => true,
            Field::Member(name) => {
                let text = members.and_then(|members| members.get(name)).and_then(Value::as_str);
                requirement.is_met_by(text.unwrap_or_default())
            }
        })
    }
}

impl FieldRequirement {
    fn is_met_by(&self, found: &str) -> bool {
        (found == self.value) == self.equal
    }
}

impl Requirement {
    fn is_met_by(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.contains(value)),
            Test::NotIn(values) => !value.is_some_and(|value| values.contains(value)),
        }
    }
}

fn read_fields(text: &str, selectable: &'static [&'static str]) -> Result<Vec<FieldRequirement>, String> {
    text.split(',').filter(|term| !term.is_empty()).map(|term| read_field(term, selectable)).collect()
}

fn read_field(term: &str, selectable: &'static [&'static str]) -> Result<FieldRequirement, String> {
    let (field, value, equal) = split_equation(term)
        .ok_or_else(|| format!("invalid selector: {term:?}; can't understand it, expected FIELD=VALUE"))?;
    let field = match field {
        "metadata.name" => Field::Name,
        "metadata.namespace" => Field::Namespace,
        _ => match selectable.iter().find(|name| **name == field) {
            Some(name) => Field::Member(name),
            None => return Err(format!("field label not supported: {field}")),
        },
    };
    Ok(FieldRequirement { field, value: value.to_owned(), equal })
}

/// Splits at `!=`, `==` or `=`, and says whether it is an equality.
fn split_equation(term: &str) -> Option<(&str, &str, bool)> {
    let (left, right) = term.split_once('=')?;
    let (left, right, equal) = match (left.strip_suffix('!'), right.strip_prefix('=')) {
        (Some(left), _) => (left, right, false),
        (None, Some(right)) => (left, right, true),
        (None, None) => (left, right, true),
    };
    Some((left.trim(), right.trim(), equal))
}

fn read_labels(text: &str) -> Result<Vec<Requirement>, String> {
    split_outside_parentheses(text)?.into_iter().map(read_requirement).collect()
}

/// Splits at commas, except within the parentheses of a set.
fn split_outside_parentheses(text: &str) -> Result<Vec<&str>, String> {
    let mut terms = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (at, c) in text.char_indices() {
        match (c, inside) {
            ('(', false) => inside = true,
            (')', true) => inside = false,
            ('(', true) | (')', false) => return Err(not_understood(text)),
            (',', false) => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            (_, _) => {}
        }
    }
    if inside {
        return Err(not_understood(text));
    }
    terms.push(&text[start..]);
    Ok(terms)
}

fn read_requirement(term: &str) -> Result<Requirement, String> {
    let trimmed = term.trim();
    let (key, test) = if let Some((before, set)) = trimmed.split_once('(') {
        let values = set.strip_suffix(')').ok_or_else(|| not_understood(term))?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        match before.split_whitespace().collect::<Vec<_>>().as_slice() {
            [key, "in"] => (*key, Test::In(values)),
            [key, "notin"] => (*key, Test::NotIn(values)),
            _ => return Err(not_understood(term)),
        }
    } else if let Some((key, value, equal)) = split_equation(trimmed) {
        let values = vec![value.to_owned()];
        (key, if equal { Test::In(values) } else { Test::NotIn(values) })
    } else if let Some(key) = trimmed.strip_prefix('!') {
        (key.trim(), Test::Absent)
    } else {
        (trimmed, Test::Exists)
    };
    let values = match &test {
        Test::In(values) | Test::NotIn(values) => values.as_slice(),
        Test::Exists | Test::Absent => &[],
    };
    if is_label_key(key) && values.iter().all(|value| is_label_value(value)) {
        Ok(Requirement { key: key.to_owned(), test })
    } else {
        Err(not_understood(term))
    }
}

fn not_understood(text: &str) -> String {
    let shown = shortened(text);
    format!(
        "unable to parse requirement: {shown:?}: use KEY, !KEY, KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY notin (A,B)"
    )
}

/// Whether a text is the key of a label or an annotation: `name` or `prefix/name`, the prefix a DNS-1123 subdomain.
pub(crate) fn is_label_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    // Issuer names obey the same rule as prefixes: a subdomain of at most 253 bytes.
    let prefix_is_good = prefix.is_none_or(|prefix| prefix.parse::<IssuerName>().is_ok());
    prefix_is_good && !name.is_empty() && is_label_value(name)
}

/// Whether a text is the value of a label: at most 63 letters, digits, `-`, `_`, `.`, alphanumeric at both ends, or empty.
pub(crate) fn is_label_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        && bytes.first().is_none_or(u8::is_ascii_alphanumeric)
        && bytes.last().is_none_or(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Selector::read(Some(selector), None, &[]).unwrap().selects("west", "g", &labels, None)
    }

    #[test]
    fn labels_are_selected_as_in_kubernetes() {
        let table = [
            ("app=a", true),
            ("app==a", true),
            ("app=b", false),
            ("app!=a", false),
            ("app!=b", true),
            ("none!=b", true),
            ("app in (a,b)", true),
            ("app in (b, c)", false),
            ("app notin (b,c)", true),
            ("app notin (a)", false),
            ("none notin (a)", true),
            ("app", true),
            ("none", false),
            ("!app", false),
            ("! none", true),
            ("app=a,tier in (front,back),!none", true),
            ("app=a,none", false),
            ("example.com/role=x", true),
        ];
        for (selector, selected) in table {
            let labels = [("app", "a"), ("tier", "front"), ("example.com/role", "x")];
            assert_eq!(selects(selector, &labels), selected, "{selector}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for selector in ["a>1", "a in b", "a in (b", "a in (b))", "=a", ",", "a=b=c", "a b", "a in ((b))", "a=ä", "!"]
        {
            assert!(Selector::read(Some(selector), None, &[]).is_err(), "{selector}");
        }
        assert_eq!(
            Selector::read(None, Some("spec.code=x"), &["type"]).unwrap_err(),
            "field label not supported: spec.code"
        );
        assert!(Selector::read(None, Some("metadata.name"), &[]).is_err());
    }

    #[test]
    fn fields_are_the_name_and_the_namespace() {
        let table = [
            ("metadata.name=g", true),
            ("metadata.name==g,metadata.namespace=west", true),
            ("metadata.name=h", false),
            ("metadata.name!=g", false),
            ("metadata.namespace!=east", true),
        ];
        for (selector, selected) in table {
            let read = Selector::read(None, Some(selector), &[]).unwrap();
            assert_eq!(read.selects("west", "g", &BTreeMap::new(), None), selected, "{selector}");
        }
    }

    #[test]
    fn texts_beside_the_metadata_are_fields_of_the_types_that_say_so() {
        let members = json!({"type": "Opaque", "other": "x"});
        let selects = |selector: &str| {
            let read = Selector::read(None, Some(selector), &["type", "absent"]).unwrap();
            read.selects("west", "s", &BTreeMap::new(), members.as_object())
        };
        assert!(selects("type=Opaque") && selects("type!=x,metadata.name=s") && selects("absent="));
        assert!(!selects("type=x") && !selects("type!=Opaque") && !selects("type=Opaque,metadata.name=t"));
        let unknown = Selector::read(None, Some("other=x"), &["type"]);
        assert_eq!(unknown.unwrap_err(), "field label not supported: other");
    }

    proptest! {
        #[test]
        fn no_selector_panics(text in "[a-c!=<>(), ]{0,24}|.{0,40}") {
            let _ = Selector::read(Some(&text), Some(&text), &["a"]);
        }

        #[test]
        fn an_equality_and_its_negation_split_all_items(
            key in "[a-z]{1,3}", value in "[a-z]{0,2}", labels in prop::collection::btree_map("[a-z]{1,3}", "[a-z]{0,2}", 0..4)
        ) {
            let one = |text: String| Selector::read(Some(&text), None, &[]).unwrap().selects("w", "g", &labels, None);
            prop_assert_ne!(one(format!("{key}={value}")), one(format!("{key}!={value}")));
            prop_assert_ne!(one(key.clone()), one(format!("!{key}")));
        }
    }
}
