//! The clusters of the tests: separate databases, and nothing that stays behind.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use super::{
    cluster::{Cluster, ClusterOptions, shared},
    programs::{Account, bounded, program, run},
};
use crate::server::{Scratch, wait_until};

#[test]
fn the_server_s_account_is_not_root() {
    let file = Scratch::new();
    Account::of_the_server().own(file.path(), 0o700);
    let id = run(Account::of_the_server().as_user(Command::new("id").arg("-u")));
    assert_ne!(id.trim(), "0");
    assert!(run(bounded("postgres").arg("--version")).starts_with("postgres (PostgreSQL)"));
    assert!(run(program("pg_config").arg("--version")).starts_with("PostgreSQL"));
}

#[test]
fn a_password_is_asked_for_over_tcp_and_not_at_the_socket() {
    let database = shared().create_database();
    let asked = |url: &str, password: &str| {
        let mut psql = bounded("psql");
        psql.args(["-X", "-A", "-t", "-w", "-c", "SELECT 1", url])
            .env("PGPASSWORD", password)
            .output()
            .unwrap()
            .status
            .success()
    };

    assert!(asked(&database.url(), shared().password()));
    assert!(!asked(&database.url(), "wrong"));
    assert!(asked(&database.socket_url(), "wrong"));
}

#[test]
fn every_test_has_a_database_of_its_own_with_durable_commits() {
    let (first, second) = (shared().create_database(), shared().create_database());
    first.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (7)");

    assert_eq!(first.sql("SELECT n FROM t"), "7");
    assert_eq!(second.sql("SELECT count(*) FROM pg_tables WHERE tablename = 't'"), "0");
    assert_eq!(second.sql("SHOW fsync"), "on");
}

#[test]
fn a_cluster_keeps_its_data_and_its_port_through_a_kill() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let database = cluster.create_database();
    database.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (7)");

    cluster.kill();
    cluster.start_again();
    assert_eq!(database.sql("SELECT n FROM t"), "7");

    cluster.stop();
    cluster.start_again();
    assert_eq!(database.sql("SELECT n FROM t"), "7");
    assert_eq!(database.sql("SHOW port"), cluster.port().to_string());
}

#[test]
fn settings_are_taken_over() {
    let cluster = Cluster::start(&ClusterOptions { settings: vec!["fsync = off".to_owned()], ..Default::default() });
    assert_eq!(cluster.sql("postgres", "SHOW fsync"), "off");
}

#[test]
#[ignore = "not a test: another one runs it as a process and kills that"]
fn hold_a_cluster() {
    let cluster = shared();
    println!("\nholds {} {}", cluster.pid(), cluster.socket_directory().display());
    std::thread::park();
}

#[test]
fn a_process_that_is_killed_leaves_no_cluster_behind() {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "postgres::harness::hold_a_cluster"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.into_iter().find(|line| line.starts_with("holds ")).unwrap();
    let (pid, directory) = line.strip_prefix("holds ").unwrap().split_once(' ').unwrap();
    assert!(Path::new(directory).join("data/postmaster.pid").exists());

    holder.kill().unwrap();
    holder.wait().unwrap();

    wait_until("the directory is removed", || !Path::new(directory).exists());
    wait_until("the server has ended", || !Path::new("/proc").join(pid).exists());
}
