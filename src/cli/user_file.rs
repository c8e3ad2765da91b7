//! The file with the register of admin users, beside the admin CA. Commands change it, whether the server runs or not, and
//! the server follows it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::data_dir::DataDir;
use crate::{
    app::{UserRegister, UserRegisterFault},
    file::{self, Access, Existing, FileError},
};

/// How long a command waits while another process changes the register. A change takes milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between attempts to lock it.
const PAUSE: Duration = Duration::from_millis(20);

/// Why the register cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserFileError {
    /// A file cannot be read, written or locked.
    #[error(transparent)]
    File(FileError),
    /// Another process changes the register for longer than was waited for.
    #[error("another process holds the lock {}", lock.display())]
    Locked {
        /// The lock.
        lock: PathBuf,
    },
    /// The file is damaged. Nothing is guessed, as it holds the revocations.
    #[error("{}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: UserRegisterFault,
    },
}

impl UserFileError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::File(_) => "run this as the user that grantd runs as, or as root",
            Self::Locked { .. } => {
                "another grantd command changes the register and does not end, perhaps because it was stopped: continue or \
                 end it, then run this again ('fuser' shows who has the lock open)"
            }
            Self::Damaged { .. } => {
                "put back a good copy of the file; without one, stop the server, remove the directory admin-ca from the \
                 data directory, and start the server again: then every user needs a new kubeconfig"
            }
        }
    }
}

/// Reads the register; it is empty while there is no file.
///
/// # Errors
/// [`UserFileError`].
pub(crate) fn read(data_dir: &Path) -> Result<UserRegister, UserFileError> {
    let path = DataDir::admin_users_of(data_dir);
    match file::read(&path) {
        Ok(contents) => UserRegister::read(&contents).map_err(|source| UserFileError::Damaged { path, source }),
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(UserRegister::default()),
        Err(error) => Err(UserFileError::File(error)),
    }
}

/// Changes the register, while no other process changes it, and writes it. A change that changes nothing writes nothing.
/// Another process that changes it is waited for, no longer than `patience`.
///
/// # Errors
/// [`UserFileError`]; then nothing was changed.
pub(crate) fn change<T>(
    data_dir: &Path,
    patience: Duration,
    change: impl FnOnce(&mut UserRegister) -> T,
) -> Result<T, UserFileError> {
    let path = DataDir::admin_users_of(data_dir);
    // The lock is a file of its own, as the register is replaced by another file.
    let lock_path = path.with_extension("lock");
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| UserFileError::File(FileError { action, path, source })
    };
    let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&lock_path);
    let lock = lock.map_err(failed("lock", &lock_path))?;
    take(&lock, patience).map_err(|refused| match refused {
        TryLockError::WouldBlock => UserFileError::Locked { lock: lock_path.clone() },
        TryLockError::Error(source) => failed("lock", &lock_path)(source),
    })?;
    give_to_owner_of_directory(&lock_path).map_err(failed("change the owner of", &lock_path))?;
    let before = read(data_dir)?;
    let mut register = before.clone();
    let result = change(&mut register);
    if register != before {
        let text = format!("{}\n", register.document());
        file::write(&path, text.as_bytes(), Access::Private, Existing::Replace).map_err(UserFileError::File)?;
        give_to_owner_of_directory(&path).map_err(failed("change the owner of", &path))?;
    }
    drop::<File>(lock);
    Ok(result)
}

/// Takes the lock as soon as it is free, if that is within `patience`.
fn take(lock: &File, patience: Duration) -> Result<(), TryLockError> {
    let deadline = Instant::now() + patience;
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(PAUSE),
            result @ (Ok(()) | Err(TryLockError::WouldBlock | TryLockError::Error(_))) => return result,
        }
    }
}

/// Gives the file to the owner of its directory: what root writes, the server of another user must be able to read.
fn give_to_owner_of_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(path).metadata()?;
    let own = path.metadata()?;
    if (own.uid(), own.gid()) == (directory.uid(), directory.gid()) || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    std::os::unix::fs::chown(path, Some(directory.uid()), Some(directory.gid()))
}

/// What tells one state of the file from another without reading it: it is always replaced by a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileState {
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
    owner: u32,
}

/// The present state of the file; `None` while there is none.
pub(crate) fn state(data_dir: &Path) -> Option<FileState> {
    let metadata = fs::metadata(DataDir::admin_users_of(data_dir)).ok()?;
    let modified = metadata.modified().ok();
    Some(FileState { inode: metadata.ino(), length: metadata.len(), modified, owner: metadata.uid() })
}
