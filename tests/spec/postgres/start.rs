//! A start that fails: one sentence that names what to change, exit code 64, and nothing is created.

use std::{
    fs::{self, File},
    path::Path,
    process::ExitStatus,
    time::{Duration, Instant},
};

use super::cluster::{Cluster, ClusterOptions, Database, shared};
use crate::server::{PATIENCE, Scratch, Server, grantd, wait_until};

/// What a start that must be refused says.
#[track_caller]
pub(super) fn refused(scratch: &Scratch, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let (status, said) = ends(&scratch.file("data"), scratch, arguments, variables);
    assert_eq!(status.code(), Some(64), "{said}");
    said
}

/// How a start ends that must not succeed, and what it says.
#[track_caller]
fn ends(data_dir: &Path, scratch: &Scratch, arguments: &[&str], variables: &[(&str, &str)]) -> (ExitStatus, String) {
    let said = scratch.file("said");
    let mut command = grantd(["--data-dir", data_dir.to_str().unwrap(), "serve", "--link-host", "west.example.com"]);
    command.args(["--listen", "127.0.0.1:0", "--observe-listen", "127.0.0.1:0"]).args(arguments);
    command.envs(variables.iter().copied()).stdout(File::create("/dev/null").unwrap());
    let mut child = command.stderr(File::create(&said).unwrap()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (status, fs::read_to_string(&said).unwrap());
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it started, or waits:\n{}", fs::read_to_string(&said).unwrap());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The same for a server on this database, where it must leave nothing behind: no table, and no data directory.
#[track_caller]
fn refused_on(database: &Database<'_>, url: &str, variables: &[(&str, &str)]) -> String {
    let scratch = Scratch::new();
    let said = refused(&scratch, &["--database", url], variables);
    assert_eq!(tables(database), "0");
    assert!(!scratch.file("data").exists(), "the data directory was made");
    assert!(said.lines().count() <= 2, "more than a sentence and a hint:\n{said}");
    said
}

fn tables(database: &Database<'_>) -> String {
    database.sql("SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
}

#[test]
fn a_wrong_password_or_none() {
    let database = shared().create_database();
    for variables in [&[("PGPASSWORD", "wrong")][..], &[]] {
        let said = refused_on(&database, &database.url(), variables);
        assert!(said.contains("does not accept the password of user postgres"), "{said}");
    }
}

#[test]
fn a_user_that_is_not_there() {
    let database = shared().create_database();
    let said = refused_on(&database, &database.socket_url().replace("postgres@", "nobody-here@"), &[]);
    assert!(said.contains("does not let user nobody-here in from here"), "{said}");
}

#[test]
fn a_database_that_is_not_there() {
    let database = shared().create_database();
    let said = refused_on(&database, &database.socket_url().replace(&database.name, "not_there"), &[]);
    assert!(said.contains("there is no such database: createdb not_there"), "{said}");
}

#[test]
fn a_server_that_does_not_answer() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let database = cluster.create_database();
    cluster.stop();
    let scratch = Scratch::new();
    for url in [database.url(), database.socket_url()] {
        let said = refused(&scratch, &["--database", &url], &[]);
        assert!(said.contains("nothing answers there"), "{said}");
        assert!(!scratch.file("data").exists());
    }
}

#[test]
fn rights_that_are_missing() {
    let database = shared().create_database();
    let role = format!("r_{}", database.name);
    database.sql(&format!("CREATE ROLE {role} LOGIN"));
    let url = database.socket_url().replace("postgres@", &format!("{role}@"));
    let said = refused_on(&database, &url, &[]);
    assert!(said.contains(&format!("GRANT CREATE ON SCHEMA public TO {role}")), "{said}");

    // The sentence's own remedy for tables that another user has made.
    let owner = Server::start_with(&["--database", &database.socket_url()]);
    let scratch = with_data_of(&owner);
    drop(owner);
    let said = refused(&scratch, &["--database", &url], &[]);
    assert!(said.contains(&format!("user {role} may not use table")), "{said}");
    let remedy = said.split(": ").find(|part| part.starts_with("GRANT ")).unwrap().lines().next().unwrap();
    database.sql(remedy);
}

#[test]
fn a_server_that_is_too_old() {
    let database = shared().create_database();
    let role = format!("old_{}", database.name);
    // What an older server would answer; only this version's programs are here.
    database.sql(&format!(
        "CREATE ROLE {role} LOGIN SUPERUSER; CREATE SCHEMA older; \
         CREATE FUNCTION older.current_setting(name TEXT) RETURNS TEXT LANGUAGE sql AS $$ SELECT CASE name \
         WHEN 'server_version_num' THEN '130014' WHEN 'server_version' THEN '13.14' \
         ELSE pg_catalog.current_setting(name) END $$; \
         ALTER ROLE {role} SET search_path = older, pg_catalog, public"
    ));
    let said = refused_on(&database, &database.socket_url().replace("postgres@", &format!("{role}@")), &[]);
    assert!(said.contains("it is PostgreSQL 13.14, and grantd needs 14 or later"), "{said}");
}

#[test]
fn a_server_with_fsync_off() {
    let cluster = Cluster::start(&ClusterOptions { settings: vec!["fsync = off".to_owned()], ..Default::default() });
    let database = cluster.create_database();
    let said = refused_on(&database, &database.socket_url(), &[]);
    assert!(said.contains("set fsync = on in postgresql.conf"), "{said}");
}

#[test]
fn a_server_in_recovery() {
    let cluster = Cluster::start(&ClusterOptions { in_recovery: true, ..Default::default() });
    let scratch = Scratch::new();
    let said = refused(&scratch, &["--database", &cluster.socket_url("postgres")], &[]);
    assert!(said.contains("the server is in recovery") && said.contains("name the primary"), "{said}");
    assert!(!scratch.file("data").exists());
}

/// A directory with what a second server on the database needs of the first one's.
pub(super) fn with_data_of(server: &Server) -> Scratch {
    let scratch = Scratch::new();
    fs::create_dir(scratch.file("data")).unwrap();
    let shared = ["sealing.key", "issuers", "server-ca", "database.url"].map(|name| server.data_dir.join(name));
    let copied = std::process::Command::new("cp").arg("-a").args(shared).arg(scratch.file("data")).status();
    assert!(copied.unwrap().success());
    scratch
}

#[test]
fn a_schema_of_a_newer_grantd_and_a_key_of_another_store() {
    let database = shared().create_database();
    let server = Server::start_with(&["--database", &database.socket_url()]);
    let scratch = with_data_of(&server);
    drop(server);
    let before = tables(&database);

    let key = scratch.file("data/sealing.key");
    fs::rename(&key, scratch.file("kept")).unwrap();
    let said = refused(&scratch, &["--database", &database.socket_url()], &[]);
    assert!(said.contains("needs its sealing key") && !key.exists(), "{said}");
    fs::write(&key, format!("{}=\n", "A".repeat(43))).unwrap();
    make_private(&key);
    let said = refused(&scratch, &["--database", &database.socket_url()], &[]);
    assert!(said.contains("does not belong to the database"), "{said}");
    fs::rename(scratch.file("kept"), &key).unwrap();

    database.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                  VALUES (9999, 'later', true, '', 0)",
    );
    let said = refused(&scratch, &["--database", &database.socket_url()], &[]);
    assert!(said.contains("has schema version 9999") && said.contains("use a newer grantd"), "{said}");
    assert_eq!(tables(&database), before);
}

fn make_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_second_server_on_the_same_data_directory() {
    let database = shared().create_database();
    let server = Server::start_with(&["--database", &database.socket_url()]);
    let scratch = Scratch::new();
    let (status, said) = ends(&server.data_dir, &scratch, &["--database", &database.socket_url()], &[]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("another process holds the lock"), "{said}");
    wait_until("the first one is ready", || server.observe("/readyz").0 == 200);
}

#[test]
fn a_start_without_the_database_that_the_data_directory_belongs_to() {
    let database = shared().create_database();
    let server = Server::start_with(&["--database", &database.socket_url()]);
    let scratch = with_data_of(&server);
    drop(server);
    let said = refused(&scratch, &[], &[]);
    assert!(said.contains("data/database.url") && said.contains("give that database with --database"), "{said}");
    assert!(!scratch.file("data/grantd.db").exists());
}
