//! `grantd grant delete`.

use crate::{
    cli::{
        args::DeleteArgs,
        error::CliError,
        output::Console,
        resource::{GRANT_KIND, grant_name},
        server::Server,
    },
    grant::GrantName,
};

pub(crate) async fn run(args: &DeleteArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    let namespace = args.namespace.parse()?;
    // All names are parsed before the first grant is deleted.
    let names: Vec<GrantName> = args.names.iter().map(|name| grant_name(name)).collect::<Result<_, _>>()?;
    let mut failures = Vec::new();
    for name in names {
        match server.delete_grant(&namespace, &name).await {
            Ok(()) => console.line(format_args!("{GRANT_KIND}/{name} deleted"))?,
            Err(error) => failures.push(error),
        }
    }
    CliError::all(failures)
}
