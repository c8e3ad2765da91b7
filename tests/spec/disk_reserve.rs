//! A disk that is nearly full takes redemptions only; a server that cannot start on a full one says so.

use std::{path::Path, process::Command};

use crate::{
    server::{GRANTD, Scratch, Server},
    wire::Client,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_the_reserve_only_redemptions_are_written() {
    let server = Server::start();
    let (token, spare) = (server.issue(5), server.issue(1));
    // More than any disk has.
    let server = server.restart_with(&["--disk-reserve-bytes", "1125899906842624"]);
    let client = Client::new(server.redeem, &token);

    let refused = server.run(&["token", "issue", "-"]);

    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("are kept for redemptions (--disk-reserve-bytes): free some space"), "{said}");
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);
    assert_eq!(server.observe("/readyz").0, 200);
    // To delete is how space is made.
    server.ok(&["grant", "delete", spare.name.as_str()]);
    let server = server.restart_with(&["--disk-reserve-bytes", "0"]);
    server.issue(1);
    assert_eq!(server.ledger(&token).len(), 1);
}

/// Starts grantd with its data on a file system of this size, as `mount` writes it, and fills that up first.
fn start_on_a_full_disk(scratch: &Scratch, size: &str) -> String {
    let mount: &Path = scratch.path();
    let script = format!(
        "mount -t tmpfs -o size={size} none \"$1\" && dd if=/dev/zero of=\"$1/filling\" bs=4096 status=none; \
         exec timeout 20 \"$2\" --data-dir \"$1/data\" serve --listen 127.0.0.1:0 --observe-listen 127.0.0.1:0 \
         --link-host west.example.com"
    );
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "--", "sh", "-c", &script, "sh"])
        .arg(mount)
        .arg(GRANTD)
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_start_on_a_full_disk_says_so_and_what_to_free() {
    let scratch = Scratch::new();

    let said = start_on_a_full_disk(&scratch, "2m");

    assert!(said.contains("is full: 0 KiB are free"), "{said}");
    assert!(said.contains("hint: free space on that disk") && said.contains("delete nothing"), "{said}");
}
