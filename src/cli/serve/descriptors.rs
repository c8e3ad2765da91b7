//! How the process shares its file descriptors between the listeners: a flood of one never takes those of another.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::{
    http::{Limits, ObserveListener},
    kube::{AdminSocketListener, AdminTlsListener},
};

/// What the process needs besides the connections of its listeners: 144 connections to other sites, 32 for the database,
/// sockets and files, and as many for connections that have lost their place and are about to close.
const OWN_FILES: u64 = 208;

/// The most connections of each listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    pub(super) redeem: u32,
    pub(super) observe: u32,
    pub(super) admin_socket: u32,
    pub(super) admin_network: u32,
}

/// Raises the limit of open files as far as the process may, and returns it.
pub(super) fn raise() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Raising the soft limit to the hard one is always allowed; if it fails all the same, the lower one is what counts.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many open files the process needs for all connections that it may have.
pub(crate) fn needed_files(limits: &Limits, has_admin_network: bool) -> u64 {
    let of_admin_network = if has_admin_network { AdminTlsListener::MOST_CONNECTIONS } else { 0 };
    let connections = [
        limits.max_connections,
        ObserveListener::MOST_CONNECTIONS,
        AdminSocketListener::MOST_CONNECTIONS,
        of_admin_network,
    ];
    OWN_FILES + connections.into_iter().map(u64::from).sum::<u64>()
}

/// Shares `open_files`: the redeem listener gets what the others leave of it, and they leave at least half.
pub(super) fn share(open_files: u64, limits: &Limits, has_admin_network: bool) -> Shares {
    let for_connections = open_files - OWN_FILES.min(open_files / 2);
    let at_most = |most: u32, share: u64| u32::try_from(share).unwrap_or(u32::MAX).clamp(1, most);
    let observe = at_most(ObserveListener::MOST_CONNECTIONS, for_connections / 8);
    let admin_socket = at_most(AdminSocketListener::MOST_CONNECTIONS, for_connections / 8);
    let admin_network =
        if has_admin_network { at_most(AdminTlsListener::MOST_CONNECTIONS, for_connections / 4) } else { 0 };
    let others = u64::from(observe) + u64::from(admin_socket) + u64::from(admin_network);
    let redeem = at_most(limits.max_connections, for_connections.saturating_sub(others));
    Shares { redeem, observe, admin_socket, admin_network }
}

/// Says when the limit of open files lowers that of connections.
pub(super) fn warn_if_lowered(open_files: u64, limits: &Limits, shares: Shares) {
    if shares.redeem < limits.max_connections {
        let needed = needed_files(limits, shares.admin_network > 0);
        warn!(
            open_files.limit = open_files,
            open_files.needed = needed,
            connections.configured = limits.max_connections,
            connections.allowed = shares.redeem,
            "the limit of open files allows fewer connections than --max-connections: raise it (systemd: LimitNOFILE=, \
             shell: ulimit -Hn) or lower --max-connections"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_enough_files_every_listener_has_all_its_connections() {
        let shares = share(16_384, &Limits::default(), true);
        assert_eq!(shares, Shares { redeem: 4096, observe: 128, admin_socket: 64, admin_network: 256 });
        assert_eq!(share(u64::MAX, &Limits::default(), false).admin_network, 0);
    }

    #[test]
    fn with_as_many_files_as_are_needed_no_limit_is_lowered() {
        for max_connections in [1, 100, 4096, 1_000_000] {
            for has_admin_network in [false, true] {
                let limits = Limits { max_connections, ..Limits::default() };
                let shares = share(needed_files(&limits, has_admin_network), &limits, has_admin_network);
                assert_eq!(shares.redeem, max_connections, "{shares:?}");
            }
        }
    }

    #[test]
    fn with_few_files_the_redeem_listener_gets_what_the_others_leave() {
        let shares = share(1024, &Limits::default(), false);
        assert_eq!(shares, Shares { redeem: 650, observe: 102, admin_socket: 64, admin_network: 0 });
    }

    #[test]
    fn whatever_the_limit_all_connections_and_the_own_files_have_room_together() {
        for open_files in 16..5000_u64 {
            for has_admin_network in [false, true] {
                let shares = share(open_files, &Limits::default(), has_admin_network);
                let Shares { redeem, observe, admin_socket, admin_network } = shares;
                let all = u64::from(redeem) + u64::from(observe) + u64::from(admin_socket) + u64::from(admin_network);
                assert!(all + OWN_FILES.min(open_files / 2) <= open_files, "{open_files}: {shares:?}");
                assert!(redeem > 0 && observe > 0 && admin_socket > 0);
            }
        }
    }
}
