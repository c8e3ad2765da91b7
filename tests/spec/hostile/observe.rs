//! The observe listener has no authentication, and a probe that fails restarts the server.

use std::time::Duration;

use super::{
    ATTACKER, Form, NEIGHBOUR, alone,
    attack::{Attack, silence},
    is_alive, let_it_take_effect, report,
};
use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_sockets_do_not_make_the_probe_of_another_address_fail() {
    let _alone = alone().await;
    let server = Server::start();
    let to = server.observe;
    let count = Form::of(70, 500);
    let attack = Attack::kept_up(count, move || silence(ATTACKER, to));
    let_it_take_effect(Duration::from_secs(1)).await;

    let probes = Form::of(10, 40);
    let mut answered = 0;
    for _ in 0..probes {
        answered += u32::from(is_alive(&server, NEIGHBOUR).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    drop(attack);
    let result = format!("{answered} of {probes} probes of /livez answered within a second");
    report(&format!("{count} silent sockets on the observe listener"), &result);
    assert_eq!(answered, probes, "{result}");
}
/// The redeem listener and the observe listener share the process's descriptors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_the_redeem_listener_makes_neither_probes_nor_the_admin_socket_fail() {
    let _alone = alone().await;
    // Fewer descriptors than connections are allowed.
    let server = Server::start_under("ulimit -n 256", &[]);
    let to = server.redeem;
    let attack = Attack::kept_up(600, move || silence(ATTACKER, to));
    let_it_take_effect(Duration::from_secs(2)).await;

    let mut answered = (0, 0);
    let tries = 10;
    for _ in 0..tries {
        answered.0 += u32::from(is_alive(&server, NEIGHBOUR).await);
        let mut command = server.command(&["grant", "list"]);
        let listed = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        answered.1 += u32::from(listed.status.success());
    }

    drop(attack);
    let result = format!("{} of {tries} probes, {} of {tries} commands", answered.0, answered.1);
    report("600 silent sockets on the redeem listener with 256 descriptors", &result);
    assert_eq!(answered, (tries, tries), "{result}");
}
