//! What is read as the URL of a database, and what is refused.

use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

fn read(text: &str) -> PostgresAddress {
    database_address(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn tcp(host: &str, port: u16) -> PostgresServer {
    PostgresServer::Tcp { host: host.to_owned(), port }
}

#[test]
fn the_parts_of_a_url_are_found() {
    let address = read("postgres://grantd:p%40ss%3Fw%C3%B6rd@db.example.com:6432/grants");
    assert_eq!(address.server, tcp("db.example.com", 6432));
    assert_eq!((address.user.as_str(), address.database.as_str()), ("grantd", "grants"));
    assert_eq!(address.password.unwrap().expose(), "p@ss?wörd");

    let address = read("postgresql://g@[2001:db8::1]/d");
    assert_eq!((address.server, address.password.is_some()), (tcp("2001:db8::1", 5432), false));
    assert!(read("postgres://g:@db/d").password.is_none());
}

#[test]
fn a_unix_socket_is_a_directory_as_the_host() {
    let socket = |port| PostgresServer::Socket { directory: "/run/postgresql".into(), port };
    for (text, port) in [
        ("postgres://g@/d?host=/run/postgresql", 5432),
        ("postgres://g@:6432/d?host=/run/postgresql", 6432),
        ("postgres://g@/d?host=/run/postgresql&port=6432", 6432),
        ("postgres://g@%2Frun%2Fpostgresql:6432/d", 6432),
    ] {
        let address = read(text);
        assert_eq!(address.server, socket(port), "{text}");
        assert_eq!(read(&address.to_string()).server, address.server);
        assert!(is_protected(&address));
    }
}

#[test]
fn a_server_elsewhere_is_verified_unless_the_url_says_otherwise() {
    use PostgresTlsMode::{Disable, Require, VerifyCa, VerifyFull};
    for (text, mode, protected) in [
        ("postgres://g@db/d", VerifyFull, true),
        ("postgres://g@db/d?sslmode=verify-full", VerifyFull, true),
        ("postgres://g@db/d?sslmode=verify-ca&sslrootcert=ca.pem", VerifyCa, false),
        ("postgres://g@db/d?sslmode=require", Require, false),
        ("postgres://g@db/d?sslmode=disable", Disable, false),
        ("postgres://g@192.0.2.1/d?sslmode=disable", Disable, false),
        ("postgres://g@localhost.example.com/d?sslmode=disable", Disable, false),
        ("postgres://g@localhost/d", Disable, true),
        ("postgres://g@127.0.0.1/d", Disable, true),
        ("postgres://g@[::1]/d", Disable, true),
        ("postgres://g@[::ffff:127.0.0.1]/d", Disable, true),
        ("postgres://g@127.0.0.1/d?sslmode=require", Require, true),
        ("postgres://g@127.0.0.1/d?sslrootcert=ca.pem", VerifyFull, true),
    ] {
        let address = read(text);
        assert_eq!((address.tls.mode, is_protected(&address)), (mode, protected), "{text}");
    }
}

#[test]
fn the_files_of_tls_are_parameters() {
    let tls = read("postgres://g@db/d?sslrootcert=%2Fetc%2Fca.pem&sslcert=/etc/tls.crt&sslkey=/etc/tls.key").tls;
    assert_eq!(tls.roots.as_deref(), Some(Path::new("/etc/ca.pem")));
    assert_eq!(tls.client, Some(("/etc/tls.crt".into(), "/etc/tls.key".into())));
}

#[test]
fn anything_else_is_refused() {
    use DatabaseUrlError::*;
    let long = "x".repeat(64);
    for (text, error) in [
        ("", Scheme),
        ("sqlite:grantd.db", Scheme),
        ("postgres:/g@db/d", Scheme),
        ("postgres://db/d", User),
        ("postgres://@db/d", User),
        (&format!("postgres://{long}@db/d"), User),
        ("postgres://g@db", Database),
        ("postgres://g@db/", Database),
        (&format!("postgres://g@db/{long}"), Database),
        ("postgres://g:a@b@db/d", Unescaped('@', "%40")),
        ("postgres://g:a#b@db/d", Unescaped('#', "%23")),
        ("postgres://g@db/d/e", Unescaped('/', "%2F")),
        ("postgres://g:5%@db/d", Escape),
        ("postgres://g:%zz@db/d", Escape),
        ("postgres://g:%ff@db/d", Escape),
        ("postgres://g%00@db/d", Escape),
        ("postgres://g@/d", Host),
        ("postgres://g@a,b/d", Host),
        ("postgres://g@a b/d", Host),
        ("postgres://g@[a]/d", Host),
        ("postgres://g@[::1]5/d", Host),
        ("postgres://g@::1/d", Port),
        ("postgres://g@db:0/d", Port),
        ("postgres://g@db:/d", Port),
        ("postgres://g@db:+1/d", Port),
        ("postgres://g@db:65536/d", Port),
        ("postgres://g@db/d?application_name=x", UnknownParameter),
        ("postgres://g@db/d?password=x", UnknownParameter),
        ("postgres://g@db/d?sslmode", UnknownParameter),
        ("postgres://g@db/d?host=/run", Twice("a host")),
        ("postgres://g@db:1/d?port=2", Twice("a port")),
        ("postgres://g@db/d?sslmode=disable&sslmode=require", Twice("sslmode")),
        ("postgres://g@db/d?sslmode=prefer", Mode),
        ("postgres://g@db/d?sslmode=", Mode),
        ("postgres://g@db/d?sslrootcert=", File("sslrootcert")),
        ("postgres://g@db/d?sslcert=a", HalfAClient),
        ("postgres://g@db/d?sslmode=require&sslrootcert=ca.pem", UnusedFile),
        ("postgres://g@db/d?sslmode=disable&sslcert=a&sslkey=b", UnusedFile),
        ("postgres://g@/d?host=/run&sslmode=require", TlsOnSocket),
        ("postgres://g@/d?host=/run&sslrootcert=ca.pem", TlsOnSocket),
    ] {
        assert_eq!(database_address(text).unwrap_err(), error, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_and_no_message_quotes_it(text in "(postgres://)?[-a-z%@:/?#&=\\[\\],.0-9]{0,40}|.{0,60}") {
        let _ = database_address(&text);
        let with_password = format!("postgres://u:canary{text}");
        if let Err(error) = database_address(&with_password) {
            let said = format!("{error} {error:?}");
            prop_assert!(!said.contains("canary"), "{}", said);
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        user in "[^\\x00]{1,15}", password in "[^\\x00]{1,40}", database in "[^\\x00]{1,15}",
        host in "[a-z][a-z0-9.-]{0,20}", port in 1_u16..,
    ) {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (u, p, d) = (encoded(&user), encoded(&password), encoded(&database));
        let address = database_address(&format!("postgres://{u}:{p}@{host}:{port}/{d}")).unwrap();
        let shown = format!("{address} {address:?}");
        prop_assert_eq!((address.user, address.database), (user.clone(), database.clone()));
        let read = address.password.unwrap();
        prop_assert_eq!(read.expose(), &password);
        prop_assert_eq!(address.server, tcp(&host, port));
        let others = format!("{user} {database} {host} {port} DatabasePassword(redacted) VerifyFull Disable");
        prop_assert!(password.len() < 4 || others.contains(&password) || !shown.contains(&password));
    }
}
