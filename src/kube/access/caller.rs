//! Which clients there are.

use crate::pki::AdminUser;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Who may open the socket file. May do everything.
    Owner,
    /// Whoever has the key of this user's certificate.
    Certificate(AdminUser),
    /// Somebody who has shown nothing.
    Nobody,
}

impl Peer {
    /// How logs name it; the owner and nobody have no name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Certificate(user) => user.name.as_str(),
            Self::Owner | Self::Nobody => "",
        }
    }
}

impl Peer {
    /// Whom reviews answer; nobody is answered nothing.
    pub(crate) fn caller(&self) -> Option<Caller> {
        match self {
            Self::Owner => Some(Caller::Owner),
            Self::Certificate(user) => Some(Caller::User(user.clone())),
            Self::Nobody => None,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Who may open the socket file: the owner of the server.
    Owner,
    /// Whoever has the key of this user's certificate.
    User(AdminUser),
}

impl Caller {
    /// As `kubectl auth whoami` shows it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Owner => "grantd:owner",
            Self::User(user) => user.name.as_str(),
        }
    }

    /// As `kubectl auth whoami` shows them.
    pub(crate) fn groups(&self) -> Vec<String> {
        let everybody = "system:authenticated".to_owned();
        match self {
            Self::Owner => vec![everybody],
            Self::User(user) => vec![user.scope.to_string(), everybody],
        }
    }
}
