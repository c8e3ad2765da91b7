//! Hostile clients, and what honest clients get meanwhile: each file is a kind of attack, with its figures.
//!
//! Attackers and honest clients are of this process. An honest client may be far away: it delays what it sends and receives
//! itself ([`distance`]). Source addresses are those of loopback, of which Linux has all of 127.0.0.0/8.
//!
//! By default an attack is bounded, for a debug build on a busy machine. `GRANTD_LONG_TESTS=1` makes it as long and as many as
//! an attacker would, and prints a row of a table for each; `GRANTD_UNDER_TEST` names the program, which should then be a
//! release build:
//!
//! ```sh
//! GRANTD_LONG_TESTS=1 GRANTD_UNDER_TEST=$PWD/target/release/grantd \
//!     cargo test --test spec hostile:: -- --test-threads=1 --nocapture
//! ```

mod admin;
mod admin_flood;
mod admin_tenants;
mod attack;
mod connects;
mod distance;
mod honest;
mod idle;
mod links;
mod log;
mod memory;
mod mixed_shapes;
mod observe;
mod refusals;
mod shapes;
mod slow;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use tokio::sync::{Mutex, MutexGuard};

use crate::server::Server;

/// The address of an attacker.
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// The address of an honest client.
const NEIGHBOUR: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

/// How far a scenario goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A few seconds.
    Bounded,
    /// With the figures of a real attack.
    Long,
}

impl Form {
    fn chosen() -> Self {
        if std::env::var_os("GRANTD_LONG_TESTS").is_some_and(|value| value == "1") { Self::Long } else { Self::Bounded }
    }

    fn of<T>(bounded: T, long: T) -> T {
        match Self::chosen() {
            Self::Bounded => bounded,
            Self::Long => long,
        }
    }
}

/// One scenario at a time: each would be an attack on the others. Raises this process's limit of open files, which the
/// servers that it starts inherit.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let guard = ALONE.lock().await;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    guard
}

/// Prints a row of the table of results, in the long form.
#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn report(attack: &str, result: impl fmt::Display) {
    if Form::chosen() == Form::Long {
        println!("\n| {attack} | {result} |");
    }
}

/// How long an attack goes on before honest clients come, so that it has its full effect.
async fn let_it_take_effect(length: Duration) {
    tokio::time::sleep(length).await;
}

/// Whether the server answers its probe within a second, as a kubelet expects by default.
async fn is_alive(server: &Server, from: IpAddr) -> bool {
    let asked = honest::get(server.observe, from, "/livez");
    matches!(tokio::time::timeout(Duration::from_secs(1), asked).await, Ok(Some(200)))
}
