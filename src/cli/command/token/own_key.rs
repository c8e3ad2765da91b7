//! The key that is made before a token is redeemed, and kept in a file until the redeemed files are written: when the answer
//! is lost, the same key gets the same certificate, and nothing is counted twice.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    cli::error::CliError,
    file::{self, Access, Existing, FileError},
    grant::LinkName,
    pki::RequestKey,
};

/// A key in its file.
pub(super) struct OwnKey {
    key: RequestKey,
    path: PathBuf,
    /// Made by this command, and not left by an earlier one.
    is_new: bool,
}

impl OwnKey {
    /// The key that an earlier command has left for a token of this name, or else a new one, which is in its file when this
    /// returns.
    pub(super) fn find_or_make(directory: &Path, name: &LinkName) -> Result<Self, CliError> {
        let path = directory.join(format!("{name}.key.pending"));
        if path.symlink_metadata().is_ok() {
            let text = file::read(&path).map_err(CliError::Read)?;
            let key = RequestKey::from_pem(&text).map_err(|fault| {
                CliError::refused(
                    format!("{} is not the key that an earlier 'token redeem' has left: {fault}", path.display()),
                    "remove it; if the token was redeemed with it, ask for a new token",
                )
            })?;
            return Ok(Self { key, path, is_new: false });
        }
        let unmade = |_| CliError::refused("cannot make a key: the system gives no randomness", "try again");
        let key = RequestKey::generate().map_err(unmade)?;
        file::write(&path, key.pem().expose().as_bytes(), Access::Private, Existing::Keep).map_err(CliError::Write)?;
        Ok(Self { key, path, is_new: true })
    }

    pub(super) fn key(&self) -> &RequestKey {
        &self.key
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file of a key that is of no more use, because nothing was counted for it.
    pub(super) fn discard(&self) {
        if self.is_new {
            // A file that stays is used the next time.
            drop(fs::remove_file(&self.path));
        }
    }

    /// Removes the file when the key is in the Secret.
    pub(super) fn remove(self) -> Result<(), CliError> {
        let unremoved = |source| CliError::Write(FileError { action: "remove", path: self.path.clone(), source });
        fs::remove_file(&self.path).map_err(unremoved)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_private_and_found_again_until_it_is_removed() {
        let directory = std::env::temp_dir().join(format!("grantd-own-key-{}", uuid::Uuid::new_v4()));
        file::create_private_directory(&directory).unwrap();
        let name: LinkName = "west".parse().unwrap();

        let first = OwnKey::find_or_make(&directory, &name).unwrap();
        assert_eq!(fs::metadata(first.path()).unwrap().permissions().mode() & 0o777, 0o600);
        let again = OwnKey::find_or_make(&directory, &name).unwrap();
        assert_eq!(again.key().pem().expose(), first.key().pem().expose());
        again.discard();
        assert!(first.path().exists(), "an earlier command's key stays: it may have been used");
        first.discard();

        let next = OwnKey::find_or_make(&directory, &name).unwrap();
        fs::write(next.path(), "no key").unwrap();
        let message = OwnKey::find_or_make(&directory, &name).err().unwrap().to_string();
        assert!(message.contains("west.key.pending is not the key"), "{message}");
        next.remove().unwrap();
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        fs::remove_dir_all(&directory).unwrap();
    }
}
