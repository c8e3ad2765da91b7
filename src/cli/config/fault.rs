//! Settings as text, their origins, and their faults.

use std::{fmt, fmt::Display};

/// The place where a setting was set, or could be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag, such as `--listen`.
    Flag(String),
    /// An environment variable, such as `GRANTD_LISTEN`.
    Variable(String),
    /// A field of the file, as in `sites[1].endpoints[0].port`.
    Field {
        /// The path of the field from the root of the file.
        path: String,
        /// The line of the field, from 1.
        line: u64,
    },
    /// A setting that was not set and has no default on this host.
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

/// A fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The place of the fault.
    pub(crate) origin: Origin,
    /// What is wrong, and what is right instead.
    pub(crate) message: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// A setting as text, not parsed yet.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// The faults found so far. Parsing continues after a fault, so that an operator sees all faults together.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, origin: Origin, message: impl Into<String>) {
        self.0.push(Fault { origin, message: message.into() });
    }

    /// Parses the setting; returns `None` and adds a fault when it is not valid.
    pub(super) fn parse<T, E: Display>(
        &mut self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(&setting.text)
            .map_err(|error| self.add(setting.origin.clone(), format!("{error}; got {:?}", setting.text)))
            .ok()
    }
}
