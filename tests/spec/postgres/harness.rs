//! The clusters of the tests: separate databases, and nothing that stays behind.

use std::process::Command;

use super::programs::{Account, bounded, program, run};
use crate::server::Scratch;

#[test]
fn the_server_s_account_is_not_root() {
    let file = Scratch::new();
    Account::of_the_server().own(file.path(), 0o700);
    let id = run(Account::of_the_server().as_user(Command::new("id").arg("-u")));
    assert_ne!(id.trim(), "0");
    assert!(run(bounded("postgres").arg("--version")).starts_with("postgres (PostgreSQL)"));
    assert!(run(program("pg_config").arg("--version")).starts_with("PostgreSQL"));
}
