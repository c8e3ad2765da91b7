//! A port that a server can have again after a restart.

use std::net::TcpListener;

/// Below the range of Linux's ephemeral ports, so that no other process is given the port meanwhile.
const CANDIDATES: std::ops::Range<u16> = 20_000..30_000;

/// A port of loopback without a listener.
pub(crate) fn free() -> u16 {
    let seed = uuid::Uuid::new_v4().as_u128();
    let count = u128::from(CANDIDATES.end - CANDIDATES.start);
    (0..100)
        .map(|step| CANDIDATES.start + u16::try_from((seed + step * 97) % count).unwrap())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port among a hundred")
}
