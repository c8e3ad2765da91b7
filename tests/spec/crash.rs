//! A server that is killed at any moment loses no record and allows nothing twice.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use grantd::link::AccessToken;

use crate::{
    server::Server,
    wire::{Answer, Client},
};

/// With GRANTD_LONG_TESTS in the environment, 10,000.
const KILLS: u32 = 100;
const REDEEMERS: usize = 8;

/// Redeems as fast as it can until `stop` is set; keeps the answers with a bundle.
async fn redeem_until(stop: Arc<AtomicBool>, client: Client, token: AccessToken, won: Arc<Mutex<Vec<Answer>>>) {
    while !stop.load(Ordering::SeqCst) {
        match client.redeem(&token, "east").await {
            Some(answer) if answer.status == 200 => won.lock().unwrap().push(answer),
            Some(_) | None => tokio::task::yield_now().await,
        }
    }
}

/// Spread over the time in which a redemption is signed, committed and answered; the same in every run.
fn moment(kill: u32) -> Duration {
    Duration::from_micros(u64::from(kill * 7919 % 60) * 1_000 + u64::from(kill * 104_729 % 1_000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_under_load_it_hands_out_nothing_that_is_not_recorded() {
    let mut server = Server::start();
    let allowed = 1_000_000;
    let token = server.issue(allowed);
    let scarce = server.issue(25);
    let won = Arc::new(Mutex::new(Vec::new()));
    let won_scarce = Arc::new(Mutex::new(Vec::new()));

    let kills = if std::env::var_os("GRANTD_LONG_TESTS").is_some() { 100 * KILLS } else { KILLS };
    for kill in 0..kills {
        let stop = Arc::new(AtomicBool::new(false));
        let mut redeemers = tokio::task::JoinSet::new();
        for number in 0..REDEEMERS {
            let (token, won) = if number == 0 { (&scarce, &won_scarce) } else { (&token, &won) };
            let client = Client::new(server.redeem, token);
            redeemers.spawn(redeem_until(Arc::clone(&stop), client, token.clone(), Arc::clone(won)));
        }
        tokio::time::sleep(moment(kill) + Duration::from_millis(20)).await;
        server.kill();
        stop.store(true, Ordering::SeqCst);
        redeemers.join_all().await;
        server = server.kill_and_restart();
    }

    for (token, won, allowed) in [(&token, &won, allowed), (&scarce, &won_scarce, 25)] {
        let won = won.lock().unwrap();
        let ledger = server.ledger(token);
        let made = server.grant(token)["status"]["redemptions"].as_u64().unwrap();
        assert!(!won.is_empty(), "no redemption succeeded between the kills");
        assert!(won.len() <= ledger.len(), "{} bundles, {} records", won.len(), ledger.len());
        assert_eq!(ledger.len() as u64, made, "count and ledger differ");
        assert!(made <= u64::from(allowed));
        let ordinals: Vec<u64> = ledger.iter().map(|row| row["ordinal"].as_u64().unwrap()).collect();
        assert_eq!(ordinals, (1..=made).collect::<Vec<_>>());
        let recorded: BTreeSet<&str> = ledger.iter().map(|row| row["serial"].as_str().unwrap()).collect();
        for answer in won.iter() {
            assert!(recorded.contains(answer.serial().as_str()), "a bundle without a record");
        }
    }
    assert_eq!(server.observe("/readyz").0, 200, "not ready after the last restart");
}
