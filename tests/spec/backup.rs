//! Backups: made while the server counts redemptions, checked to the last byte, and restored without offering anything twice.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::Path,
};

use crate::{
    server::{Scratch, Server, grantd},
    wire::Client,
};

fn run(data_dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = grantd(["--data-dir", data_dir.to_str().unwrap()]).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_running_server_is_restored_with_its_ledger_and_no_open_grant() {
    let server = Server::start();
    let (open, used_up) = (server.issue(100), server.issue(1));
    let client = Client::new(server.redeem, &open);
    assert_eq!(client.redeem(&used_up, "east").await.unwrap().status, 200);
    let load = tokio::spawn({
        let (client, open) = (client.clone(), open.clone());
        async move {
            for _ in 0..30 {
                assert_eq!(client.redeem(&open, "east").await.unwrap().status, 200);
            }
        }
    });
    let scratch = Scratch::new();
    let backup = scratch.file("monday.backup");
    let name = backup.to_str().unwrap();

    let (code, said, error) = run(&server.data_dir, &["backup", "create", name]);

    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("2 grants"), "{said}");
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "something was left behind");
    load.await.unwrap();
    let (code, said, error) = run(&server.data_dir, &["backup", "verify", name]);
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("is whole"), "{said}");

    // As after the loss of the machine: another directory, and a server on it.
    let restored = Scratch::new();
    let (code, said, error) = run(&restored.file("data"), &["backup", "restore", name]);
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("1 open grants have been expired"), "{said}");
    let ca = |data: &Path| fs::read(data.join("issuers/default/skupper-site-ca/tls.key")).unwrap();
    assert_eq!(ca(&restored.file("data")), ca(&server.data_dir));
    drop(server);
    let server = Server::start_in(restored, Vec::new());
    let client = Client::new(server.redeem, &open);
    assert_eq!(client.redeem(&open, "east").await.unwrap().status, 404);
    assert_eq!(server.ledger(&used_up).len(), 1);
    assert_eq!(server.grant(&open)["status"]["redemptions"].as_u64(), Some(server.ledger(&open).len() as u64));
    let token = server.issue(1);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);
}

#[test]
fn a_backup_with_any_fault_is_refused_and_nothing_is_restored() {
    let server = Server::start();
    server.issue(1);
    let scratch = Scratch::new();
    let (backup, damaged) = (scratch.file("good"), scratch.file("damaged"));
    assert_eq!(run(&server.data_dir, &["backup", "create", backup.to_str().unwrap()]).0, Some(0));
    let bytes = fs::read(&backup).unwrap();
    let changed = |place: usize| {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        changed
    };

    let faults = [
        (changed(0), 64, "this is no backup of grantd"),
        (changed(bytes.len() / 2), 1, "its checksum is wrong"),
        (changed(bytes.len() - 1), 1, "its checksum is wrong"),
        (bytes[..bytes.len() - 1].to_vec(), 1, "it should have"),
        ([&*bytes, b"x"].concat(), 1, "it should have"),
        (Vec::new(), 64, "this is no backup of grantd"),
    ];
    for (content, expected, reason) in faults {
        fs::write(&damaged, content).unwrap();
        for command in ["verify", "restore"] {
            let data = scratch.file("data");
            let (code, _, error) = run(&data, &["backup", command, damaged.to_str().unwrap()]);
            assert_eq!(code, Some(expected), "{error}");
            assert!(error.contains(reason), "{error}");
            assert!(!data.join("grantd.db").exists() && !data.join("sealing.key").exists(), "{reason}");
        }
    }
}

#[test]
fn a_restore_overwrites_nothing() {
    let server = Server::start();
    let token = server.issue(1);
    let scratch = Scratch::new();
    let backup = scratch.file("good");
    let name = backup.to_str().unwrap();
    assert_eq!(run(&server.data_dir, &["backup", "create", name]).0, Some(0));

    let (code, _, error) = run(&server.data_dir, &["backup", "create", name]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("exists; it may hold an older backup"), "{error}");
    let (code, _, error) = run(&server.data_dir, &["backup", "restore", name]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("is not empty") && error.contains("--force"), "{error}");
    let (code, _, error) = run(&server.data_dir, &["backup", "restore", name, "--force"]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("another process holds the lock") && error.contains("stop the server first"), "{error}");
    assert_eq!(server.ok(&["grant", "list", "-o", "name"]).lines().count(), 1);

    let mut server = server;
    server.kill();
    let (code, said, error) = run(&server.data_dir, &["backup", "restore", name, "--force"]);
    assert_eq!(code, Some(0), "{error}");
    let aside = said.lines().find_map(|line| line.strip_prefix("What was there before is in ")).expect(&said);
    let aside = server.data_dir.join(aside.trim_end_matches('.'));
    assert!(aside.join("grantd.db").exists() && aside.join("sealing.key").exists());
    let server = server.kill_and_restart();
    assert_eq!(server.grant(&token)["status"]["redemptions"].as_u64(), Some(0));
    // A backup of the restored directory does not hold the old one.
    let (code, _, error) = run(&server.data_dir, &["backup", "create", scratch.file("again").to_str().unwrap()]);
    assert_eq!(code, Some(0), "{error}");
}

#[test]
fn a_directory_without_a_database_gives_no_backup() {
    let scratch = Scratch::new();
    let (code, _, error) = run(scratch.path(), &["backup", "create", scratch.file("x").to_str().unwrap()]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("has no database") && error.contains("--data-dir"), "{error}");
}

#[test]
fn a_backup_can_have_any_name_and_its_directory_one_in_utf_8() {
    let (server, scratch) = (Server::start(), Scratch::new());
    // In Latin-1.
    let name = OsStr::from_bytes(b"caf\xe9");
    let directory = scratch.path().join(name);
    fs::create_dir(&directory).unwrap();
    let create = |file: &Path| {
        let output = grantd(["--data-dir", server.data_dir.to_str().unwrap(), "backup", "create"]).arg(file).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };

    let (code, said) = create(&directory.join("monday.backup"));
    assert_eq!(code, Some(1));
    assert!(said.contains("is not UTF-8") && said.contains("another directory"), "{said}");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0, "something was left behind");

    fs::remove_dir(&directory).unwrap();
    let (code, said) = create(&scratch.path().join(name));
    assert_eq!(code, Some(0), "{said}");
    let verified = grantd(["backup", "verify"]).arg(scratch.path().join(name)).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
}
