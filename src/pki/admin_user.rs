//! Users of the admin API over TLS, and the certificates that say what each may do.

use std::{fmt, str::FromStr, time::Duration};

use rcgen::{DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};

use super::{
    authority::{params, sign_with},
    certificate,
    error::PkiError,
    pem::PrivateKeyPem,
    profile::{BACKDATING, Validity},
};
use crate::{grant::Namespace, time::Timestamp};

/// The most characters of a common name (RFC 5280, upper bounds).
const LONGEST_NAME: usize = 64;
/// The organization of every user's certificate begins with this.
const PREFIX: &str = "grantd";
/// The most hexadecimal digits of a serial number: 20 bytes (RFC 5280 4.1.2.2), and one that keeps it positive.
const LONGEST_SERIAL: usize = 42;
/// The text for all namespaces; no namespace can have this name.
const EVERYWHERE: &str = "*";

/// A user's name: 1 to 64 printable ASCII characters, none of `:`, `/`, `,`, and no blank at either end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

impl UserName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The text is not a user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 printable ASCII characters, without ':', '/', ',' and without blanks at the ends")]
pub struct ParseUserNameError;

impl FromStr for UserName {
    type Err = ParseUserNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=LONGEST_NAME).contains(&text.len());
        let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b":/,".contains(&byte));
        if fits && printable && text.trim() == text { Ok(Self(text.to_owned())) } else { Err(ParseUserNameError) }
    }
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdminAccess {
    /// Everything that the admin API offers.
    ReadWrite,
    /// Read, and change nothing.
    ReadOnly,
}

/// In which namespaces a user may do what. As text `grantd:NAMESPACE:write` or `grantd:NAMESPACE:read`, with `*` for all namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AdminScope {
    /// This namespace alone; `None` for all of them.
    pub namespace: Option<Namespace>,
    /// What the user may do there.
    pub access: AdminAccess,
}

impl fmt::Display for AdminScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace.as_ref().map_or(EVERYWHERE, Namespace::as_str);
        let access = match self.access {
            AdminAccess::ReadWrite => "write",
            AdminAccess::ReadOnly => "read",
        };
        write!(f, "{PREFIX}:{namespace}:{access}")
    }
}

/// The text is not a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 'grantd:NAMESPACE:write' or 'grantd:NAMESPACE:read', with '*' for all namespaces")]
pub struct ParseAdminScopeError;

impl FromStr for AdminScope {
    type Err = ParseAdminScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let (Some(PREFIX), Some(namespace), Some(access), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseAdminScopeError);
        };
        let namespace = match namespace {
            EVERYWHERE => None,
            name => Some(name.parse().map_err(|_| ParseAdminScopeError)?),
        };
        let access = match access {
            "write" => AdminAccess::ReadWrite,
            "read" => AdminAccess::ReadOnly,
            _ => return Err(ParseAdminScopeError),
        };
        Ok(Self { namespace, access })
    }
}

/// The serial number of a user's certificate: 1 to 20 bytes. Other programs can sign with the admin CA too, so it need not
/// have the form of [`grant::SerialNumber`](crate::grant::SerialNumber).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdminSerial(String);

impl AdminSerial {
    /// The serial with these big-endian bytes.
    fn of_bytes(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02X}")).collect())
    }

    /// Upper-case hex, as `openssl x509 -serial` prints it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AdminSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The text is not a serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a serial number of 2 to 42 hexadecimal digits")]
pub struct ParseAdminSerialError;

impl FromStr for AdminSerial {
    type Err = ParseAdminSerialError;

    /// Reads hexadecimal digits in either case, as bytes: an even number of them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (2..=LONGEST_SERIAL).contains(&text.len()) && text.len().is_multiple_of(2);
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if fits && is_hex { Ok(Self(text.to_ascii_uppercase())) } else { Err(ParseAdminSerialError) }
    }
}

/// A user of the admin API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AdminUser {
    /// The common name of the certificate.
    pub name: UserName,
    /// Its organization.
    pub scope: AdminScope,
}

impl AdminUser {
    /// The user that a certificate names. It must have one common name and one organization, and both must be what
    /// [`make_admin_user`] writes; `None` otherwise. Whether the certificate is trusted is not checked.
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let read = certificate::parse(der)?;
        let subject = read.subject();
        let (mut names, mut organizations) = (subject.iter_common_name(), subject.iter_organization());
        let (Some(name), None, Some(organization), None) =
            (names.next(), names.next(), organizations.next(), organizations.next())
        else {
            return None;
        };
        Some(Self { name: name.as_str().ok()?.parse().ok()?, scope: organization.as_str().ok()?.parse().ok()? })
    }
}

/// A user's certificate, as far as it decides who may connect and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AdminCertificate {
    /// The user that it names.
    pub user: AdminUser,
    /// Its serial number.
    pub serial: AdminSerial,
    /// When it was made: five minutes after its first second.
    pub issued_at: Timestamp,
    /// Its last second.
    pub not_after: Timestamp,
}

impl AdminCertificate {
    /// Reads a certificate; `None` when it names no user ([`AdminUser::of_certificate`]). Whether it is trusted is not checked.
    pub fn read(der: &[u8]) -> Option<Self> {
        let user = AdminUser::of_certificate(der)?;
        let read = certificate::parse(der)?;
        let Validity { not_before, not_after } = certificate::validity(&read);
        let serial = AdminSerial::of_bytes(read.raw_serial());
        Some(Self { user, serial, issued_at: not_before.saturating_add(BACKDATING), not_after })
    }

    /// Reads the first certificate of a PEM text; `None` when it names no user, or when the CA, as PEM too, has not signed it.
    /// Dates are not checked.
    pub fn of_pem(pem: &[u8], ca_pem: &[u8]) -> Option<Self> {
        let (chain, ca) = (certificate::read_all(pem).ok()?, certificate::read_all(ca_pem).ok()?);
        let (der, ca) = (chain.first()?, certificate::parse(ca.first()?)?);
        if certificate::is_issued_by(&certificate::parse(der)?, &ca) { Self::read(der) } else { None }
    }
}

/// Makes an ECDSA P-256 key and a certificate with which `user` may use the admin API: for TLS clients alone, valid from
/// five minutes ago and never past its CA, which is one that [`make_ca`](super::make_ca) has made.
///
/// # Errors
/// [`PkiError::Authority`] when the CA cannot be used, [`PkiError::Make`] when the machine fails.
pub fn make_admin_user(
    ca_certificate_pem: &[u8],
    ca_key_pem: &[u8],
    user: &AdminUser,
    now: Timestamp,
    validity: Duration,
) -> Result<(String, PrivateKeyPem), PkiError> {
    let what = "user's certificate";
    let mut params = params(user.name.as_str(), now, validity).map_err(|source| PkiError::Make { what, source })?;
    params.distinguished_name.push(DnType::OrganizationName, user.scope.to_string());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    sign_with(ca_certificate_pem, ca_key_pem, params, now, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{CaKeyType, SelfMadeCa, make_ca, pem};
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn now() -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000)
    }

    fn user(name: &str, scope: &str) -> AdminUser {
        AdminUser { name: name.parse().unwrap(), scope: scope.parse().unwrap() }
    }

    fn made(ca: &SelfMadeCa, user: &AdminUser, validity: Duration) -> Vec<u8> {
        let (ca_pem, key) = (ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes());
        let (certificate, _) = make_admin_user(ca_pem, key, user, now(), validity).unwrap();
        pem::blocks(certificate.as_bytes()).unwrap()[0].der.to_vec()
    }

    #[test]
    fn a_certificate_names_the_user_it_was_made_for() {
        let ca = make_ca("ca", CaKeyType::EcdsaP256, now()).unwrap();
        let longest = format!("grantd:{}:write", "n".repeat(63));
        for user in [user("alice", "grantd:*:write"), user("A b@c", "grantd:west:read"), user("a", &longest)] {
            assert_eq!(AdminUser::of_certificate(&made(&ca, &user, DAY)), Some(user));
        }
    }

    #[test]
    fn a_certificate_is_read_with_its_serial_and_its_times() {
        let ca = make_ca("ca", CaKeyType::EcdsaP256, now()).unwrap();
        let alice = user("alice", "grantd:west:read");
        let read = AdminCertificate::read(&made(&ca, &alice, DAY)).unwrap();
        assert_eq!((&read.user, read.issued_at, read.not_after), (&alice, now(), now().saturating_add(DAY)));
        assert_eq!((read.serial.as_str().len(), read.serial.as_str().parse().as_ref()), (32, Ok(&read.serial)));
        assert_eq!("0aFF".parse::<AdminSerial>().unwrap().as_str(), "0AFF");
        for text in ["", "0", "0AF", "0AFG", &"00".repeat(22)] {
            assert_eq!(text.parse::<AdminSerial>(), Err(ParseAdminSerialError), "{text}");
        }
    }

    #[test]
    fn a_users_certificate_is_for_clients_alone_and_never_outlives_its_ca() {
        let ca = make_ca("ca", CaKeyType::EcdsaP256, now()).unwrap();
        let der = made(&ca, &user("alice", "grantd:*:write"), DAY * 36_500);
        let read = certificate::parse(&der).unwrap();
        let ca_der = pem::blocks(ca.certificate_pem.as_bytes()).unwrap();
        let ca = certificate::parse(&ca_der[0].der).unwrap();

        let usage = read.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth && !usage.any && !read.is_ca());
        assert!(certificate::is_issued_by(&read, &ca));
        assert_eq!(certificate::validity(&read).not_after, certificate::validity(&ca).not_after);
        assert_eq!(certificate::validity(&read).not_before, now().saturating_sub(Duration::from_secs(300)));
    }

    #[test]
    fn a_certificate_that_was_made_for_something_else_names_no_user() {
        let ca = make_ca("ca", CaKeyType::EcdsaP256, now()).unwrap();
        let der = pem::blocks(ca.certificate_pem.as_bytes()).unwrap()[0].der.to_vec();
        assert_eq!(AdminUser::of_certificate(&der), None);
        assert_eq!(AdminUser::of_certificate(b"no certificate"), None);
    }

    #[test]
    fn a_certificate_with_two_organizations_names_no_user() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = params("alice", now(), DAY).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "grantd:west:read");
        let once = params.self_signed(&key).unwrap();
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 10]), "grantd:*:write");
        let twice = params.self_signed(&key).unwrap();

        assert_eq!(AdminUser::of_certificate(once.der()), Some(user("alice", "grantd:west:read")));
        assert_eq!(AdminUser::of_certificate(twice.der()), None);
    }

    #[test]
    fn names_that_could_be_taken_for_something_else_are_refused() {
        for name in ["", " a", "a ", "a:b", "a/b", "a,b", "a\nb", "ä", &"n".repeat(65)] {
            assert_eq!(name.parse::<UserName>(), Err(ParseUserNameError), "{name:?}");
        }
        assert!("n".repeat(64).parse::<UserName>().is_ok());
    }

    #[test]
    fn other_scopes_are_refused() {
        let texts =
            ["", "grantd", "grantd:*", "grantd:*:write:", "grantd::read", "x:*:read", "grantd:*:all", "grantd:W:read"];
        for text in texts {
            assert_eq!(text.parse::<AdminScope>(), Err(ParseAdminScopeError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_scope_reads_back(namespace in proptest::option::of("[a-z][a-z0-9]{0,10}"), access in 0..2) {
            let access = if access == 0 { AdminAccess::ReadOnly } else { AdminAccess::ReadWrite };
            let scope = AdminScope { namespace: namespace.map(|name| name.parse().unwrap()), access };
            prop_assert_eq!(scope.to_string().parse(), Ok(scope));
        }

        #[test]
        fn no_text_panics(text in "(grantd|:|\\*|write|[a-z]|\\PC){0,8}") {
            let _ = (text.parse::<AdminScope>(), text.parse::<UserName>());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(AdminUser::of_certificate(&bytes), None);
        }
    }
}
