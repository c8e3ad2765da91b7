//! How requests come in: a Unix socket for the owner of its file, and TLS for users with certificates.

mod connections;
mod tls;
mod unix;

use std::{io, net::SocketAddr, path::PathBuf};

pub use self::{tls::AdminTlsDoor, unix::AdminDoor};

/// `sun_path` has 108 bytes, the last of which is a zero (unix(7)).
const LONGEST_PATH: usize = 107;
/// As many connections wait in the kernel.
const BACKLOG: u32 = 128;

/// Why an admin door cannot open.
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
    /// The system refused the address.
    #[error("cannot listen on {address} for administrators: choose another address with --admin-listen")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// The system's own words.
        #[source]
        source: io::Error,
    },
    /// The certificate or its key is of a kind that TLS 1.3 does not use.
    #[error("the admin door's certificate cannot be used for TLS")]
    Certificate(#[source] rustls::Error),
    /// The CA file holds no certificate that could be a CA.
    #[error("the CA of the admin door's certificate cannot be used to check those of users")]
    UserCa(#[source] rustls::server::VerifierBuilderError),
}
