//! A database that is deleted, moved, replaced or truncated under the server stops redemptions: one that was answered with
//! a certificate is in the ledger that the next start finds.

use std::{fs, path::Path, time::Duration};

use crate::{
    server::{Server, wait_until},
    wire::Client,
};

/// Asserts that redemptions and writes fail, and that `/readyz` says why.
async fn assert_closed(server: &Server, client: &Client, token: &grantd::link::AccessToken, reason: &str) {
    let answer = client.redeem(token, "east").await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (503, "Internal error\n"));
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    // An answer of /readyz is used again for a second.
    std::thread::sleep(Duration::from_millis(1_100));
    let (status, report) = server.observe("/readyz");
    assert_eq!(status, 503, "{report}");
    assert!(report.contains("[-]store") && report.contains(reason), "{report}");
    assert_eq!(server.observe("/livez").0, 200);
}

fn truncate(path: &Path) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_moved_away_stops_redemptions_until_it_is_back() {
    let server = Server::start();
    let token = server.issue(5);
    let client = Client::new(server.redeem, &token);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);
    let (database, aside) = (server.data_dir.join("grantd.db"), server.data_dir.join("aside"));

    fs::rename(&database, &aside).unwrap();
    assert_closed(&server, &client, &token, "grantd.db was deleted or moved while the server ran").await;
    assert!(!server.run(&["token", "issue", "-"]).status.success());

    fs::rename(&aside, &database).unwrap();
    wait_until("it is ready again", || server.observe("/readyz").0 == 200);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);
    let server = server.kill_and_restart();
    assert_eq!(server.ledger(&token).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_data_directory_stops_redemptions() {
    let server = Server::start();
    let token = server.issue(5);
    let client = Client::new(server.redeem, &token);

    fs::remove_dir_all(&server.data_dir).unwrap();

    assert_closed(&server, &client, &token, "was deleted or moved while the server ran").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_or_truncated_database_stops_redemptions() {
    for (name, reason) in [("grantd.db", "replaced"), ("grantd.db", "truncated"), ("grantd.db-wal", "truncated")] {
        let server = Server::start();
        let token = server.issue(5);
        let client = Client::new(server.redeem, &token);
        assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);
        let path = server.data_dir.join(name);

        if reason == "replaced" {
            fs::copy(&path, server.scratch().file("copy")).unwrap();
            fs::rename(server.scratch().file("copy"), &path).unwrap();
        } else {
            truncate(&path);
        }

        assert_closed(&server, &client, &token, &format!("{name} was {reason} while the server ran")).await;
    }
}

#[test]
fn temporary_files_of_killed_writes_are_removed_at_the_next_start_unless_they_are_new() {
    let server = Server::start();
    let name = |file: &str| server.data_dir.join(format!(".{file}.0123456789abcdef0123456789abcdef.tmp"));
    let (old, new) = (name("clock.mark"), name("users.json"));
    let file = fs::File::create(&old).unwrap();
    file.set_modified(file.metadata().unwrap().modified().unwrap() - Duration::from_secs(300)).unwrap();
    fs::File::create(&new).unwrap();

    let server = server.kill_and_restart();

    assert_eq!((old.exists(), new.exists()), (false, true));
    assert_eq!(server.observe("/readyz").0, 200);
}
