//! Unix sockets that listen. A process that may open the socket file may connect: the mode of the file is 0600.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    task::{Context, Poll},
};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::{Acceptor, Peer};

/// `sun_path` has 108 bytes, the last of which is a zero (unix(7)).
const LONGEST_PATH: usize = 107;
/// The most connections that the kernel queues.
const BACKLOG: u32 = 128;

/// Why a path cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum UnixBindError {
    /// The path is longer than the address of a Unix socket can be.
    #[error(
        "the path of the socket, {path}, has {length} bytes, and a Unix socket can have {LONGEST_PATH}: choose a shorter \
         {flag}"
    )]
    PathTooLong {
        /// The path that was configured.
        path: PathBuf,
        /// The length of the path in bytes.
        length: usize,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// The path names a file that is not a socket.
    #[error("{path} is in the way of a socket and is not one itself: move it away, or choose another {flag}")]
    NotASocket {
        /// The path that was configured.
        path: PathBuf,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// The system refused.
    #[error("cannot {action} the socket {path}")]
    Socket {
        /// What was being done, as in "bind".
        action: &'static str,
        /// The path that was configured.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// A Unix socket that listens: connections wait in the kernel until they are accepted. The file goes when this is dropped.
#[derive(Debug)]
pub struct BoundUnix {
    listener: UnixListener,
    file: SocketFile,
}

impl BoundUnix {
    /// Binds the socket, mode 0600, and listens. A socket left over at this path is replaced: the caller holds a lock that
    /// shows that no process serves it any more. `flag` sets where the path is.
    ///
    /// To be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`UnixBindError`]; then nothing was left behind.
    pub fn bind(path: &Path, flag: &'static str) -> Result<Self, UnixBindError> {
        let length = path.as_os_str().as_bytes().len();
        if length > LONGEST_PATH {
            return Err(UnixBindError::PathTooLong { path: path.to_owned(), length, flag });
        }
        let failed = |action: &'static str| {
            move |source: io::Error| UnixBindError::Socket { action, path: path.to_owned(), source }
        };
        remove_stale(path, flag)?;
        let socket = UnixSocket::new_stream().map_err(failed("make"))?;
        socket.bind(path).map_err(failed("bind"))?;
        let file = SocketFile::at(path).map_err(failed("look at"))?;
        // The mode is set before the socket listens: until then connections are refused, whatever the umask allows.
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed("protect"))?;
        let listener = socket.listen(BACKLOG).map_err(failed("listen on"))?;
        Ok(Self { listener, file })
    }

    /// Where the socket is.
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Acceptor for BoundUnix {
    type Stream = UnixStream;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(UnixStream, Peer)>> {
        self.listener.poll_accept(context).map_ok(|(stream, _)| (stream, Peer::Local))
    }

    fn prepare(_: &UnixStream) -> io::Result<()> {
        Ok(())
    }

    async fn first_bytes(stream: &UnixStream) -> io::Result<()> {
        stream.readable().await
    }
}

fn remove_stale(path: &Path, flag: &'static str) -> Result<(), UnixBindError> {
    let failed = |source: io::Error| UnixBindError::Socket { action: "replace", path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(failed),
        Ok(_) => Err(UnixBindError::NotASocket { path: path.to_owned(), flag }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// The file of a bound socket, removed when dropped, unless another one has taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // A failure has no consequence: the next start replaces the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
