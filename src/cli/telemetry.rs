//! Logging to standard error: text on a terminal, JSON elsewhere. No task waits for the reader of the log.

use std::{
    env,
    fmt::{self, Display},
    io::{self, IsTerminal, Write},
    panic,
    str::FromStr,
    sync::OnceLock,
    time::Duration,
};

use tracing::error;
use tracing_subscriber::EnvFilter;

use super::log_queue::LogQueue;

/// How long the end of the process waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);
/// Where lines wait once logging was started.
static QUEUE: OnceLock<LogQueue> = OnceLock::new();

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Text, for people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// The text is not a log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be auto, text or json")]
pub(crate) struct LogFormatError;

impl FromStr for LogFormat {
    type Err = LogFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogFormatError),
        }
    }
}

/// A filter for log lines: a text that `tracing_subscriber::EnvFilter` accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFilter(String);

/// The text is not a log filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be error, warn, info, debug, trace or off, or levels a module such as 'info,grantd::http=debug'")]
pub(crate) struct LogFilterError;

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    /// Stricter than `EnvFilter` in one respect: a single word must be a level, as `inof` is a typing error and not a module.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `EnvFilter` counts bytes without the blanks around a part and cuts them with those: a wrong filter, or a panic.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(LogFilterError);
        }
        const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
        let bare = text.split(',').filter(|part| !part.contains(['=', '[', ':']));
        let levels = bare.map(str::trim).all(|word| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word)));
        if levels && EnvFilter::try_new(text).is_ok() { Ok(Self(text.to_owned())) } else { Err(LogFilterError) }
    }
}

/// Starts logging for the rest of the process. A second start changes nothing. `on_drop` is called for each line that is
/// dropped, because standard error does not take it.
///
/// # Errors
/// The system has no thread left.
pub(crate) fn start(
    format: LogFormat,
    filter: &LogFilter,
    on_drop: impl Fn() + Send + Sync + 'static,
) -> io::Result<()> {
    let queue = LogQueue::start(io::stderr(), on_drop)?;
    let terminal = io::stderr().is_terminal();
    let text = match format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&filter.0))
        .with_writer(queue.clone())
        // Otherwise it would report a failed write to standard error on standard error, and panic when that fails too.
        .log_internal_errors(false);
    let started = if text {
        subscriber.with_ansi(terminal && !no_color()).try_init()
    } else {
        subscriber.json().flatten_event(true).try_init()
    };
    // This fails only if logging was started already.
    if started.is_ok() && QUEUE.set(queue).is_ok() {
        // The default hook writes to standard error, and would wait for its reader.
        panic::set_hook(Box::new(|panic| {
            let location = panic.location().map(tracing::field::display);
            error!(location, panic = panic.payload_as_str().unwrap_or("no text"), "a task panicked");
        }));
    }
    Ok(())
}

/// Standard error, behind the log lines that wait for it.
pub(crate) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match QUEUE.get() {
            Some(queue) => queue.clone().write(bytes),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// When dropped, waits until standard error has taken what was written, for two seconds at most.
pub(crate) struct LastLines;

impl Drop for LastLines {
    fn drop(&mut self) {
        if let Some(queue) = QUEUE.get() {
            queue.flush(LAST_LINES);
        }
    }
}

/// Whether the user wants no colours (<https://no-color.org>).
pub(crate) fn no_color() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_filter_is_a_level_or_levels_a_module() {
        for good in ["info", "DEBUG", "off", "info,grantd::http=debug", "warn,hyper=off", "grantd::app=trace"] {
            assert!(good.parse::<LogFilter>().is_ok(), "{good}");
        }
        for bad in ["", "inof", "info,", "grantd=loud", "a b", " info", " aö=info"] {
            assert_eq!(bad.parse::<LogFilter>(), Err(LogFilterError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z=,:\\[\\]{}\"]{0,30}|.{0,30}") {
            let _ = (text.parse::<LogFilter>(), text.parse::<LogFormat>());
        }
    }
}
