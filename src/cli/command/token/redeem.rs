//! `grantd token redeem`.

use std::time::Duration;

use super::{
    own_key::OwnKey,
    redeemed_files::{next_steps, refuse_taken, write_or_rescue},
};
use crate::{
    cli::{
        args::RedeemArgs,
        error::CliError,
        files::{FileLocation, check_directory, existing},
        flag::FlagFaults,
        output::{Console, shell_word},
    },
    client::{RedeemOptions, RedeemTokenError, redeem},
    file::{self, Existing, reserve_space},
    grant::{Namespace, Subject},
    link::{AccessToken, MAX_DOCUMENT_BYTES},
};

const LEAST_TIMEOUT: Duration = Duration::from_secs(1);
/// The space for the files of the largest bundle, and for the directory's own growth: no file has more than the bundle, of
/// which quoting makes a little more.
const RESERVED_BYTES: usize = 2 * MAX_DOCUMENT_BYTES;

/// The parsed flags.
struct Request {
    namespace: Option<Namespace>,
    options: RedeemOptions,
    existing: Existing,
}

pub(crate) async fn run(args: &RedeemArgs, console: &mut Console<'_>) -> Result<(), CliError> {
    let request = validate(args)?;
    let token = read_token(&FileLocation::new(&args.file), console)?;
    check_directory(&args.output)?;
    refuse_taken(&args.output, &token.name, request.existing)?;
    // Kept until the answer is there: the disk may fill up while the other side counts the redemption.
    let reserved = reserve_space(&args.output, RESERVED_BYTES).map_err(CliError::Write)?;
    // Stored before the server is asked, so that it is there when the answer is lost.
    let own = match token.takes_certificate_requests {
        true => Some(OwnKey::find_or_make(&args.output, &token.name)?),
        false => None,
    };
    let asked = redeem(&token, &request.options, own.as_ref().map(OwnKey::key));
    let mut bundle = console.wait(&token.url, asked).await.map_err(|error| not_redeemed(own.as_ref(), error))?;
    for link in &mut bundle.links {
        link.cost = token.link_cost.or(link.cost);
    }
    drop(reserved);
    let written = write_or_rescue(&args.output, &bundle, request.namespace.as_ref(), request.existing, own.as_ref())?;
    if let Some(own) = own {
        own.remove()?;
    }
    for file in &written {
        console.line(format_args!("File written to {}", file.display()))?;
    }
    console.line(format_args!("Token \"{}\" has been redeemed.", token.name))?;
    console.line(next_steps(&written, request.namespace.as_ref()))?;
    Ok(())
}

/// Nothing was received. The key is kept when it may have a certificate.
fn not_redeemed(own: Option<&OwnKey>, source: RedeemTokenError) -> CliError {
    match own {
        Some(own) if source.is_in_doubt() => CliError::InDoubt(own.path().to_owned(), source),
        Some(own) => {
            own.discard();
            CliError::Redeem(source)
        }
        None => CliError::Redeem(source),
    }
}

fn validate(args: &RedeemArgs) -> Result<Request, CliError> {
    let mut faults = FlagFaults::default();
    let namespace = match &args.namespace {
        Some(namespace) => faults.namespace(namespace).map(Some),
        None => Some(None),
    };
    // Skupper's own command also sends an empty subject (docs/protocol.md section 1.1).
    let subject = if args.subject.is_empty() {
        Some(String::new())
    } else {
        faults.parse::<Subject>("subject (--subject)", &args.subject).map(|subject| subject.to_string())
    };
    match (namespace, subject, faults.timeout(&args.timeout, LEAST_TIMEOUT)) {
        (Some(namespace), Some(subject), Some(deadline)) => {
            let options = RedeemOptions { subject, deadline };
            Ok(Request { namespace, options, existing: existing(args.force) })
        }
        _ => Err(faults.into_error()),
    }
}

/// Reads a token, and warns when others can read its file too.
pub(super) fn read_token(location: &FileLocation, console: &mut Console<'_>) -> Result<AccessToken, CliError> {
    let token =
        AccessToken::read(&location.read()?).map_err(|source| CliError::Document { file: location.name(), source })?;
    if let FileLocation::File(path) = location
        && file::is_readable_by_others(path).unwrap_or(false)
    {
        let (path, word) = (path.display(), shell_word(path));
        console
            .note(format_args!("warning: others can read {path}, which holds a secret; 'chmod 600 {word}' stops that"));
    }
    Ok(token)
}
