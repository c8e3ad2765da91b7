//! Commands that work on the data directory, for a store that is in PostgreSQL.

use super::cluster::shared;
use crate::server::Server;

#[test]
fn a_backup_is_made_with_pg_dump() {
    let database = shared().create_database();
    let server = Server::start_with(&["--database", &database.socket_url()]);

    let output = server.run(&["backup", "create", "x.backup"]);

    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("pg_dump") && said.contains(&database.name), "{said}");
    assert!(!server.scratch().file("x.backup").exists());
}

#[test]
fn the_doctor_looks_at_the_database() {
    let database = shared().create_database();
    let url = database.socket_url();
    let server = Server::start_with(&["--database", &url]);
    let examined = |url: &str| {
        let output = server.run(&["doctor", "--link-host", "west.example.com", "--database", url]);
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .find(|line| line.split_whitespace().nth(1) == Some("database"))
            .unwrap()
            .to_owned()
    };

    assert!(examined(&url).contains("ok"), "{}", examined(&url));
    let absent = examined(&url.replace(&database.name, "not_there"));
    assert!(absent.contains("fail") && absent.contains("createdb not_there"), "{absent}");
}

#[test]
fn the_ledger_is_read_through_the_server() {
    let database = shared().create_database();
    let server = Server::start_with(&["--database", &database.socket_url()]);
    server.issue(1);
    assert!(server.run(&["ledger", "export"]).status.success());
    assert!(server.run(&["clock", "accept"]).status.success());
}
