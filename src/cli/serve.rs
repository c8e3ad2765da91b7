//! `grantd serve`: the house put together.

use super::config::ServeConfig;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The rooms of the server are not wired yet.
    #[error("this build has no server")]
    Unwired,
}

/// Serves until it is told to stop.
///
/// # Errors
/// [`ServeError`] when it cannot start.
#[expect(clippy::unused_async, reason = "the server awaits its doors")]
pub async fn run(_config: ServeConfig) -> Result<(), ServeError> {
    Err(ServeError::Unwired)
}
