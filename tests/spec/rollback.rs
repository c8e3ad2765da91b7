//! A database that was put back to an older state, by a copied file or a snapshot of the database alone, redeems nothing until
//! an operator has acknowledged that.

use std::fs;

use crate::{
    server::{Scratch, Server, wait_until},
    wire::Client,
};

/// Stops the server, and starts it again on the same directory after `meanwhile`.
fn restart(mut server: Server, meanwhile: impl FnOnce(&Server)) -> Server {
    server.signal("TERM");
    assert!(server.wait_for_exit().success());
    meanwhile(&server);
    server.kill_and_restart()
}

/// Puts the older database in the place of the present one. The files beside it go: they belong to the present one.
pub(crate) fn put_back(server: &Server, older: &Scratch) {
    for name in ["grantd.db-wal", "grantd.db-shm"] {
        let _ = fs::remove_file(server.data_dir.join(name));
    }
    fs::copy(older.file("grantd.db"), server.data_dir.join("grantd.db")).unwrap();
}

pub(crate) fn copy_database(server: &Server, to: &Scratch) {
    fs::copy(server.data_dir.join("grantd.db"), to.file("grantd.db")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_put_back_redeems_nothing_until_an_operator_acknowledges_it() {
    let older = Scratch::new();
    let server = Server::start();
    let (token, untouched) = (server.issue(1), server.issue(1));
    let server = restart(server, |server| copy_database(server, &older));
    let client = Client::new(server.redeem, &token);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);

    let server = restart(server, |server| put_back(server, &older));

    let client = Client::new(server.redeem, &token);
    for token in [&token, &untouched] {
        let answer = client.redeem(token, "east").await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "Internal error\n"));
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    }
    let (status, report) = server.observe("/readyz");
    assert_eq!(status, 503, "{report}");
    assert!(report.contains("[-]store failed: ") && report.contains("put back to an older state"), "{report}");
    assert!(report.contains("grantd store acknowledge-rollback"), "{report}");
    server.wait_for_log("the database was put back to an older state");
    let metrics = server.observe("/metrics").1;
    assert!(metrics.contains("\ngrantd_store_rolled_back 1\n"), "{metrics}");
    assert!(metrics.contains("grantd_redemption_failures_total{reason=\"rolled_back\"} 2"), "{metrics}");
    assert_eq!(server.observe("/livez").0, 200);

    // A restart does not make it forgotten.
    let server = server.kill_and_restart();
    let client = Client::new(server.redeem, &token);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 503);

    let said = server.ok(&["store", "acknowledge-rollback"]);
    assert!(said.starts_with("2 open grants have been expired"), "{said}");
    wait_until("it is ready again", || server.observe("/readyz").0 == 200);
    assert!(server.observe("/metrics").1.contains("\ngrantd_store_rolled_back 0\n"));
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 404);
    assert_eq!(client.redeem(&untouched, "east").await.unwrap().status, 404);
    let new = server.issue(1);
    assert_eq!(client.redeem(&new, "east").await.unwrap().status, 200);
    assert!(server.ok(&["store", "acknowledge-rollback"]).contains("was not put back"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_is_not_taken_for_it_and_neither_is_a_crash() {
    let scratch = Scratch::new();
    let backup = scratch.file("backup");
    let server = Server::start();
    let token = server.issue(5);
    server.ok(&["backup", "create", backup.to_str().unwrap()]);
    let client = Client::new(server.redeem, &token);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);

    let server = server.kill_and_restart();
    let client = Client::new(server.redeem, &token);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);

    let server = restart(server, |server| drop(server.ok(&["backup", "restore", "--force", backup.to_str().unwrap()])));
    assert_eq!(server.observe("/readyz").0, 200);
    let client = Client::new(server.redeem, &token);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 404);
    let new = server.issue(1);
    let client = Client::new(server.redeem, &new);
    assert_eq!(client.redeem(&new, "east").await.unwrap().status, 200);
}
