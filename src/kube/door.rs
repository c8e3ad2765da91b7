//! The admin door on a Unix socket. Who may open the socket file may do everything: its mode is 0600.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{UnixListener, UnixSocket, UnixStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tracing::{debug, error, info, warn};

use super::service::AdminService;
use crate::app::App;

/// `sun_path` has 108 bytes, the last of which is a zero (unix(7)).
const LONGEST_PATH: usize = 107;
/// As many connections wait in the kernel.
const BACKLOG: u32 = 128;
const MOST_CONNECTIONS: usize = 64;
/// For the header of each request, and so for an idle connection too.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// The header section, which is where selectors are.
const LONGEST_HEADER: usize = 32 * 1024;
/// Somewhat more than one request may take.
const DRAIN_DEADLINE: Duration = Duration::from_secs(22);
/// Without a pause, a failure that lasts (no file descriptor left) would keep a core busy.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// To the connection that is one too many.
const TURNED_AWAY: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":503,"reason":"ServiceUnavailable","message":"too many connections, please try again later","details":{"retryAfterSeconds":1}}"#;

/// Why the admin door cannot open.
#[derive(Debug, thiserror::Error)]
pub enum AdminDoorError {
    /// A Unix socket's address is shorter than that.
    #[error(
        "the path of the admin socket, {path}, has {length} bytes, and a Unix socket can have {LONGEST_PATH}: choose a \
         shorter --data-dir"
    )]
    PathTooLong {
        /// Where the socket was to be.
        path: PathBuf,
        /// Bytes of it.
        length: usize,
    },
    /// Something that is not ours stands there.
    #[error("{path} is in the way of the admin socket and is not a socket: move it away, or choose another --data-dir")]
    NotASocket {
        /// Where the socket was to be.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} the admin socket {path}")]
    Socket {
        /// What was being done, as in "bind".
        action: &'static str,
        /// Where the socket was to be.
        path: PathBuf,
        /// The system's own words.
        #[source]
        source: io::Error,
    },
}

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
        let service = AdminService::new(app);
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let (stop, stopping) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => {
                    report(ended);
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        let connection = serve_connection(stream, service.clone(), stopping.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                    Err(_) => turn_away(&stream),
                },
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "the admin door could not take a connection");
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
        drop(self);
        drop((stop, stopping));
        drain(connections).await;
    }
}

async fn drain(mut connections: JoinSet<()>) {
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(DRAIN_DEADLINE, all_ended).await.is_err() {
        info!(connections = connections.len(), "the admin door closes with requests unfinished");
        connections.shutdown().await;
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(error = &error as &dyn std::error::Error, "an admin request ended in a panic");
    }
}

async fn serve_connection(stream: UnixStream, service: AdminService, mut stopping: watch::Receiver<()>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(LONGEST_HEADER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // The sender is dropped when the door closes; nothing is ever sent.
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(error = &error as &dyn std::error::Error, "an admin connection ended early");
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
