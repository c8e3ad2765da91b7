//! Strangers on the admin listener, and users who hold its places.

use std::{net::IpAddr, time::Duration};

use tokio::io::AsyncReadExt;

use super::{
    ATTACKER, Form, NEIGHBOUR,
    admin::{Caller, listening, request},
    alone,
    attack::Attack,
    let_it_take_effect, report,
};

const GRANTS: &str = "/apis/skupper.io/v2alpha1/namespaces/default/accessgrants";

/// Sends these bytes, and reads until the server closes.
async fn hold(caller: Caller, bytes: Vec<u8>) {
    if let Ok(mut stream) = caller.begin(&bytes).await {
        let mut buffer = [0; 512];
        while let Ok(1..) = stream.read(&mut buffer).await {}
    }
}

/// How many of its requests an administrator gets answered, each on a connection of its own.
async fn answered(admin: &Caller, path: &str, tries: u32) -> u32 {
    let mut answered = 0;
    for _ in 0..tries {
        answered += u32::from(admin.ask("GET", path, "").await.is_some_and(|(status, _)| status == 200));
    }
    answered
}

async fn strangers(from: IpAddr, admin: IpAddr) {
    let _alone = alone().await;
    let server = listening();
    let admin = Caller::user(&server, admin, &[]);
    let stranger = Caller::stranger(&server, from);
    let attack = Attack::at_a_rate(31, move || hold(stranger.clone(), Vec::new()));
    // A stranger is served for so long that this many fill the listener.
    let_it_take_effect(Duration::from_secs(9)).await;

    let tries = Form::of(5, 21);
    let answered = answered(&admin, GRANTS, tries).await;

    let rate = attack.per_second();
    drop(attack);
    let result = format!("{answered} of {tries} requests of an administrator answered");
    report(&format!("{rate} anonymous handshakes/s on the admin listener"), &result);
    assert_eq!(answered, tries, "{result}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_do_not_keep_an_administrator_out() {
    strangers(ATTACKER, NEIGHBOUR).await;
}

/// A user who holds what it can, in `count` requests, and another user who asks.
async fn greedy_user(what: &str, count: usize, bytes: Vec<u8>, path: &str) {
    let _alone = alone().await;
    let server = listening();
    let admin = Caller::user(&server, NEIGHBOUR, &[]);
    let reader = Caller::user(&server, ATTACKER, &["--read-only", "--user", "reader", "--namespace", "default"]);
    let attack = Attack::kept_up(count, move || hold(reader.clone(), bytes.clone()));
    let_it_take_effect(Duration::from_secs(3)).await;

    let tries = Form::of(5, 21);
    let answered = answered(&admin, path, tries).await;

    drop(attack);
    let result = format!("{answered} of {tries} requests of another user answered");
    report(&format!("{count} {what} of one user"), &result);
    assert_eq!(answered, tries, "{result}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_of_one_user_leave_room_for_another() {
    let mut slow = request("POST", GRANTS, &"x".repeat(1000));
    slow.truncate(slow.len() - 999);
    greedy_user("slow bodies", 60, slow, GRANTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_of_one_user_leave_room_for_anothers() {
    let watch = request("GET", &format!("{GRANTS}?watch=true"), "");
    // A watch that ends by itself, after a second.
    let short = format!("{GRANTS}?watch=true&timeoutSeconds=1");
    greedy_user("watches", Form::of(256, 300), watch, &short).await;
}
