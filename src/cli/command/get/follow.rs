//! `grantd get --watch`: the part after the list.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{listing::list, printer::Printer, query::Query};
use crate::{
    cli::{answer::Batch, error::CliError, output::Console, resource, server::Server},
    client::{AdminError, Form, Lines, Status},
    time::Backoff,
};

const BACKOFF: Backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(5) };

/// Prints the changes after this version until an error, or until the process ends.
///
/// A watch that ends is started again at the same version. If the server can no longer continue from there, a new list is
/// printed as a whole, as the changes in between are unknown.
pub(super) async fn follow(
    query: &Query,
    server: &Server,
    printer: &mut Printer,
    console: &mut Console<'_>,
    resource_version: String,
) -> Result<(), CliError> {
    let mut since = Some(resource_version);
    let mut outage = Outage::None;
    // Attempts since the last event, this one included.
    let mut attempts = 1_u32;
    loop {
        let begun = match &since {
            Some(version) => {
                let lines = server.watch(printer.form(), &query.watch_path(version)).await;
                lines.map(|lines| Begun::Watch(Box::new(lines)))
            }
            None => match list(query, server, printer, console).await {
                Ok(listed) => Ok(Begun::List(listed.resource_version)),
                Err(CliError::Admin(error)) => Err(error),
                Err(error) => return Err(error),
            },
        };
        if begun.is_ok() {
            outage.end(console);
        }
        let before = since.clone();
        let end = match begun {
            Ok(Begun::List(version)) => {
                // Start the watch without another pause: there was one before the list.
                since = Some(version);
                continue;
            }
            Ok(Begun::Watch(lines)) => print_events(*lines, printer, console, &mut since).await?,
            Err(error) => End::of(error)?,
        };
        attempts = if since == before { attempts.saturating_add(1) } else { 1 };
        match end {
            End::Closed => {}
            End::Expired => since = None,
            End::Away(error) => outage.report(&error, console),
        }
        tokio::time::sleep(BACKOFF.after(attempts)).await;
    }
}

/// The answer of the server.
enum Begun {
    Watch(Box<Lines>),
    /// A list that has been printed; its version.
    List(String),
}

/// Why a watch ended.
#[derive(Debug)]
enum End {
    /// The server has ended it.
    Closed,
    /// The server no longer knows what happened since then.
    Expired,
    /// The server is not running, or cannot answer now.
    Away(AdminError),
}

impl End {
    /// # Errors
    /// Errors that another attempt would not avoid.
    fn of(error: AdminError) -> Result<Self, CliError> {
        match error {
            AdminError::Refused(Status { code: 410, .. }) => Ok(Self::Expired),
            AdminError::NoServer { .. }
            | AdminError::Connection { .. }
            | AdminError::Deadline { .. }
            | AdminError::Refused(Status { code: 429 | 503, .. }) => Ok(Self::Away(error)),
            AdminError::Refused(_) | AdminError::NotPermitted { .. } | AdminError::Malformed { .. } => {
                Err(CliError::Admin(error))
            }
        }
    }
}

/// Whether the user was informed that the server is not running.
enum Outage {
    None,
    Reported,
}

impl Outage {
    fn report(&mut self, error: &AdminError, console: &mut Console<'_>) {
        match self {
            Self::None => console.note(format_args!("{error}; waiting for it")),
            Self::Reported => {}
        }
        *self = Self::Reported;
    }

    fn end(&mut self, console: &mut Console<'_>) {
        match self {
            Self::Reported => console.note("grantd answers again"),
            Self::None => {}
        }
        *self = Self::None;
    }
}

/// A line of a watch (docs/kubernetes-api.md section 4.4).
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: EventKind,
    object: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum EventKind {
    Added,
    Modified,
    Deleted,
    Bookmark,
    Error,
}

/// Prints the events of a watch until it ends, and stores the version of the last one in `since`.
async fn print_events(
    mut lines: Lines,
    printer: &mut Printer,
    console: &mut Console<'_>,
    since: &mut Option<String>,
) -> Result<End, CliError> {
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(End::Closed),
            // A failed connection may also be the way in which the server ends a watch.
            Err(AdminError::Connection { .. }) => return Ok(End::Closed),
            Err(error) => return End::of(error),
        };
        let Event { kind, object } = resource::read(&line)?;
        let batch = match kind {
            EventKind::Error => {
                return End::of(AdminError::Refused(Status::of_event(&object).map_err(CliError::Admin)?));
            }
            EventKind::Added | EventKind::Modified | EventKind::Deleted => {
                let batch = Batch::of_object(printer.form(), object)?;
                printer.print(&batch, console)?;
                batch
            }
            // In every form, a bookmark has only metadata.
            EventKind::Bookmark => Batch::of_object(Form::Objects, object)?,
        };
        if !batch.resource_version().is_empty() {
            *since = Some(batch.resource_version().to_owned());
        }
    }
}
