//! Files that the user names: reading with a limit of length, and checks that a file can be written, which a command makes
//! before a step that cannot be undone.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{error::CliError, output::ConsoleError};
use crate::file::{self, Existing};

/// Where a command reads from or writes to: `-` is standard input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileLocation {
    Standard,
    File(PathBuf),
}

impl FileLocation {
    pub(super) fn new(path: &Path) -> Self {
        if path == Path::new("-") { Self::Standard } else { Self::File(path.to_owned()) }
    }

    /// The name in messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Standard => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Reads the whole text, of at most [`file::MAX_BYTES`].
    pub(super) fn read(&self) -> Result<Zeroizing<String>, CliError> {
        let mut bytes = match self {
            Self::File(path) => file::read(path).map_err(CliError::Read)?,
            Self::Standard => read_standard_input()?,
        };
        match String::from_utf8(std::mem::take(&mut *bytes)) {
            Ok(text) => Ok(Zeroizing::new(text)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(CliError::usage(format!("{} is not UTF-8 text", self.name())))
            }
        }
    }
}

fn read_standard_input() -> Result<Zeroizing<Vec<u8>>, CliError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    io::stdin().lock().take(file::MAX_BYTES + 1).read_to_end(&mut bytes).map_err(ConsoleError)?;
    if bytes.len() as u64 > file::MAX_BYTES {
        return Err(CliError::usage("standard input is larger than 1 MiB"));
    }
    Ok(bytes)
}

/// The treatment of an existing file that `--force` chooses.
pub(super) fn existing(force: bool) -> Existing {
    if force { Existing::Replace } else { Existing::Keep }
}

/// More bytes than a token or a kubeconfig has.
const LARGEST_FILE_BYTES: usize = 64 * 1024;

/// Checks that files can be written in this directory, by writing one.
pub(super) fn check_directory(directory: &Path) -> Result<(), CliError> {
    file::check_writable(directory, LARGEST_FILE_BYTES).map_err(CliError::Write)
}

/// Whether a file could be written here: before anything is made that the file is for. `secret` is what a file that is
/// there already may hold.
pub(super) fn check_file(path: &Path, existing: Existing, what: &str, secret: &str) -> Result<(), CliError> {
    if let Some(kind) = file::irregular(path) {
        let remedy = "give the name of a regular file or of a new one, or '-' for standard output";
        return Err(CliError::usage(format!("{what} is {kind}: {}; {remedy}", path.display())));
    }
    if is_taken(path) && existing == Existing::Keep {
        let message = format!("{} exists; it may hold {secret}", path.display());
        return Err(CliError::refused(message, "choose another name, or replace it with --force"));
    }
    check_directory(parent(path))
}

/// The directory of a file.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Whether anything exists at this path, including a broken symbolic link.
pub(super) fn is_taken(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::exit::Exit;

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = check_directory(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(error.chain(), "cannot write in /nowhere/at/all: No such file or directory (os error 2)");
    }

    #[test]
    fn a_file_that_exists_or_has_no_directory_is_refused() {
        let directory = std::env::temp_dir().join(format!("grantd-files-{}", uuid::Uuid::new_v4()));
        file::create_private_directory(&directory).unwrap();
        let check = |path: &Path, existing| check_file(path, existing, "token file name", "a token that is still good");
        let path = directory.join("west.yaml");
        assert!(check(&path, Existing::Keep).is_ok());
        fs::write(&path, "x").unwrap();
        assert!(check(&path, Existing::Keep).unwrap_err().to_string().contains("exists; it may hold a token"));
        assert!(check(&path, Existing::Replace).is_ok());
        assert_eq!(check(&directory, Existing::Replace).unwrap_err().exit(), Exit::Usage);
        let device = check(Path::new("/dev/full"), Existing::Replace).unwrap_err().to_string();
        assert!(device.starts_with("token file name is a character device: /dev/full; "), "{device}");
        assert!(check(&directory.join("none/west.yaml"), Existing::Keep).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn checking_a_directory_leaves_nothing_behind() {
        let directory = std::env::temp_dir().join(format!("grantd-files-{}", uuid::Uuid::new_v4()));
        file::create_private_directory(&directory).unwrap();
        check_directory(&directory).unwrap();
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn a_file_that_is_no_text_is_refused() {
        let path = std::env::temp_dir().join(format!("grantd-files-{}", uuid::Uuid::new_v4()));
        fs::write(&path, [0xff, 0xfe]).unwrap();
        let error = FileLocation::new(&path).read().unwrap_err();
        assert_eq!(error.to_string(), format!("{} is not UTF-8 text", path.display()));
        fs::remove_file(&path).unwrap();
    }
}
