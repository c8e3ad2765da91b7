//! The admin door on a Unix socket. Who may open the socket file may do everything: its mode is 0600.

use std::{
    fs::{self, Permissions},
    future::Future,
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
    task::Context,
};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::{
    AdminDoorError, BACKLOG, LONGEST_PATH,
    connections::{Connections, Protocol, serve},
};
use crate::{
    app::App,
    kube::{authorize::Peer, service::AdminService},
};

const MOST_CONNECTIONS: usize = 64;

/// To the connection that is one too many.
const TURNED_AWAY: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":503,"reason":"ServiceUnavailable","message":"too many connections, please try again later","details":{"retryAfterSeconds":1}}"#;

/// The admin door, bound and not yet serving: the Kubernetes-shaped API, for the owner of the socket file.
#[derive(Debug)]
pub struct AdminDoor {
    listener: UnixListener,
    file: SocketFile,
}

impl AdminDoor {
    /// Binds the socket, mode 0600, and listens. A socket left over at this path is replaced: the caller holds the
    /// data directory's lock, so nobody serves it any more.
    ///
    /// To be called within a Tokio runtime. When the door is dropped the socket file goes.
    ///
    /// # Errors
    /// [`AdminDoorError`]; then nothing was left behind.
    pub fn bind_unix(path: &Path) -> Result<Self, AdminDoorError> {
        let length = path.as_os_str().as_bytes().len();
        if length > LONGEST_PATH {
            return Err(AdminDoorError::PathTooLong { path: path.to_owned(), length });
        }
        let failed = |action: &'static str| {
            move |source: io::Error| AdminDoorError::Socket { action, path: path.to_owned(), source }
        };
        remove_stale(path)?;
        let socket = UnixSocket::new_stream().map_err(failed("make"))?;
        socket.bind(path).map_err(failed("bind"))?;
        let file = SocketFile::at(path).map_err(failed("look at"))?;
        // Before it listens: until then, whoever the umask lets in is refused.
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed("protect"))?;
        let listener = socket.listen(BACKLOG).map_err(failed("listen on"))?;
        Ok(Self { listener, file })
    }

    /// Where the socket is.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Serves until `shutdown` ends, then takes no more connections, removes the socket file, and lets the requests
    /// that have begun finish, for at most 22 seconds.
    pub async fn serve(self, app: Arc<App>, shutdown: impl Future<Output = ()> + Send) {
        let service = AdminService::new(app).of(Peer::Owner);
        let mut connections = Connections::new(MOST_CONNECTIONS);
        let accept = |context: &mut Context<'_>| self.listener.poll_accept(context);
        let taken = |connections: &mut Connections, (stream, _): (UnixStream, _)| match connections.place() {
            Some(place) => {
                let service = service.clone();
                connections.spawn(place, |stopping| serve(stream, Protocol::Http1, service, stopping));
            }
            None => turn_away(&stream),
        };
        connections.take(shutdown, accept, taken).await;
        drop(self);
        connections.drain().await;
    }
}

/// Answers without waiting for the request, which would take the place that there is not.
fn turn_away(stream: &UnixStream) {
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{TURNED_AWAY}",
        TURNED_AWAY.len()
    );
    // A client that is gone already, or does not read, misses it.
    let _ = stream.try_write(answer.as_bytes());
}

fn remove_stale(path: &Path) -> Result<(), AdminDoorError> {
    let failed = |source: io::Error| AdminDoorError::Socket { action: "replace", path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(failed),
        Ok(_) => Err(AdminDoorError::NotASocket { path: path.to_owned() }),
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
            // Nobody is left to be told of a failure; the next start replaces the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
