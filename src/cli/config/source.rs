//! Where a setting comes from: a flag, else the environment, else the file.

use std::{fmt, fmt::Display};

use clap::{ArgMatches, parser::ValueSource};

use super::tree::Table;

/// The place to which a fault sends its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `--listen`.
    Flag(String),
    /// `GRANTD_LISTEN`.
    Variable(String),
    /// A field of the file, as in `sites[1].endpoints[0].port`.
    Field {
        /// Its path from the top.
        path: String,
        /// Its line, from 1.
        line: u64,
    },
    /// Nobody set it; the default does not fit this machine.
    Default(String),
    /// The file as a whole.
    File,
}

impl Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) | Self::Default(name) => f.write_str(name),
            Self::Field { path, line } => write!(f, "line {line}: {path}"),
            Self::File => f.write_str("--config"),
        }
    }
}

/// One thing that is wrong, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it was set.
    pub origin: Origin,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// A setting that somebody set, not yet judged.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// All that is wrong so far. Judging goes on after a fault, so that its reader has to come back only once.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, origin: Origin, message: impl Into<String>) {
        self.0.push(Fault { origin, message: message.into() });
    }

    /// The setting's value, or nothing and a fault.
    pub(super) fn judge<T, E: Display>(
        &mut self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(&setting.text)
            .map_err(|error| self.add(setting.origin.clone(), format!("{error}; got {:?}", setting.text)))
            .ok()
    }
}

/// The three places, in their order of precedence.
pub(super) struct Sources<'a> {
    pub(super) flags: &'a ArgMatches,
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    pub(super) file: Table,
}

impl Sources<'_> {
    /// The setting with the argument's `id` or the file's `field` (dots lead into tables), wherever it is set first.
    pub(super) fn find(&mut self, id: &str, field: &'static str, faults: &mut Faults) -> Option<Setting> {
        // The field counts as known, and is checked for its shape, also when a flag wins.
        let from_file = self.file.text(field, faults);
        self.given(id).or(from_file)
    }

    /// The setting, when a flag or the environment has it.
    pub(super) fn given(&self, id: &str) -> Option<Setting> {
        self.flag(id).or_else(|| self.variable(id))
    }

    fn flag(&self, id: &str) -> Option<Setting> {
        // What clap takes from the environment itself, for its help, is read again below, where tests can set it.
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

    /// The value of a setting, its default when nobody set it, and also when it has a fault.
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

    /// The value of a setting, when somebody set it.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        id: &str,
        field: &'static str,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.find(id, field, faults).and_then(|setting| faults.judge(&setting, parse))
    }
}
