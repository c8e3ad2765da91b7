//! The sources of settings: flags, environment, and file.

use std::fmt::Display;

use clap::{ArgMatches, parser::ValueSource};

use super::{
    fault::{Faults, Origin, Setting},
    tree::Table,
};

/// The three sources, in the order of precedence.
pub(super) struct Sources<'a> {
    pub(super) flags: &'a ArgMatches,
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    pub(super) file: Table,
}

impl Sources<'_> {
    /// The setting with the argument's `id` or the file's `field` (dots separate tables), from the first source that has it.
    pub(super) fn find(&mut self, id: &str, field: &'static str, faults: &mut Faults) -> Option<Setting> {
        // Read also when a flag has precedence, so that the field counts as known and its form is checked.
        let from_file = self.file.text(field, faults);
        self.given(id).or(from_file)
    }

    /// The setting from a flag or the environment, if one of them has it.
    pub(super) fn given(&self, id: &str) -> Option<Setting> {
        self.flag(id).or_else(|| self.variable(id))
    }

    fn flag(&self, id: &str) -> Option<Setting> {
        // Values that clap read from the environment are ignored here and read again below, where tests can set them.
        let typed = self.flags.value_source(id) == Some(ValueSource::CommandLine);
        let values = self.flags.get_raw(id).filter(|_| typed)?;
        let text: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
        Some(Setting { text: text.join(","), origin: Origin::Flag(format!("--{}", id.replace('_', "-"))) })
    }

    fn variable(&self, id: &str) -> Option<Setting> {
        let name = format!("GRANTD_{}", id.to_uppercase());
        let text = (self.environment)(&name).filter(|text| !text.is_empty())?;
        Some(Setting { text, origin: Origin::Variable(name) })
    }

    /// The value of a setting, or its default when it is not set or not valid.
    pub(super) fn value<T, E: Display>(
        &mut self,
        id: &str,
        field: &'static str,
        default: T,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        self.optional(id, field, faults, parse).unwrap_or(default)
    }

    /// The value of a setting, if it is set.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        id: &str,
        field: &'static str,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.find(id, field, faults).and_then(|setting| faults.parse(&setting, parse))
    }
}
