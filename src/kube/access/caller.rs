//! Clients of the admin API: authenticated ones and others.

use std::borrow::Cow;

use crate::pki::AdminUser;

/// The client of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A client of the Unix socket: its user may open the socket file, and may do everything.
    Owner {
        /// The system's number of that user.
        uid: u32,
    },
    /// A client with the certificate of this user.
    Certificate(AdminUser),
    /// A client with a certificate of this user, which was revoked.
    Revoked(AdminUser),
    /// A client without a certificate.
    Unauthenticated,
}

impl Peer {
    /// The user name for logs; empty for unauthenticated clients. No user of a certificate can have a name with a colon.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Certificate(user) | Self::Revoked(user) => user.name.as_str().into(),
            Self::Owner { uid } => format!("uid:{uid}").into(),
            Self::Unauthenticated => "".into(),
        }
    }

    /// The name under which the peer's share of memory is counted.
    pub(crate) fn share(&self) -> &str {
        match self {
            Self::Certificate(user) | Self::Revoked(user) => user.name.as_str(),
            Self::Owner { .. } => "grantd:owner",
            Self::Unauthenticated => "",
        }
    }
}

impl Peer {
    /// The caller for reviews; `None` for an unauthenticated client.
    pub(crate) fn caller(&self) -> Option<Caller> {
        match self {
            Self::Owner { .. } => Some(Caller::Owner),
            Self::Certificate(user) => Some(Caller::User(user.clone())),
            Self::Unauthenticated | Self::Revoked(_) => None,
        }
    }
}

/// An authenticated client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The owner of the server, who may open the socket file.
    Owner,
    /// A client with the certificate of this user.
    User(AdminUser),
}

impl Caller {
    /// The user name that `kubectl auth whoami` shows.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Owner => "grantd:owner",
            Self::User(user) => user.name.as_str(),
        }
    }

    /// The groups that `kubectl auth whoami` shows.
    pub(crate) fn groups(&self) -> Vec<String> {
        let authenticated = "system:authenticated".to_owned();
        match self {
            Self::Owner => vec![authenticated],
            Self::User(user) => vec![user.scope.to_string(), authenticated],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_one_name_and_one_share_with_a_revoked_certificate_too() {
        let alice = || AdminUser { name: "alice".parse().unwrap(), scope: "grantd:west:write".parse().unwrap() };
        for (peer, name, share) in [
            (Peer::Certificate(alice()), "alice", "alice"),
            (Peer::Revoked(alice()), "alice", "alice"),
            (Peer::Owner { uid: 7 }, "uid:7", "grantd:owner"),
            (Peer::Unauthenticated, "", ""),
        ] {
            assert_eq!((&*peer.name(), peer.share()), (name, share), "{peer:?}");
        }
    }
}
