//! `grantd kubeconfig --renew`: a new certificate and key in a kubeconfig, which stays as it is otherwise.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::issue::{Issued, issue, read_admin};
use crate::{
    cli::{
        data_dir::DataDir,
        error::CliError,
        files::check_directory,
        flag::FlagFaults,
        output::{Console, shell_word},
        user_file,
    },
    file::{self, Access, Existing, FileError},
    pki::AdminCertificate,
};

pub(super) fn run(path: &Path, valid_for: &str, data_dir: &Path, console: &mut Console<'_>) -> Result<(), CliError> {
    let mut faults = FlagFaults::default();
    let Some(validity) = faults.validity(valid_for) else { return Err(faults.into_error()) };
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| CliError::Write(FileError { action, path, source })
    };
    // A symbolic link stays one: the file that it names is replaced.
    let real = path.canonicalize().map_err(failed("read", path))?;
    let before = fs::metadata(&real).map_err(failed("look at", path))?;
    if !before.is_file() {
        return Err(CliError::usage(format!("{} is not a regular file", path.display())));
    }
    let text = file::read(&real).map_err(CliError::Read)?;
    let not_one = || CliError::usage(format!("{} is not a kubeconfig", path.display()));
    let text = std::str::from_utf8(&text).map_err(|_| not_one())?;
    let config: Kubeconfig = serde_saphyr::from_str(text).map_err(|_| not_one())?;

    let ca = read_admin(&DataDir::admin_ca_of(data_dir).certificate)?;
    let (old, certificate) = config.own_user(&ca).ok_or_else(|| foreign(path, data_dir))?;
    if let Some(at) = user_file::read(data_dir).map_err(CliError::Users)?.revoked_at(&certificate) {
        let message =
            format!("the certificate of user \"{}\" in {} was revoked at {at}", certificate.user.name, path.display());
        return Err(CliError::refused(
            message,
            "to let the user in again, make a new one with 'grantd kubeconfig --user'",
        ));
    }
    let (old_certificate, old_key) = (&old.client_certificate_data.0, &old.client_key_data.0);
    if old_key.is_empty() || !text.contains(old_certificate.as_str()) || !text.contains(old_key.as_str()) {
        let message = format!("{} does not hold the certificate and the key each on one line", path.display());
        return Err(CliError::refused(message, "make a new one with 'grantd kubeconfig --output FILE'"));
    }
    check_directory(real.parent().unwrap_or(&real))?;

    let user = certificate.user;
    let Issued { certificate: new, key, ca: _, not_after } = issue(data_dir, &user, validity)?;
    let renewed = Zeroizing::new(text.replace(old_certificate.as_str(), &STANDARD.encode(new)));
    let key = Zeroizing::new(STANDARD.encode(key.expose()));
    let renewed = Zeroizing::new(renewed.replace(old_key.as_str(), &key));
    file::write(&real, renewed.as_bytes(), Access::Private, Existing::Replace).map_err(CliError::Write)?;
    let after = fs::metadata(&real).map_err(failed("look at", path))?;
    if (after.uid(), after.gid()) != (before.uid(), before.gid()) {
        chown(&real, Some(before.uid()), Some(before.gid())).map_err(failed("change the owner of", path))?;
    }
    console.line(format_args!(
        "Kubeconfig of user \"{}\" renewed in {}, valid until {not_after}",
        user.name,
        path.display()
    ))?;
    Ok(())
}

fn foreign(path: &Path, data_dir: &Path) -> CliError {
    let message = format!(
        "{} holds no user of this server, or several: no client-certificate-data is signed by the admin CA in {}",
        path.display(),
        data_dir.display()
    );
    let hint = format!(
        "name the server's data directory with --data-dir, or make a new kubeconfig with 'grantd kubeconfig --output {}'",
        shell_word(path)
    );
    CliError::refused(message, hint)
}

/// The parts of a kubeconfig that name the user of its current context.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Kubeconfig {
    #[serde(default)]
    current_context: String,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    #[serde(default)]
    user: String,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct User {
    client_certificate_data: Data,
    client_key_data: Data,
}

/// Base64 of a key or a certificate.
#[derive(Deserialize, Default)]
#[serde(from = "String")]
struct Data(Zeroizing<String>);

impl From<String> for Data {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Kubeconfig {
    /// The user whose certificate is signed by this CA: that of the current context, or else the only one.
    fn own_user(&self, ca_pem: &[u8]) -> Option<(&User, AdminCertificate)> {
        let mut own: Vec<_> =
            self.users.iter().filter_map(|named| Some((named, named.user.certificate(ca_pem)?))).collect();
        let current = self.contexts.iter().find(|context| context.name == self.current_context);
        let position = current.and_then(|current| own.iter().position(|(named, _)| named.name == current.context.user));
        let (named, certificate) = match (position, own.len()) {
            (Some(position), _) => own.swap_remove(position),
            (None, 1) => own.swap_remove(0),
            (None, _) => return None,
        };
        Some((&named.user, certificate))
    }
}

impl User {
    fn certificate(&self, ca_pem: &[u8]) -> Option<AdminCertificate> {
        let pem = STANDARD.decode(self.client_certificate_data.0.as_bytes()).ok()?;
        AdminCertificate::of_pem(&pem, ca_pem)
    }
}
