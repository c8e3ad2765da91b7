//! Level 0: files that must be whole, private, and still there after a crash.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// The most bytes [`read`] takes: far more than any key, certificate bundle or configuration has.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its owner: mode 0600.
    Private,
    /// Everyone: mode 0644, less the umask.
    Public,
}

impl Access {
    fn mode(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Public => 0o644,
        }
    }
}

/// What happens to a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced in one step.
    Replace,
    /// It stays, and writing answers [`io::ErrorKind::AlreadyExists`].
    Keep,
}

/// A file operation that failed, and on what.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FileError {
    /// What was being done: "read", "write", "create the directory".
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// The system's reason.
    #[source]
    pub source: io::Error,
}

impl FileError {
    fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// Writes a whole file so that a reader, or a crash, sees either the old contents or the new, never a part.
///
/// The bytes go to a temporary file beside it, are synced, and are renamed into place; then the directory is synced.
///
/// # Errors
/// [`FileError`] naming the file; nothing is left behind then.
pub fn write(path: &Path, contents: &[u8], access: Access, existing: Existing) -> Result<(), FileError> {
    let directory = parent(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!(".{name}.{}.tmp", uuid::Uuid::new_v4().as_simple()));
    write_new(&temporary, contents, access)
        .and_then(|()| put_in_place(&temporary, path, existing))
        .and_then(|()| File::open(directory)?.sync_all())
        .inspect_err(|_| {
            // The error that matters is the one that brought us here.
            let _ = fs::remove_file(&temporary);
        })
        .map_err(FileError::new("write", path))
}

fn write_new(path: &Path, contents: &[u8], access: Access) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(access.mode()).open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

fn put_in_place(temporary: &Path, path: &Path, existing: Existing) -> io::Result<()> {
    match existing {
        Existing::Replace => fs::rename(temporary, path),
        Existing::Keep => {
            // A hard link fails when the name is taken; a check before a rename could be overtaken.
            fs::hard_link(temporary, path)?;
            fs::remove_file(temporary)
        }
    }
}

/// Reads a whole file of at most [`MAX_BYTES`]; the buffer is wiped when dropped, as it may hold a key.
///
/// # Errors
/// [`FileError`] naming the file, also when it is larger.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let attempt = || {
        let file = File::open(path)?;
        let mut contents = Zeroizing::new(Vec::with_capacity(16 * 1024));
        file.take(MAX_BYTES + 1).read_to_end(&mut contents)?;
        if contents.len() as u64 > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
        }
        Ok(contents)
    };
    attempt().map_err(FileError::new("read", path))
}

/// Makes a directory for the owner alone (mode 0700) and its parents; leaves one that exists as it is.
///
/// # Errors
/// [`FileError`] naming the directory.
pub fn create_private_directory(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(FileError::new("create the directory", path))
}

/// Whether others than the owner may read the file.
///
/// # Errors
/// [`FileError`] naming the file.
pub fn is_readable_by_others(path: &Path) -> Result<bool, FileError> {
    let metadata = fs::metadata(path).map_err(FileError::new("look at", path))?;
    Ok(metadata.permissions().mode() & 0o077 != 0)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("grantd-file-{}", uuid::Uuid::new_v4()));
            create_private_directory(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_private_file_is_the_owners_alone() {
        let scratch = Scratch::new();
        let path = scratch.0.join("key");
        write(&path, b"k", Access::Private, Existing::Keep).unwrap();
        assert_eq!((mode(&path), mode(&scratch.0)), (0o600, 0o700));
        assert!(!is_readable_by_others(&path).unwrap());
    }

    #[test]
    fn an_existing_file_is_kept_or_replaced_whole() {
        let scratch = Scratch::new();
        let path = scratch.0.join("token");
        write(&path, b"first", Access::Public, Existing::Keep).unwrap();

        let kept = write(&path, b"second", Access::Public, Existing::Keep).unwrap_err();
        assert_eq!(kept.source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(*read(&path).unwrap(), b"first");

        write(&path, b"second", Access::Private, Existing::Replace).unwrap();
        assert_eq!(*read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "a temporary file was left behind");
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let scratch = Scratch::new();
        let path = scratch.0.join("large");
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(read(&path).unwrap_err().to_string().ends_with("large"));
    }
}
