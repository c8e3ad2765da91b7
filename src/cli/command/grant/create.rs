//! `grantd grant create`.

use serde_json::json;

use crate::{
    cli::{
        args::CreateArgs,
        error::CliError,
        files::FileLocation,
        flag::FlagFaults,
        output::Console,
        resource::{self, GRANT_KIND, is_ready},
        server::{Server, Write},
    },
    grant::{Code, GrantName, IssuerName},
};

pub(crate) async fn run(args: &CreateArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    let mut faults = FlagFaults::default();
    let issuer = match &args.issuer {
        Some(issuer) => faults.parse::<IssuerName>("issuer (--issuer)", issuer).map(Some),
        None => Some(None),
    };
    let parsed = (
        faults.parse::<GrantName>("name", &args.name),
        faults.namespace(args.namespace.text()),
        faults.redemptions(&args.redemptions_allowed),
        faults.window(&args.expiration_window),
        issuer,
    );
    let (Some(name), Some(namespace), Some(allowed), Some(window), Some(issuer)) = parsed else {
        return Err(faults.into_error());
    };
    let mut spec = json!({"redemptionsAllowed": allowed, "expirationWindow": window.to_string()});
    if let Some(issuer) = issuer {
        spec["issuer"] = json!(issuer.as_str());
    }
    if let Some(file) = &args.code_file {
        spec["code"] = json!(read_code(&FileLocation::new(file))?.expose());
    }
    let metadata = json!({"name": name.as_str(), "namespace": namespace.as_str()});
    let made: resource::Grant =
        resource::read(&server.create_grant(&namespace, &metadata, &spec, Write::Store).await?)?;
    server.print_warnings(console);
    console.line(format_args!("{GRANT_KIND}/{name} created"))?;
    if is_ready(&made.status.conditions) {
        console.note(format_args!("It can be redeemed {allowed} time(s) until {}.", made.status.expiration_time));
    } else {
        console.note(format_args!("It is not ready: {}", made.status.message));
    }
    Ok(())
}

/// The file's text without the line break at its end, which editors add.
fn read_code(file: &FileLocation) -> Result<Code, CliError> {
    let text = file.read()?;
    let code = text.strip_suffix('\n').unwrap_or(&text);
    let code = code.strip_suffix('\r').unwrap_or(code);
    code.parse().map_err(|error| CliError::usage(format!("the code in {} is not valid: it {error}", file.name())))
}
