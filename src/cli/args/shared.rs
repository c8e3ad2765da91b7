//! Arguments that several commands have.

use clap::{Args, ValueEnum};

use crate::{
    cli::{error::CliError, flag::FlagFaults},
    grant::Namespace,
};

/// `-n`, for the commands that work in one namespace.
#[derive(Debug, Args)]
pub(crate) struct NamespaceArg {
    /// The namespace of the objects that the command works on
    #[arg(short, long, env = "GRANTD_NAMESPACE", value_name = "NAMESPACE", default_value = Namespace::DEFAULT)]
    pub(crate) namespace: String,
}

impl NamespaceArg {
    /// The namespace as it was typed; an empty environment variable counts as not set.
    pub(crate) fn text(&self) -> &str {
        if self.namespace.is_empty() { Namespace::DEFAULT } else { &self.namespace }
    }

    /// The namespace as a value.
    ///
    /// # Errors
    /// [`CliError::Usage`] when the text is no namespace.
    pub(crate) fn parse(&self) -> Result<Namespace, CliError> {
        let mut faults = FlagFaults::default();
        faults.namespace(self.text()).ok_or_else(|| faults.into_error())
    }
}

/// How lists are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// JSON, indented
    Json,
    /// YAML
    Yaml,
    /// One 'accessgrant.skupper.io/NAME' on each line
    Name,
}
