//! How much of the server one client, or all of them together, can use.

use std::time::Duration;

/// The limits of the redeem listener. Beyond a limit a connection is closed or answered, never queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From the accepted connection to the end of its TLS handshake.
    pub handshake_deadline: Duration,
    /// From the accepted connection to the answer. Skupper's clients give up 10 s after they began to connect.
    pub request_deadline: Duration,
    /// From the request to stop until connections still open are cut.
    pub drain_deadline: Duration,
    /// The longest body, in bytes, which is also the longest code that can be redeemed.
    pub max_body_bytes: usize,
    /// The longest request line and header section together, in bytes.
    pub max_header_bytes: usize,
    /// The most header lines.
    pub max_headers: usize,
    /// The most connections at once, those in their handshake and redemptions whose client has gone included.
    pub max_connections: u32,
    /// The most connections at once from one IPv4 address or one IPv6 network of 64 bits; 0 for no such limit.
    pub max_connections_per_peer: u32,
    /// The most handshakes at once: they cost an unauthenticated client little and the server memory.
    pub max_handshakes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_deadline: Duration::from_secs(5),
            request_deadline: Duration::from_secs(10),
            drain_deadline: Duration::from_secs(25),
            max_body_bytes: 1024,
            max_header_bytes: 8192,
            max_headers: 32,
            max_connections: 4096,
            max_connections_per_peer: 0,
            max_handshakes: 1024,
        }
    }
}
