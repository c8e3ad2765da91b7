//! Level 0: files that must be whole, private, and still there after a crash.

mod unfinished;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use unfinished::temporary_name;

/// The most bytes [`read`] takes: far more than any key, certificate bundle or configuration has.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// The users that may read a file.
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

/// What happens when the file exists already.
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
/// With [`Existing::Keep`], where the file system has no hard links (vfat, some network mounts), a crash can leave an empty
/// file instead.
///
/// Only a regular file is replaced. The rename would put a file in the place of a device or a pipe, which other programs
/// need. In the place of a symbolic link it would leave the file that the link names as it was; and to write where a link
/// leads would put a secret where somebody else chose.
///
/// # Errors
/// [`FileError`] naming the file, with [`io::ErrorKind::InvalidInput`] for what is not a regular file. Nothing is left behind
/// then, unless only the sync of the directory failed: the file is there.
pub fn write(path: &Path, contents: &[u8], access: Access, existing: Existing) -> Result<(), FileError> {
    write_with(&FILE_SYSTEM, path, contents, access, existing)
}

/// What is at this path, if it is anything but a regular file: "a directory", "a symbolic link". `None` for a regular file,
/// for nothing, and for what cannot be looked at.
pub fn irregular(path: &Path) -> Option<&'static str> {
    let kind = path.symlink_metadata().ok()?.file_type();
    let names = [
        (kind.is_dir(), "a directory"),
        (kind.is_symlink(), "a symbolic link"),
        (kind.is_fifo(), "a named pipe"),
        (kind.is_socket(), "a socket"),
        (kind.is_char_device(), "a character device"),
        (kind.is_block_device(), "a block device"),
        (!kind.is_file(), "not a regular file"),
    ];
    names.into_iter().find(|(is_so, _)| *is_so).map(|(_, name)| name)
}

/// Space on a disk that nothing else can take, until it is dropped.
#[derive(Debug)]
pub struct ReservedSpace {
    /// Of a file without a name: the system frees it when the process ends, however it ends.
    _file: File,
}

/// Takes this many bytes of the disk with this directory, and keeps them.
///
/// # Errors
/// [`FileError`] naming the directory: there is not enough space, or no file can be written there.
pub fn reserve_space(directory: &Path, bytes: usize) -> Result<ReservedSpace, FileError> {
    let path = directory.join(format!(".grantd-{}", uuid::Uuid::new_v4().as_simple()));
    let written = write_new(&path, &incompressible(bytes), Access::Private);
    // Whether or not it could be written, its name goes.
    let removed = fs::remove_file(&path);
    written
        .and_then(|file| removed.map(|()| ReservedSpace { _file: file }))
        .map_err(FileError::new("write in", directory))
}

/// Bytes that a file system with compression stores as they are.
fn incompressible(bytes: usize) -> Vec<u8> {
    // Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003.
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut contents: Vec<u8> = std::iter::repeat_with(&mut next).take(bytes.div_ceil(8)).flatten().collect();
    contents.truncate(bytes);
    contents
}

/// Puts a file that is whole and synced in its place, which is on the same file system.
///
/// # Errors
/// [`FileError`] naming the place. Nothing is changed then, unless only the sync of the directory failed.
pub fn move_into_place(from: &Path, path: &Path, existing: Existing) -> Result<(), FileError> {
    put_in_place(&FILE_SYSTEM, from, path, existing)
        .and_then(|()| (FILE_SYSTEM.sync_directory)(parent(path)))
        .map_err(FileError::new("write", path))
}

/// Finds out whether [`write()`] would succeed in this directory, by writing and removing a file of this many bytes.
///
/// # Errors
/// [`FileError`] naming the directory: it is not there, or read-only, full, or of a file system on which no way of writing
/// works.
pub fn check_writable(directory: &Path, bytes: usize) -> Result<(), FileError> {
    let probe = directory.join(format!(".grantd-{}", uuid::Uuid::new_v4().as_simple()));
    write(&probe, &vec![0; bytes], Access::Private, Existing::Keep)
        .map_err(|error| error.source)
        .and_then(|()| fs::remove_file(&probe))
        .map_err(FileError::new("write in", directory))
}

/// Removes what [`write()`] left in this directory, and in those below it, when its process was killed. Answers the number of
/// files.
///
/// Only files that were last written before `unix_seconds`: a younger one may be of a command that still runs.
///
/// # Errors
/// [`FileError`] naming the directory. What was found before is removed.
pub fn remove_unfinished(directory: &Path, unix_seconds: i64) -> Result<u32, FileError> {
    unfinished::remove(directory, unix_seconds).map_err(FileError::new("remove temporary files in", directory))
}

/// The operations that not every file system has, so that tests can do without them.
struct FileSystem {
    hard_link: fn(&Path, &Path) -> io::Result<()>,
    sync_directory: fn(&Path) -> io::Result<()>,
}

const FILE_SYSTEM: FileSystem = FileSystem {
    hard_link: |from, to| fs::hard_link(from, to),
    sync_directory: |directory| File::open(directory)?.sync_all(),
};

fn write_with(
    file_system: &FileSystem,
    path: &Path,
    contents: &[u8],
    access: Access,
    existing: Existing,
) -> Result<(), FileError> {
    let directory = parent(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(temporary_name(&name));
    refuse_irregular(path, existing)
        .and_then(|()| write_new(&temporary, contents, access))
        .and_then(|_| put_in_place(file_system, &temporary, path, existing))
        .inspect_err(|_| {
            // The error that is reported is the one of the write.
            let _ = fs::remove_file(&temporary);
        })
        .and_then(|()| match (file_system.sync_directory)(directory) {
            // Some file systems cannot sync a directory; the file itself has been synced.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput || error.kind() == io::ErrorKind::Unsupported => {
                Ok(())
            }
            synced => synced,
        })
        .map_err(FileError::new("write", path))
}

/// A name that is kept is not looked at: to take it fails, whatever is there.
fn refuse_irregular(path: &Path, existing: Existing) -> io::Result<()> {
    match (existing, irregular(path)) {
        (Existing::Keep, _) | (Existing::Replace, None) => Ok(()),
        (Existing::Replace, Some(what)) => {
            let message = format!("it is {what}, and only a regular file is replaced");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
    }
}

fn write_new(path: &Path, contents: &[u8], access: Access) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(access.mode()).open(path)?;
    file.write_all(contents)?;
    file.sync_all()?;
    Ok(file)
}

fn put_in_place(file_system: &FileSystem, temporary: &Path, path: &Path, existing: Existing) -> io::Result<()> {
    match existing {
        Existing::Replace => fs::rename(temporary, path),
        // A hard link fails when the name is taken; a check before a rename could be overtaken.
        Existing::Keep => match (file_system.hard_link)(temporary, path) {
            Ok(()) => {
                // The file is in place, whether or not its other name goes away.
                let _ = fs::remove_file(temporary);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) => reserve_and_rename(temporary, path),
        },
    }
}

/// Takes the name by an exclusive create, which fails when the name is taken, and puts the file in its place.
fn reserve_and_rename(temporary: &Path, path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(Access::Private.mode()).open(path)?;
    fs::rename(temporary, path).inspect_err(|_| {
        // The file is empty, and this process has just created it.
        let _ = fs::remove_file(path);
    })
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

/// Permission to read and to write, for users that are neither the owner nor in the group.
const EVERY_USER: u32 = 0o006;

/// Refuses a private key that every user may read or write.
///
/// Its group may: Skupper writes keys with the mode 0640, and Kubernetes gives a Secret that is mounted with an `fsGroup` to
/// that group.
///
/// # Errors
/// [`FileError`] naming the file and, with [`io::ErrorKind::PermissionDenied`], its mode and how to change it.
pub fn check_key_mode(path: &Path) -> Result<(), FileError> {
    let metadata = fs::metadata(path).map_err(FileError::new("look at", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & EVERY_USER == 0 {
        return Ok(());
    }
    let message = format!(
        "its mode {mode:04o} lets every user read or change it: 'chmod 600 {}', or, when it is a Kubernetes Secret, mount it \
         with 'defaultMode: 0400'",
        path.display()
    );
    Err(FileError::new("use the key", path)(io::Error::new(io::ErrorKind::PermissionDenied, message)))
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

/// The bytes that this user can still write to the file system of `path`, which exists.
///
/// # Errors
/// [`FileError`] naming the path.
pub fn free_bytes(path: &Path) -> Result<u64, FileError> {
    let system = rustix::fs::statvfs(path).map_err(|error| FileError::new("look at", path)(error.into()))?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
