//! The data directory: its default location, and the paths of the files in it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    file::{self, FileError},
    grant::{IssuerName, Namespace},
    store::Location,
};

/// The data directory, which only its owner can read (mode 0700).
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

/// A certificate and its key, as Skupper keeps them in a directory of their own (docs/protocol.md section 6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PairFiles {
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// The CA that signed it.
    pub(crate) ca: PathBuf,
}

impl PairFiles {
    fn within(directory: &Path) -> Self {
        let named = |name: &str| directory.join(name);
        Self { certificate: named("tls.crt"), key: named("tls.key"), ca: named("ca.crt") }
    }
}

impl DataDir {
    /// Makes the directory if it does not exist.
    ///
    /// # Errors
    /// [`FileError`] with the path.
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        file::create_private_directory(path)?;
        Ok(Self(path.to_owned()))
    }

    /// The directory, whether it exists or not: for reading alone.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The database with grants, objects and ledger, and its lock, which only one server at a time can hold.
    pub(crate) fn store(&self) -> Location {
        Location::Sqlite { database: self.database(), lock: self.lock() }
    }

    /// The file of the database.
    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("grantd.db")
    }

    /// The lock alone.
    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("grantd.lock")
    }

    /// The latest time that a server of this data directory has seen.
    pub(crate) fn clock_mark_of(path: &Path) -> PathBuf {
        path.join("clock.mark")
    }

    /// The key that encrypts codes in the database.
    pub(crate) fn sealing_key(&self) -> PathBuf {
        self.0.join("sealing.key")
    }

    /// The admin socket of a data directory, which commands find without opening the directory.
    pub(crate) fn admin_socket_of(path: &Path) -> PathBuf {
        path.join("admin.sock")
    }

    /// A self-made site CA: a directory that can be copied to a Skupper site's `input/issuers` as it is.
    pub(crate) fn issuer(&self, namespace: &Namespace, issuer: &IssuerName) -> PairFiles {
        PairFiles::within(&self.0.join("issuers").join(namespace.as_str()).join(issuer.as_str()))
    }

    /// The self-made CA of the redeem listener.
    pub(crate) fn server_ca(&self) -> PairFiles {
        PairFiles::within(&self.0.join("server-ca"))
    }

    /// The CA of the admin API's TLS listener: of its certificate, and of those of its users.
    pub(crate) fn admin_ca_of(path: &Path) -> PairFiles {
        PairFiles::within(&path.join("admin-ca"))
    }

    /// The register of the certificates that the admin CA has signed: beside the CA, as it means nothing without it.
    pub(crate) fn admin_users_of(path: &Path) -> PathBuf {
        path.join("admin-ca/users.json")
    }

    /// The certificate of the admin API's TLS listener.
    pub(crate) fn admin(&self) -> PairFiles {
        PairFiles::within(&self.0.join("admin"))
    }

    /// The URL at which the admin API was last served with TLS, one line.
    pub(crate) fn admin_url_of(path: &Path) -> PathBuf {
        path.join("admin.url")
    }

    /// The database with the store when that is not in the data directory: its URL without a password, one line.
    pub(crate) fn database_url_of(path: &Path) -> PathBuf {
        path.join("database.url")
    }

    /// The self-made certificate of the redeem listener.
    pub(crate) fn server(&self) -> PairFiles {
        PairFiles::within(&self.0.join("server"))
    }
}

/// The message when no data directory is given and there is no default.
pub(crate) const NO_DATA_DIR: &str = "must be given, because neither STATE_DIRECTORY nor XDG_DATA_HOME nor HOME is set";

/// The default data directory.
///
/// systemd sets `STATE_DIRECTORY`; of several paths, separated by colons, the first is used.
pub(crate) fn default_data_dir(environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    if let Some(state) = set("STATE_DIRECTORY") {
        let first = state.to_string_lossy().split(':').next().unwrap_or_default().to_owned();
        return Some(PathBuf::from(first));
    }
    // The XDG base directory specification: a relative path is invalid and ignored.
    if let Some(data) = set("XDG_DATA_HOME").filter(|data| Path::new(data).is_absolute()) {
        return Some(Path::new(&data).join("grantd"));
    }
    set("HOME").map(|home| Path::new(&home).join(".local/share/grantd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_directory_follows_systemd_then_xdg_then_home() {
        let with = |pairs: &'static [(&str, &str)]| {
            default_data_dir(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
        };
        let all = [("STATE_DIRECTORY", "/s:/t"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(default_data_dir(|n| all.iter().find(|p| p.0 == n).map(|p| p.1.into())), Some("/s".into()));
        assert_eq!(with(&[("XDG_DATA_HOME", "/x"), ("HOME", "/h")]), Some("/x/grantd".into()));
        assert_eq!(with(&[("XDG_DATA_HOME", "relative"), ("HOME", "/h")]), Some("/h/.local/share/grantd".into()));
        assert_eq!(with(&[("STATE_DIRECTORY", "")]), None);
    }
}
