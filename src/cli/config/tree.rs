//! The configuration file as a tree with line numbers, in which every unknown field and every bad value is found.

use std::fmt::{self, Display};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

use super::fault::{Faults, Origin, Setting};

/// A value in the file. Scalars are texts, whatever type YAML gives them: a port is `55671` or `"55671"`.
#[derive(Debug)]
pub(super) enum Value {
    Nothing,
    Text(String),
    List(Vec<Spanned<Value>>),
    Table(Vec<(Spanned<String>, Spanned<Value>)>),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Table(entries))
    }
}

/// A table that is being read: fields are taken out by name, and fields left at the end are unknown.
#[derive(Debug, Default)]
pub(super) struct Table {
    path: String,
    line: u64,
    entries: Vec<Entry>,
    known: Vec<&'static str>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    line: u64,
    value: Value,
}

impl Table {
    /// The whole file. Nested tables become dotted names: `tls: {certFile: x}` is the entry `tls.certFile`.
    pub(super) fn root(value: Spanned<Value>, faults: &mut Faults) -> Self {
        let mut root = Self::new(String::new(), value, faults).unwrap_or_default();
        let mut flat = Vec::new();
        for Entry { name, line, value } in root.entries {
            match value {
                // An empty table is kept, so that an unknown one is reported.
                Value::Table(inner) if !inner.is_empty() => {
                    flat.extend(inner.into_iter().map(|(key, value)| Entry {
                        name: format!("{name}.{}", key.value),
                        line: key.referenced.line(),
                        value: value.value,
                    }));
                }
                Value::Nothing | Value::Text(_) | Value::List(_) | Value::Table(_) => {
                    flat.push(Entry { name, line, value });
                }
            }
        }
        root.entries = flat;
        root
    }

    /// The table at `path`; returns `None` and adds a fault when the value is not a table.
    pub(super) fn new(path: String, value: Spanned<Value>, faults: &mut Faults) -> Option<Self> {
        let line = value.referenced.line();
        let entries = match value.value {
            Value::Table(entries) => entries,
            Value::Nothing => Vec::new(),
            Value::Text(_) | Value::List(_) => {
                let origin = if path.is_empty() { Origin::File } else { Origin::Field { path, line } };
                faults.add(origin, "must be fields with values, such as 'name: my-site'");
                return None;
            }
        };
        let entry = |(key, value): (Spanned<String>, Spanned<Value>)| Entry {
            name: key.value,
            line: key.referenced.line(),
            value: value.value,
        };
        Some(Self { path, line, entries: entries.into_iter().map(entry).collect(), known: Vec::new() })
    }

    /// A scalar field. A field without a value counts as not set.
    pub(super) fn text(&mut self, name: &'static str, faults: &mut Faults) -> Option<Setting> {
        let entry = self.take(name)?;
        let origin = self.origin_of(name, entry.line);
        match entry.value {
            Value::Text(text) => Some(Setting { text, origin }),
            Value::Nothing => None,
            Value::List(_) | Value::Table(_) => {
                faults.add(origin, "must be a single value");
                None
            }
        }
    }

    /// The value of a required scalar field.
    pub(super) fn required<T, E: Display>(
        &mut self,
        name: &'static str,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let set = |entry: &Entry| entry.name == name && !matches!(entry.value, Value::Nothing);
        if !self.entries.iter().any(set) {
            faults.add(self.origin_of(name, self.line), "is missing");
        }
        let setting = self.text(name, faults)?;
        faults.parse(&setting, parse)
    }

    /// The value of a scalar field, or its default when it is not set.
    pub(super) fn value<T, E: Display>(
        &mut self,
        name: &'static str,
        default: T,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match self.text(name, faults) {
            Some(setting) => faults.parse(&setting, parse),
            None => Some(default),
        }
    }

    /// A list of tables, each with its path; `None` when the field is not set.
    pub(super) fn tables(&mut self, name: &'static str, faults: &mut Faults) -> Option<Vec<Table>> {
        let entry = self.take(name)?;
        let origin = self.origin_of(name, entry.line);
        match entry.value {
            Value::Nothing => None,
            Value::List(items) => {
                let path = self.path_of(name);
                let table = |(index, item)| Table::new(format!("{path}[{index}]"), item, faults);
                Some(items.into_iter().enumerate().filter_map(table).collect())
            }
            Value::Text(_) | Value::Table(_) => {
                faults.add(origin, "must be a list, each item beginning with '- '");
                None
            }
        }
    }

    /// The place of the table itself.
    pub(super) fn origin(&self) -> Origin {
        Origin::Field { path: self.path.clone(), line: self.line }
    }

    /// Adds a fault for every unknown field.
    pub(super) fn finish(self, faults: &mut Faults) {
        let mut reported = None;
        for entry in &self.entries {
            // A table in the place of a list has become dotted names.
            let list = entry.name.split_once('.').map(|(table, _)| table).filter(|table| self.known.contains(table));
            if let Some(list) = list {
                if reported.replace(list) != Some(list) {
                    faults.add(self.origin_of(list, entry.line), "must be a list, each item beginning with '- '");
                }
                continue;
            }
            let inner = format!("{}.", entry.name);
            let is_table = self.known.iter().any(|known| known.starts_with(&inner));
            let message = match entry.value {
                Value::Nothing | Value::Table(_) if is_table => continue,
                Value::Text(_) | Value::List(_) if is_table => "must be fields with values".to_owned(),
                Value::Nothing | Value::Text(_) | Value::List(_) | Value::Table(_) => {
                    format!("is not a known field; known here are {}", self.siblings(&entry.name))
                }
            };
            faults.add(self.origin_of(&entry.name, entry.line), message);
        }
    }

    /// The known fields of the table that `name` is in.
    fn siblings(&self, name: &str) -> String {
        let table = name.rsplit_once('.').map_or("", |(table, _)| table);
        let inside = |known: &&'static str| known.strip_prefix(table)?.strip_prefix('.').map(str::to_owned);
        let mut names: Vec<String> = self.known.iter().filter_map(inside).collect();
        if names.is_empty() {
            let top = |known: &&'static str| known.split('.').next().unwrap_or_default().to_owned();
            names = self.known.iter().map(top).collect();
        }
        names.sort();
        names.dedup();
        names.join(", ")
    }

    fn take(&mut self, name: &'static str) -> Option<Entry> {
        self.known.push(name);
        let index = self.entries.iter().position(|entry| entry.name == name)?;
        Some(self.entries.remove(index))
    }

    fn origin_of(&self, name: &str, line: u64) -> Origin {
        Origin::Field { path: self.path_of(name), line }
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
