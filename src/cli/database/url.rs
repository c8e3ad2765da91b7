//! The URL of a PostgreSQL database, as libpq writes it: <https://www.postgresql.org/docs/current/libpq-connect.html>.

#[cfg(test)]
mod tests;

use std::{net::IpAddr, path::PathBuf};

use percent_encoding::percent_decode_str;

use crate::store::{DatabasePassword, PostgresAddress, PostgresServer, PostgresTls, PostgresTlsMode};

const DEFAULT_PORT: u16 = 5432;
/// PostgreSQL cuts longer names off without a word.
const LONGEST_NAME: usize = 63;

/// Why a text is no URL of a database. No message quotes the text: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DatabaseUrlError {
    /// Another scheme, or none.
    #[error("must be postgres://USER@HOST:PORT/DATABASE; without it, the store is SQLite in the data directory")]
    Scheme,
    /// A character that has a meaning in URLs.
    #[error("has a {0:?} in the user, the password, the host or the database: write it as {1}")]
    Unescaped(char, &'static str),
    /// A part that is no text.
    #[error("has a '%' that does not begin a character: write '%' itself as %25")]
    Escape,
    /// No user, or one that PostgreSQL cannot have.
    #[error("must name the user, in at most 63 bytes, as in postgres://USER@HOST:PORT/DATABASE")]
    User,
    /// No database, or one that PostgreSQL cannot have.
    #[error("must name the database, in at most 63 bytes, as in postgres://USER@HOST:PORT/DATABASE")]
    Database,
    /// Not one host.
    #[error(
        "must name one host: a DNS name, an IP address ([::1] for IPv6), or the directory of a Unix socket as \
         ?host=/run/postgresql; for several servers, name what leads to the primary"
    )]
    Host,
    /// The port is wrong.
    #[error("must have a port from 1 to 65535, or none for 5432")]
    Port,
    /// A parameter that is not known.
    #[error(
        "has a parameter that is not known: the known ones are host, port, sslmode, sslrootcert, sslcert and sslkey"
    )]
    UnknownParameter,
    /// A parameter that is there twice, or besides the same part of the URL.
    #[error("has {0} twice")]
    Twice(&'static str),
    /// An unknown mode, or one that any stranger can turn off.
    #[error("sslmode must be verify-full, verify-ca, require or disable")]
    Mode,
    /// The name of a file is missing.
    #[error("{0} must be the path of a file")]
    File(&'static str),
    /// One of two files.
    #[error("must have both sslcert and sslkey, or none of them")]
    HalfAClient,
    /// TLS on a Unix socket.
    #[error("a Unix socket has no TLS: leave the parameters out that begin with ssl")]
    TlsOnSocket,
    /// The files would not be used.
    #[error("sslrootcert is of use only with sslmode=verify-full or verify-ca, and sslcert not with sslmode=disable")]
    UnusedFile,
}

/// The parameters after the question mark, decoded.
#[derive(Default)]
struct Parameters {
    host: Option<String>,
    port: Option<String>,
    mode: Option<String>,
    roots: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

/// Reads `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?PARAMETERS]`.
///
/// Without `sslmode` it is `verify-full`; at a loopback address without `sslrootcert`, where nobody is between, it is `disable`.
///
/// # Errors
/// [`DatabaseUrlError`].
pub(crate) fn database_address(text: &str) -> Result<PostgresAddress, DatabaseUrlError> {
    let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let rest = rest.ok_or(DatabaseUrlError::Scheme)?;
    if rest.contains('#') {
        return Err(DatabaseUrlError::Unescaped('#', "%23"));
    }
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = before_query.split_once('/').unwrap_or((before_query, ""));
    let (credentials, host) = authority.rsplit_once('@').ok_or(DatabaseUrlError::User)?;
    if credentials.contains('@') {
        return Err(DatabaseUrlError::Unescaped('@', "%40"));
    }
    if database.contains('/') {
        return Err(DatabaseUrlError::Unescaped('/', "%2F"));
    }
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let user = name(user, DatabaseUrlError::User)?;
    let password = Some(decoded(password)?).filter(|password| !password.is_empty());
    let database = name(database, DatabaseUrlError::Database)?;
    let parameters = Parameters::read(query)?;
    let server = server(host, &parameters)?;
    let tls = tls(&server, parameters)?;
    Ok(PostgresAddress { server, user, database, password: password.map(DatabasePassword::new), tls })
}

/// Whether nobody on the way to the server can read and change what is sent: the server's certificate is verified, or the way
/// does not leave this host.
pub(crate) fn is_protected(PostgresAddress { server, tls, .. }: &PostgresAddress) -> bool {
    match tls.mode {
        PostgresTlsMode::VerifyFull => true,
        // sqlx trusts the public CAs as well, which sign for everybody.
        PostgresTlsMode::VerifyCa | PostgresTlsMode::Require | PostgresTlsMode::Disable => is_on_this_host(server),
    }
}

fn is_on_this_host(server: &PostgresServer) -> bool {
    match server {
        PostgresServer::Socket { .. } => true,
        PostgresServer::Tcp { host, port: _ } => {
            let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
            host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
        }
    }
}

/// The name of a user or a database, or this error when it is empty or too long.
fn name(text: &str, error: DatabaseUrlError) -> Result<String, DatabaseUrlError> {
    let name = decoded(text)?;
    if (1..=LONGEST_NAME).contains(&name.len()) { Ok(name) } else { Err(error) }
}

fn decoded(text: &str) -> Result<String, DatabaseUrlError> {
    let is_escape = |after: &str| after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(is_escape) {
        return Err(DatabaseUrlError::Escape);
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| DatabaseUrlError::Escape)?;
    // PostgreSQL's protocol ends texts with a zero byte.
    if decoded.contains('\0') { Err(DatabaseUrlError::Escape) } else { Ok(decoded.into_owned()) }
}

impl Parameters {
    fn read(query: &str) -> Result<Self, DatabaseUrlError> {
        let mut found = Self::default();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or(DatabaseUrlError::UnknownParameter)?;
            let (place, name) = match name {
                "host" => (&mut found.host, "host"),
                "port" => (&mut found.port, "port"),
                "sslmode" => (&mut found.mode, "sslmode"),
                "sslrootcert" => (&mut found.roots, "sslrootcert"),
                "sslcert" => (&mut found.certificate, "sslcert"),
                "sslkey" => (&mut found.key, "sslkey"),
                _ => return Err(DatabaseUrlError::UnknownParameter),
            };
            if place.replace(decoded(value)?).is_some() {
                return Err(DatabaseUrlError::Twice(name));
            }
        }
        Ok(found)
    }
}

fn server(authority: &str, parameters: &Parameters) -> Result<PostgresServer, DatabaseUrlError> {
    let (host, port) = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, port)) if host.contains(':') => (host, port),
        Some(_) => return Err(DatabaseUrlError::Host),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let host = match (decoded(host)?, &parameters.host) {
        (host, None) => host,
        (host, Some(parameter)) if host.is_empty() => parameter.clone(),
        (_, Some(_)) => return Err(DatabaseUrlError::Twice("a host")),
    };
    let port = match (port.strip_prefix(':'), parameters.port.as_deref()) {
        (Some(_), Some(_)) => return Err(DatabaseUrlError::Twice("a port")),
        (Some(port), None) | (None, Some(port)) => number(port).ok_or(DatabaseUrlError::Port)?,
        (None, None) if port.is_empty() => DEFAULT_PORT,
        (None, None) => return Err(DatabaseUrlError::Host),
    };
    if host.starts_with('/') {
        return Ok(PostgresServer::Socket { directory: PathBuf::from(host), port });
    }
    let is_name = (1..=253).contains(&host.len())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    match host.parse::<IpAddr>() {
        Ok(ip) => Ok(PostgresServer::Tcp { host: ip.to_string(), port }),
        Err(_) if is_name => Ok(PostgresServer::Tcp { host, port }),
        Err(_) => Err(DatabaseUrlError::Host),
    }
}

fn number(port: &str) -> Option<u16> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|port| digits && *port != 0)
}

fn tls(server: &PostgresServer, parameters: Parameters) -> Result<PostgresTls, DatabaseUrlError> {
    let Parameters { host: _, port: _, mode, roots, certificate, key } = parameters;
    let file = |path: Option<String>, name| match path {
        Some(path) if path.is_empty() => Err(DatabaseUrlError::File(name)),
        path => Ok(path.map(PathBuf::from)),
    };
    let roots = file(roots, "sslrootcert")?;
    let client = match (file(certificate, "sslcert")?, file(key, "sslkey")?) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(DatabaseUrlError::HalfAClient),
    };
    let mode = match mode.as_deref() {
        None if is_on_this_host(server) && roots.is_none() && client.is_none() => PostgresTlsMode::Disable,
        None | Some("verify-full") => PostgresTlsMode::VerifyFull,
        Some("verify-ca") => PostgresTlsMode::VerifyCa,
        Some("require") => PostgresTlsMode::Require,
        Some("disable") => PostgresTlsMode::Disable,
        Some(_) => return Err(DatabaseUrlError::Mode),
    };
    let has_unused_file = match mode {
        PostgresTlsMode::Disable => roots.is_some() || client.is_some(),
        PostgresTlsMode::Require => roots.is_some(),
        PostgresTlsMode::VerifyCa | PostgresTlsMode::VerifyFull => false,
    };
    if has_unused_file {
        return Err(DatabaseUrlError::UnusedFile);
    }
    if matches!(server, PostgresServer::Socket { .. }) && mode != PostgresTlsMode::Disable {
        return Err(DatabaseUrlError::TlsOnSocket);
    }
    Ok(PostgresTls { mode, roots, client })
}
