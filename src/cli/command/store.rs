//! `grantd store acknowledge-rollback`.

use crate::cli::{error::CliError, output::Console, server::Server};

pub(crate) async fn acknowledge_rollback(server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    match server.acknowledge_rollback().await? {
        Some(expired) => {
            console.line(format_args!(
                "{expired} open grants have been expired: whether they were redeemed after the state that the database was put \
                 back to is not known. Make new ones where they are needed."
            ))?;
        }
        None => console.line("The database was not put back; nothing was changed.")?,
    }
    Ok(())
}
