//! `grantd token issue`.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    cli::{
        args::IssueArgs,
        error::CliError,
        files::{FileLocation, check_file, existing},
        flag::FlagFaults,
        output::{Console, shell_word},
        resource::{self, Scope, Site, is_ready},
        server::{Server, Write},
    },
    file::{self, Access, Existing},
    grant::{ExpirationWindow, GrantName, Namespace, format_go_duration},
    link::AccessToken,
};

const LEAST_TIMEOUT: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// The parsed flags.
struct Request {
    location: FileLocation,
    namespace: Namespace,
    name: Option<GrantName>,
    allowed: u32,
    window: ExpirationWindow,
    cost: Option<u32>,
    timeout: Duration,
    existing: Existing,
}

/// A grant that was made and is ready, with its token.
struct Issued {
    name: GrantName,
    token: AccessToken,
}

pub(crate) async fn run(args: &IssueArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    let request = validate(args)?;
    if let FileLocation::File(path) = &request.location {
        check_file(path, request.existing, "token file name", "a token that is still good")?;
    }
    let site = site(server, &request.namespace).await?;
    let name = match &request.name {
        Some(name) => name.clone(),
        None => name_after(&site)?,
    };
    let issued = console.wait("token status", issue(&request, name, server)).await?;
    if let Err(error) = hand_over(&issued, &request, console) {
        return Err(take_back(&issued.name, &request.namespace, server, error).await);
    }
    print_result(&issued, &request, console)
}

fn validate(args: &IssueArgs) -> Result<Request, CliError> {
    let mut faults = FlagFaults::default();
    let name = match &args.name {
        Some(name) => faults.parse("name (--name)", name).map(Some),
        None => Some(None),
    };
    let file =
        if args.file.as_os_str().is_empty() { Err("must not be empty") } else { Ok(FileLocation::new(&args.file)) };
    let parsed = (
        faults.collect("file name", file),
        faults.namespace(args.namespace.text()),
        name,
        faults.redemptions(&args.redemptions_allowed),
        faults.window_of_token(&args.expiration_window),
        faults.cost(&args.cost),
        faults.timeout(&args.timeout, LEAST_TIMEOUT),
    );
    match parsed {
        (Some(location), Some(namespace), Some(name), Some(allowed), Some(window), Some(cost), Some(timeout)) => {
            let existing = existing(args.force);
            Ok(Request { location, namespace, name, allowed, window, cost, timeout, existing })
        }
        _ => Err(faults.into_error()),
    }
}

/// The site of the token, which must accept links.
async fn site(server: &Server, namespace: &Namespace) -> Result<Site, CliError> {
    let Some(site) = server.sites(&Scope::Namespace(namespace.clone())).await?.into_iter().next() else {
        let others = server.sites(&Scope::All).await?;
        let others = others.iter().map(|site| site.metadata.namespace.as_str()).collect::<Vec<_>>().join(", ");
        return Err(CliError::refused(
            format!("A site must exist in namespace {namespace} before a token can be created"),
            format!("name the namespace of a site with -n: {others}"),
        ));
    };
    if site.spec.edge {
        return Err(CliError::refused(
            "Edge sites cannot accept incoming links from remote sites",
            "issue the token at an interior site",
        ));
    }
    if site.status.endpoints.is_empty() {
        return Err(CliError::refused(
            "You must enable link access for this site before you can create a token.",
            "start 'grantd serve' with --link-host, or with endpoints for the site in its file",
        ));
    }
    if !is_ready(&site.status.conditions) {
        let message = format!("there is no active skupper site in this namespace: {}", site.status.message);
        return Err(CliError::refused(message, "see the server's log and its /readyz"));
    }
    Ok(site)
}

/// `<site name>-<random uuid4>`, as Skupper names grants.
fn name_after(site: &Site) -> Result<GrantName, CliError> {
    let name = format!("{}-{}", site.metadata.name, uuid::Uuid::new_v4());
    name.parse().map_err(|error| CliError::Refused {
        message: format!("a grant cannot be named {name}: {error}"),
        hint: Some("name it with --name".to_owned()),
    })
}

async fn issue(request: &Request, name: GrantName, server: &Server) -> Result<Issued, CliError> {
    let namespace = &request.namespace;
    let metadata = json!({"name": name.as_str(), "namespace": namespace.as_str()});
    let spec = json!({"redemptionsAllowed": request.allowed, "expirationWindow": request.window.to_string()});
    let made =
        server.create_grant(namespace, &metadata, &spec, Write::Store).await.map_err(|error| match error.status() {
            Some(409) => CliError::refused(
                format!("There is already a token {name} created in namespace {namespace}"),
                format!("choose another name, or delete it with 'grantd grant delete {name} -n {namespace}'"),
            ),
            Some(_) | None => error,
        })?;
    match wait_until_ready(made, request, &name, server).await {
        Ok(token) => Ok(Issued { name, token }),
        Err(error) => Err(take_back(&name, namespace, server, error).await),
    }
}

/// Waits until the grant is ready. Usually it is ready when it is created.
async fn wait_until_ready(
    mut object: Value,
    request: &Request,
    name: &GrantName,
    server: &Server,
) -> Result<AccessToken, CliError> {
    let end = Instant::now() + request.timeout;
    loop {
        let grant: resource::Grant = resource::read(&object)?;
        if is_ready(&grant.status.conditions) {
            return token(grant, request, name);
        }
        if grant.status.status == "Error" || Instant::now() >= end {
            let message = format!("grant \"{name}\" is not ready: {}", grant.status.message);
            return Err(CliError::refused(message, "see the server's log and its /readyz"));
        }
        sleep(BETWEEN_LOOKS).await;
        object = server.grant(&request.namespace, name).await?;
    }
}

fn token(grant: resource::Grant, request: &Request, name: &GrantName) -> Result<AccessToken, CliError> {
    let code = zeroize::Zeroizing::new(grant.status.code);
    let code = code.parse().map_err(|error| CliError::Refused {
        message: format!("the server gave the grant no code that can be used: it {error}"),
        hint: None,
    })?;
    Ok(AccessToken {
        name: name.clone().into(),
        url: grant.status.url,
        code,
        ca: grant.status.ca,
        link_cost: request.cost,
        takes_certificate_requests: true,
    })
}

fn hand_over(issued: &Issued, request: &Request, console: &mut Console<'_>) -> Result<(), CliError> {
    let text = issued.token.write();
    match &request.location {
        FileLocation::Standard => Ok(console.print(&text)?),
        FileLocation::File(path) => {
            file::write(path, text.as_bytes(), Access::Private, request.existing).map_err(CliError::Write)
        }
    }
}

/// Deletes a grant whose token could not be written. The error says why, and whether the grant could be deleted.
async fn take_back(name: &GrantName, namespace: &Namespace, server: &Server, cause: CliError) -> CliError {
    let left = match server.delete_grant(namespace, name).await {
        Ok(()) => None,
        Err(_) => Some(format!("grantd grant delete {name} -n {namespace}")),
    };
    CliError::NotIssued { grant: name.clone(), left, cause: Box::new(cause) }
}

fn print_result(issued: &Issued, request: &Request, console: &mut Console<'_>) -> Result<(), CliError> {
    let window = format_go_duration(request.window.duration());
    let (file, created) = match &request.location {
        FileLocation::Standard => (Path::new("FILE"), String::new()),
        FileLocation::File(path) => (path.as_path(), format!("Token file {} created\n", path.display())),
    };
    let text = format!(
        "\nGrant \"{}\" is ready\n{created}\nTransfer this file to a remote site. At the remote site,\n\
         create a link to this site using the \"skupper token redeem\" command:\n\n\tskupper token redeem {quoted}\n\n\
         or, without Skupper's commands:\n\n\tgrantd token redeem {quoted}\n\n\
         The token expires after {} use(s) or after {window}.",
        issued.name,
        request.allowed,
        quoted = shell_word(file),
    );
    match &request.location {
        FileLocation::Standard => console.note(text),
        FileLocation::File(_) => console.line(text)?,
    }
    if !is_name_for_skupper(&file.display().to_string()) {
        console.note("note: 'skupper token redeem' takes letters, digits, '.', '/', '~' and '-' in a file's name only");
    }
    Ok(())
}

/// The pattern of docs/protocol.md section 5.1.
fn is_name_for_skupper(file: &str) -> bool {
    file.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./~-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_skupper_does_not_take_are_known() {
        assert!(is_name_for_skupper("~/west-1.yaml") && !is_name_for_skupper("west_1.yaml"));
    }
}
