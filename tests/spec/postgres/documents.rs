//! The commands about PostgreSQL in README.md and docs/high-availability.md are run as they are written.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use super::{
    cluster::{Cluster, ClusterOptions, shared},
    programs,
};
use crate::{
    server::{GRANTD, Scratch, Server, wait_until},
    wire::Client,
};

/// The first `sh` block below this heading.
fn block(document: &str, heading: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
    let section = text.split_once(&format!("\n{heading}\n")).unwrap().1;
    section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

/// The second one.
fn second_block(document: &str, heading: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
    let section = text.split_once(&format!("\n{heading}\n")).unwrap().1;
    section.split("```sh\n").nth(2).unwrap().split("```").next().unwrap().to_owned()
}

/// A shell with grantd's and PostgreSQL's programs, and ports that the system chooses.
fn shell(scratch: &Scratch, script: &str) -> Command {
    let folder = scratch.file("bin");
    if !folder.exists() {
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(GRANTD, folder.join("grantd")).unwrap();
    }
    let path = format!("{}:{}:{}", folder.display(), programs::directory().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-ec", script]).current_dir(scratch.path()).env_clear().env("PATH", path).env("HOME", scratch.path());
    command.env("GRANTD_LISTEN", "127.0.0.1:0").env("GRANTD_OBSERVE_LISTEN", "127.0.0.1:0").stdin(Stdio::null());
    command
}

/// A script that ends with a server, until this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a script whose last command is a server, and waits until that prints the next command.
fn start(scratch: &Scratch, script: &str, variables: &[(&str, &str)]) -> Running {
    let (out, log) = (scratch.file("out"), scratch.file("err"));
    let script = script.replace("grantd serve", "exec grantd serve");
    let mut command = shell(scratch, &script);
    command.envs(variables.iter().copied()).stdout(File::create(&out).unwrap()).stderr(File::create(&log).unwrap());
    let mut server = Running(command.spawn().unwrap());
    wait_until("the server prints the next command", || {
        assert!(server.0.try_wait().unwrap().is_none(), "{}", fs::read_to_string(&log).unwrap());
        fs::read_to_string(&out).unwrap().contains("token issue")
    });
    server
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn the_readme_s_server_on_postgresql_starts_and_issues() {
    let (cluster, scratch) = (Cluster::start(&ClusterOptions::default()), Scratch::new());
    let script = block("README.md", "### With PostgreSQL").replace(":5432", &format!(":{}", cluster.port()));
    let (host, port) = (cluster.socket_directory().to_str().unwrap(), cluster.port().to_string());

    let _server = start(&scratch, &script, &[("PGHOST", host), ("PGPORT", &port)]);

    run(&mut shell(&scratch, "grantd token issue west.yaml --name west && grantd token redeem west.yaml"));
    assert_eq!(cluster.sql("grantd", "SELECT redemptions FROM access_grant WHERE name = 'west'"), "1");
    assert_eq!(cluster.sql("grantd", "SELECT tableowner FROM pg_tables WHERE tablename = 'access_grant'"), "grantd");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_and_a_copy_of_the_data_directory_are_a_backup() {
    const DOCUMENT: &str = "docs/high-availability.md";
    let (database, restored, scratch) = (shared().create_database(), shared().create_database(), Scratch::new());
    let mut server = Server::start_with(&["--database", &database.socket_url()]);
    let token = server.issue(2);
    assert_eq!(Client::new(server.redeem, &token).redeem(&token, "east").await.unwrap().status, 200);

    let mut dump = shell(&scratch, &block(DOCUMENT, "## Backup"));
    run(dump.env("GRANTD_DATABASE", database.socket_url()).env("GRANTD_DATA_DIR", &server.data_dir));
    server.kill();
    let restore = format!(
        "mkdir data && tar -xzf data-directory.tgz -C data && pg_restore --dbname=\"$GRANTD_DATABASE\" grantd.dump\n{}",
        second_block(DOCUMENT, "## Backup")
    );
    run(shell(&scratch, &restore).env("GRANTD_DATABASE", restored.socket_url()));
    let server = Server::start_in(scratch, vec!["--database".to_owned(), restored.socket_url()]);

    let refused = Client::new(server.redeem, &token).redeem(&token, "north").await.unwrap();
    assert_eq!(refused.status, 404, "{refused:?}");
    assert_eq!(server.ledger(&token).len(), 1);
}

#[test]
fn a_second_server_starts_with_the_keys_of_the_first() {
    let (database, scratch) = (shared().create_database(), Scratch::new());
    let first = Server::start_with(&["--database", &database.socket_url()]);
    std::os::unix::fs::symlink(&first.data_dir, scratch.file("first")).unwrap();
    let script = block("docs/high-availability.md", "## Several servers");
    let script = script.replace("9190", "0").replace("9191", "0");

    let _second = start(&scratch, &script, &[("GRANTD_DATABASE", &database.socket_url())]);

    run(&mut shell(&scratch, "grantd --data-dir second token issue west.yaml --name west"));
    assert_eq!(first.grant_named("west")["status"]["redemptions"], 0);
}
