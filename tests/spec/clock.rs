//! Steps of the wall clock: one back revives no grant, one forward deletes none.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::{
    server::{Scratch, Server, wait_until},
    shim::Faults,
    wire::Client,
};

const DAY: i64 = 86_400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_clock_is_behind_nothing_is_redeemed_and_readyz_says_why() {
    let control = Scratch::new();
    let faults = Faults::new(control.file("control"));
    let server = Server::start_under(&faults.preload(), &[]);
    let token = server.issue(5);
    let client = Client::new(server.redeem, &token);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);

    faults.set_clock_off(-60);

    let answer = client.redeem(&token, "east").await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (503, "Internal error\n"));
    wait_until("it is not ready", || server.observe("/readyz").0 == 503);
    let report = server.observe("/readyz").1;
    assert!(report.contains("[-]clock failed: the clock shows"), "{report}");

    faults.set_clock_off(0);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);
    wait_until("it is ready again", || server.observe("/readyz").0 == 200);
    assert_eq!(server.ledger(&token).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_has_expired_stays_so_when_the_clock_is_set_back_also_over_a_restart() {
    let control = Scratch::new();
    let faults = Faults::new(control.file("control"));
    let server = Server::start_under(&faults.preload(), &[]);
    let token = server.issue(5);
    wait_until("the time is kept", || server.data_dir.join("clock.mark").exists());
    // The clock was an hour ahead when the server stopped.
    faults.set_clock_off(3600);
    let server = server.kill_and_restart_under(&faults.preload());
    let client = Client::new(server.redeem, &token);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 404);
    let kept = || fs::read_to_string(server.data_dir.join("clock.mark")).unwrap();
    let first = kept();
    wait_until("the later time is kept", || kept() != first);

    faults.set_clock_off(0);
    let server = server.kill_and_restart_under(&faults.preload());
    let client = Client::new(server.redeem, &token);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 503);

    // An operator knows which time is right.
    let said = server.ok_under(&faults.preload(), &["clock", "accept"]);
    assert!(said.contains("The latest time that the server had seen was"), "{said}");
    wait_until("it is ready again", || server.observe("/readyz").0 == 200);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_forward_deletes_no_grant() {
    let control = Scratch::new();
    let faults = Faults::new(control.file("control"));
    let server = Server::start_under(&faults.preload(), &[]);
    let token = server.issue(5);
    let swept = || server.observe("/metrics").1.contains("grantd_grants{state=\"expired\"} 1");

    faults.set_clock_off(30 * DAY);
    wait_until("grants are counted after the jump", swept);

    // The retention is a day, and the window of the grant ended a month ago by the clock.
    assert!(server.ok(&["grant", "list"]).contains(token.name.as_str()));
    assert_eq!(Client::new(server.redeem, &token).redeem(&token, "east").await.unwrap().status, 404);
}

#[test]
fn the_certificate_of_the_admin_listener_is_renewed_while_it_is_served() {
    let control = Scratch::new();
    let faults = Faults::new(control.file("control"));
    let server = Server::start_under(&faults.preload(), &["--admin-listen", "127.0.0.1:0"]);
    let address = server.banner.lines().find_map(|line| line.trim().strip_prefix("kubectl")).unwrap();
    let address = address.split("listening on ").nth(1).unwrap().split(';').next().unwrap();
    let on_disk = || fs::read_to_string(server.data_dir.join("admin/tls.crt")).unwrap();
    let before = on_disk();

    // Two thirds of a year, and some days.
    faults.set_clock_off(250 * DAY);
    server.wait_for_log("certificate of the admin listener renewed");

    let renewed = on_disk();
    assert_ne!(before, renewed);
    let client =
        Command::new("openssl").args(["s_client", "-showcerts", "-connect", address]).stdin(Stdio::null()).output();
    let presented = String::from_utf8(client.unwrap().stdout).unwrap();
    // The first certificate of both.
    let leaf = |pem: &str| pem.split("-----").nth(2).unwrap().to_owned();
    assert!(presented.contains(&leaf(&renewed)) && !presented.contains(&leaf(&before)), "{presented}");
}
