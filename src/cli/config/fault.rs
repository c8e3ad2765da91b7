//! Settings as text, where each was set, and what is wrong with them.

use std::{fmt, fmt::Display};

/// Where a setting was set, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
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
    /// It was not set, and there is no default on this machine.
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
pub(crate) struct Fault {
    /// Where it was set.
    pub(crate) origin: Origin,
    /// What is wrong with it, and what would be right.
    pub(crate) message: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// A setting that was set, not yet parsed.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// All that is wrong so far. Parsing goes on after a fault, so that an operator sees all faults at once.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, origin: Origin, message: impl Into<String>) {
        self.0.push(Fault { origin, message: message.into() });
    }

    /// The setting's value, or `None` and a fault added.
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
