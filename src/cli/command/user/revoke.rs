//! `grantd user revoke`.

use std::path::Path;

use crate::{
    cli::{args::UserRevokeArgs, data_dir::DataDir, error::CliError, flag::FlagFaults, output::Console, user_file},
    pki::{AdminSerial, UserName},
    time::Clock,
};

pub(crate) fn run(args: &UserRevokeArgs, data_dir: &Path, console: &mut Console<'_>) -> Result<(), CliError> {
    let mut faults = FlagFaults::default();
    let names: Vec<Option<UserName>> = args.names.iter().map(|name| faults.parse("user name", name)).collect();
    let serials: Vec<Option<AdminSerial>> =
        args.serials.iter().map(|serial| faults.parse("serial number (--serial)", serial)).collect();
    let (Some(names), Some(serials)) =
        (names.into_iter().collect::<Option<Vec<_>>>(), serials.into_iter().collect::<Option<Vec<_>>>())
    else {
        return Err(faults.into_error());
    };
    if !DataDir::admin_ca_of(data_dir).certificate.is_file() {
        return Err(no_users(data_dir));
    }
    let now = Clock::system().now();
    let (by_name, by_serial) = user_file::change(data_dir, user_file::PATIENCE, |register| {
        let by_name: Vec<_> = names.iter().map(|name| (name, register.revoke_name(name, now))).collect();
        let by_serial: Vec<_> = serials.iter().map(|serial| (serial, register.revoke_serial(serial, now))).collect();
        (by_name, by_serial)
    })
    .map_err(CliError::Users)?;
    for (name, number) in by_name {
        console.line(format_args!("User \"{name}\" revoked"))?;
        if number == 0 {
            console.note(format_args!(
                "No valid certificate of \"{name}\" is listed; any that was issued until now is refused all the same."
            ));
        }
    }
    for (serial, user) in by_serial {
        match user {
            Some(user) => console.line(format_args!("Certificate {serial} of user \"{}\" revoked", user.name))?,
            None => console.line(format_args!("Certificate {serial} revoked"))?,
        }
    }
    Ok(())
}

/// The server of this data directory has no users.
fn no_users(data_dir: &Path) -> CliError {
    CliError::refused(
        format!("there is no admin CA in {}, and so there are no users", data_dir.display()),
        "name the data directory of the server with --data-dir",
    )
}
