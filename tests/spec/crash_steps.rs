//! A server that is killed before or after any call by which it changes the disk or answers a client, one call after the
//! other.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{
    server::{PATIENCE, Scratch, Server},
    shim::Faults,
    wire::Client,
};

/// More calls than a redemption makes.
const MOST_STEPS: i64 = 400;

/// Waits until the server has ended, or makes no more steps: some come after the answer.
fn survives(server: &mut Server, faults: &Faults) -> bool {
    let (mut left, mut quiet_since) = (faults.steps_left(), Instant::now());
    let deadline = Instant::now() + PATIENCE;
    while server.is_running() {
        assert!(Instant::now() < deadline, "the server neither ends nor rests");
        let now = faults.steps_left();
        if std::mem::replace(&mut left, now) != now {
            quiet_since = Instant::now();
        }
        if now > 0 && quiet_since.elapsed() > Duration::from_millis(500) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_of_a_redemption_it_hands_out_nothing_that_is_not_recorded() {
    let control = Scratch::new();
    let faults = Faults::new(control.file("control"));
    let mut server = Server::start_under(&faults.preload(), &[]);
    let token = server.issue(10_000);
    let (mut won, mut killed, mut lost) = (BTreeSet::new(), 0, 0);

    for step in 1..=MOST_STEPS {
        let client = Client::new(server.redeem, &token);
        let before = server.ledger(&token).len();
        faults.kill_at(step);
        let answer = client.redeem(&token, "east").await;
        let survived = survives(&mut server, &faults);
        faults.kill_at(0);
        if !survived {
            killed += 1;
            server = server.kill_and_restart_under(&faults.preload());
        }
        let ledger = server.ledger(&token);
        let made = server.grant(&token)["status"]["redemptions"].as_u64().unwrap();
        assert_eq!(made, ledger.len() as u64, "step {step}: count and ledger differ");
        match answer {
            Some(answer) if answer.status == 200 => {
                assert_eq!(ledger.len(), before + 1, "step {step}");
                won.insert(answer.serial());
            }
            Some(answer) => assert_eq!((answer.status, ledger.len()), (503, before), "step {step}"),
            None => lost += ledger.len() - before,
        }
        let recorded: BTreeSet<String> = ledger.iter().map(|row| row["serial"].as_str().unwrap().to_owned()).collect();
        assert!(won.is_subset(&recorded), "step {step}: a bundle without a record");
        if survived {
            break;
        }
    }

    assert!(killed >= 10, "the server was killed {killed} times only");
    assert!(lost >= 1, "no kill came between the commit and the answer");
    assert_eq!(server.observe("/readyz").0, 200);
}
