//! A test that PostgreSQL accepts every statement of `statements.rs` unchanged.
//!
//! A real PostgreSQL is started from the machine's own binaries, given the tables of the migrations with its own types, and
//! asked to prepare each statement.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::statements;

/// Statements with parameters, or that read: those that begin and end transactions cannot be prepared anywhere.
const STATEMENTS: &[(&str, &str)] = &[
    ("REVISION", statements::REVISION),
    ("STATE", statements::STATE),
    ("RECORD_ROLLBACK", statements::RECORD_ROLLBACK),
    ("ACKNOWLEDGE_ROLLBACK", statements::ACKNOWLEDGE_ROLLBACK),
    ("COUNT_OPEN", statements::COUNT_OPEN),
    ("ADVANCE_REVISION", statements::ADVANCE_REVISION),
    ("HEARTBEAT", statements::HEARTBEAT),
    ("FILL_READINESS", statements::FILL_READINESS),
    ("TOUCH_GRANT", statements::TOUCH_GRANT),
    ("LAST_REDEMPTION", statements::LAST_REDEMPTION),
    ("COUNT_GRANTS", statements::COUNT_GRANTS),
    ("COUNT_LEDGER", statements::COUNT_LEDGER),
    ("EXPIRE_OPEN", statements::EXPIRE_OPEN),
    ("SCHEMA_VERSION", statements::SCHEMA_VERSION),
    ("PROBE", statements::PROBE),
    ("STORE_PROBE", statements::STORE_PROBE),
    ("GET", statements::GET),
    ("FIND", statements::FIND),
    ("LIST", statements::LIST),
    ("LIST_NAMESPACE", statements::LIST_NAMESPACE),
    ("COUNT_LISTED", statements::COUNT_LISTED),
    ("COUNT_LISTED_NAMESPACE", statements::COUNT_LISTED_NAMESPACE),
    ("COUNT", statements::COUNT),
    ("REDEMPTIONS", statements::REDEMPTIONS),
    ("REPLAYS", statements::REPLAYS),
    ("ISSUED", statements::ISSUED),
    ("RECORD_REPLAY", statements::RECORD_REPLAY),
    ("REPEATABLE", statements::REPEATABLE),
    ("REPEATED", statements::REPEATED),
    ("LEDGER", statements::LEDGER),
    ("CREATE", statements::CREATE),
    ("UPDATE", statements::UPDATE),
    ("EXISTS", statements::EXISTS),
    ("DELETE", statements::DELETE),
    ("NAME_EXISTS", statements::NAME_EXISTS),
    ("SWEEP_EXPIRED", statements::SWEEP_EXPIRED),
    ("SWEEP_USED_UP", statements::SWEEP_USED_UP),
    ("METADATA_AT", statements::METADATA_AT),
    ("OBJECT", statements::OBJECT),
    ("OBJECTS", statements::OBJECTS),
    ("OBJECTS_NAMESPACE", statements::OBJECTS_NAMESPACE),
    ("COUNT_OBJECTS", statements::COUNT_OBJECTS),
    ("COUNT_OBJECTS_NAMESPACE", statements::COUNT_OBJECTS_NAMESPACE),
    ("CREATE_OBJECT", statements::CREATE_OBJECT),
    ("OBJECT_STATE", statements::OBJECT_STATE),
    ("UPDATE_OBJECT", statements::UPDATE_OBJECT),
    ("DELETE_OBJECT", statements::DELETE_OBJECT),
    ("NAMESPACE_USAGE", statements::NAMESPACE_USAGE),
];
/// Statements that control a transaction are the same in both.
const CONTROL: &[&str] = &[
    statements::SAVEPOINT,
    statements::SAVEPOINT_WRITES,
    statements::ROLLBACK_TO_SAVEPOINT_WRITES,
    statements::RELEASE_SAVEPOINT_WRITES,
    statements::ROLLBACK_TO_SAVEPOINT,
    statements::RELEASE_SAVEPOINT,
    statements::ROLLBACK,
];
/// `COMMIT`, the one statement that is in neither list.
const UNTESTED: usize = 1;

/// A PostgreSQL of this test's own, on a socket in a scratch folder; stopped and removed at the end.
struct Postgres {
    home: PathBuf,
    binaries: PathBuf,
}

impl Postgres {
    fn start() -> Self {
        let version = Command::new("sh").args(["-c", "ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1"]).output();
        let binaries = PathBuf::from(String::from_utf8(version.unwrap().stdout).unwrap().trim());
        assert!(binaries.join("initdb").exists(), "this test needs PostgreSQL: install postgresql");
        let home = std::env::temp_dir().join(format!("grantd-pg-{}", uuid::Uuid::new_v4().as_simple()));
        fs::create_dir(&home).unwrap();
        let postgres = Self { home, binaries };
        // It refuses to run as root.
        postgres.shell("chown postgres . 2>/dev/null || true");
        postgres.tool("initdb -D data -A trust --no-sync > log");
        postgres.tool("pg_ctl -D data -w -l log -o \"-k $PWD -c listen_addresses='' -c fsync=off\" start > /dev/null");
        postgres
    }

    fn shell(&self, script: &str) -> Output {
        Command::new("sh").args(["-c", script]).current_dir(&self.home).output().unwrap()
    }

    /// Runs one of PostgreSQL's programs, as its own user when we are root.
    fn tool(&self, command: &str) -> String {
        let line = format!("{}/{command}", self.binaries.display());
        let user = self.shell("id -u").stdout;
        let script = if user == b"0\n" {
            format!("setpriv --reuid postgres --regid postgres --clear-groups sh -c '{}'", line.replace('\'', r"'\''"))
        } else {
            line
        };
        let output = self.shell(&script);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let log = fs::read_to_string(self.home.join("log")).unwrap_or_default();
        assert!(output.status.success(), "{command}: {said}\n{log}");
        said
    }

    /// Runs a script of SQL, stopping at the first error.
    fn run(&self, name: &str, script: &str) {
        fs::write(self.home.join(name), script).unwrap();
        self.tool(&format!("psql -h $PWD -U postgres -q -v ON_ERROR_STOP=1 -f {name} postgres"));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stop = format!(
            "kill -QUIT $(head -n 1 data/postmaster.pid); {}/pg_ctl -D data status > /dev/null",
            self.binaries.display()
        );
        let _ = self.shell(&stop);
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// The tables and indexes of the migrations with PostgreSQL's types. Triggers are each database's own.
fn tables() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let without_comments: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let statements = without_comments.join("\n");
    let kept = statements.split(";\n").filter(|statement| {
        let statement = statement.trim_start();
        statement.starts_with("CREATE TABLE")
            || statement.starts_with("ALTER TABLE")
            || statement.starts_with("CREATE INDEX")
            || statement.starts_with("INSERT")
    });
    let types = [(" STRICT, WITHOUT ROWID", ""), (" STRICT", ""), ("BLOB", "BYTEA"), ("INTEGER", "BIGINT")];
    kept.map(|statement| types.iter().fold(format!("{statement};\n"), |text, (from, to)| text.replace(from, to)))
        .collect()
}

#[test]
fn postgresql_accepts_every_statement_unchanged() {
    let declared = include_str!("statements.rs").matches("pub(in crate::store) const").count();
    assert_eq!(declared, STATEMENTS.len() + CONTROL.len() + UNTESTED, "a statement is missing from this test's list");
    let postgres = Postgres::start();
    postgres.run("tables.sql", &tables());
    // sqlx's migrator keeps this table in both databases.
    postgres.run("migrator.sql", "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY);");

    for (name, statement) in STATEMENTS {
        postgres.run(&format!("{name}.sql"), &format!("PREPARE statement AS {statement};"));
    }
    let control: String = CONTROL.iter().map(|statement| format!("{statement};\n")).collect();
    postgres.run("control.sql", &format!("BEGIN;\n{control}"));
}
