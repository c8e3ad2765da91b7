//! Where everything lies in the data directory.

use std::path::{Path, PathBuf};

use crate::{
    file::{self, FileError},
    grant::{IssuerName, Namespace},
};

/// The data directory: its owner's alone, mode 0700.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

/// A certificate and its key, as Skupper keeps them in a directory of their own (protocol.md 6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The CA that signed it.
    pub ca: PathBuf,
}

impl PairFiles {
    fn within(directory: &Path) -> Self {
        let named = |name: &str| directory.join(name);
        Self { certificate: named("tls.crt"), key: named("tls.key"), ca: named("ca.crt") }
    }
}

impl DataDir {
    /// Makes the directory unless it is there.
    ///
    /// # Errors
    /// [`FileError`] naming it.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        file::create_private_directory(path)?;
        Ok(Self(path.to_owned()))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Grants and ledger.
    pub fn database(&self) -> PathBuf {
        self.0.join("grantd.db")
    }

    /// Held by the one process that serves the database.
    pub fn lock(&self) -> PathBuf {
        self.0.join("grantd.lock")
    }

    /// What codes are sealed with.
    pub fn sealing_key(&self) -> PathBuf {
        self.0.join("sealing.key")
    }

    /// The admin door of a data directory, which commands find without opening the directory.
    pub fn admin_socket_of(path: &Path) -> PathBuf {
        path.join("admin.sock")
    }

    /// A self-made site CA: a directory that can be copied to a Skupper site's `input/issuers` as it is.
    pub fn issuer(&self, namespace: &Namespace, issuer: &IssuerName) -> PairFiles {
        PairFiles::within(&self.0.join("issuers").join(namespace.as_str()).join(issuer.as_str()))
    }

    /// The self-made CA of the redeem door.
    pub fn server_ca(&self) -> PairFiles {
        PairFiles::within(&self.0.join("server-ca"))
    }

    /// The self-made certificate of the redeem door.
    pub fn server(&self) -> PairFiles {
        PairFiles::within(&self.0.join("server"))
    }
}
