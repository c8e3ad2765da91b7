//! Client certificates from the admin CA in the data directory.

use std::{path::Path, time::Duration};

use zeroize::Zeroizing;

use crate::{
    cli::{data_dir::DataDir, error::CliError, user_file},
    file,
    pki::{self, AdminCertificate, AdminUser, PrivateKeyPem},
    time::{Clock, Timestamp},
};

/// A new certificate of a user.
pub(super) struct Issued {
    /// The CA that signed it, as PEM.
    pub(super) ca: Zeroizing<Vec<u8>>,
    /// The certificate, as PEM.
    pub(super) certificate: String,
    pub(super) key: PrivateKeyPem,
    pub(super) not_after: Timestamp,
}

/// Makes a key and a certificate with the admin CA, and registers the certificate.
pub(super) fn issue(data_dir: &Path, user: &AdminUser, validity: Duration) -> Result<Issued, CliError> {
    let files = DataDir::admin_ca_of(data_dir);
    let (ca, ca_key) = (read_admin(&files.certificate)?, read_admin(&files.key)?);
    let now = Clock::system().now();
    let made = pki::make_admin_user(&ca, &ca_key, user, now, validity);
    let (certificate, key) = made.map_err(CliError::AdminUser)?;
    let read = AdminCertificate::of_pem(certificate.as_bytes(), &ca);
    let read = read.ok_or_else(|| CliError::refused("the new certificate cannot be read back", "make another one"))?;
    let not_after = read.not_after;
    let registered = user_file::change(data_dir, user_file::PATIENCE, |register| register.issued(read, now));
    registered
        .map_err(CliError::Users)?
        .map_err(|full| CliError::refused(full.to_string(), "wait until some have expired (grantd user list)"))?;
    Ok(Issued { ca, certificate, key, not_after })
}

/// Reads a file that the server makes when it first listens for kubectl.
pub(super) fn read_admin(path: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
    if path.symlink_metadata().is_ok() {
        return file::read(path).map_err(CliError::Read);
    }
    Err(CliError::Refused {
        message: format!(
            "there is no {}, which the server makes when it starts with a listener for kubectl",
            path.display()
        ),
        hint: Some("start it with --admin-listen, as in 'grantd serve --admin-listen 0.0.0.0:9443'".to_owned()),
    })
}
