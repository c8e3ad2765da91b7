//! The ledger of grants whose answers were sent again very often.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::world::{GRANTS, World};
use crate::{
    app::KeyOrigin,
    grant::{PresentedCode, RedemptionRequest},
    pki::RequestKey,
};

/// The items of all pages, and how many pages there were.
async fn all(world: &World, path: &str) -> (Vec<Value>, usize) {
    let (mut items, mut pages, mut query) = (Vec::new(), 0, String::new());
    loop {
        let page = world.get(&format!("{path}{query}")).await.object();
        items.extend(page["items"].as_array().unwrap().clone());
        pages += 1;
        assert!(pages < 10);
        match page["metadata"]["continue"].as_str() {
            Some(next) => query = format!("?continue={next}"),
            None => return (items, pages),
        }
    }
}

#[tokio::test]
async fn every_repeated_answer_is_listed_once_in_pages_that_stay_small() {
    const KEYS: usize = 11;
    const REPEATED: usize = 100;
    let world = World::start().await;
    let made = world.grant("g", json!({"redemptionsAllowed": KEYS})).await;
    let id = made["metadata"]["uid"].as_str().unwrap().parse().unwrap();
    for _ in 0..KEYS {
        let key = RequestKey::generate().unwrap();
        for _ in 0..=REPEATED {
            let request = RedemptionRequest {
                link_name: Some("link".parse().unwrap()),
                subject: None,
                code: PresentedCode::new(made["status"]["code"].as_str().unwrap().as_bytes().to_vec()),
                peer: None,
            };
            let key = KeyOrigin::Client(key.certificate_request().unwrap());
            let deadline = Instant::now() + Duration::from_secs(20);
            world.app.redeem(id, request, key, deadline, std::future::pending()).await.unwrap();
        }
    }

    let (of_grant, pages) = all(&world, &format!("{GRANTS}/g/redemptions")).await;
    let repeated: usize = of_grant.iter().map(|row| row["replays"].as_array().unwrap().len()).sum();
    assert_eq!((of_grant.len(), repeated, pages), (KEYS, KEYS * REPEATED, 2));

    let (of_all, pages) = all(&world, "/apis/skupper.io/v2alpha1/redemptions").await;
    let of_type = |wanted: &str| of_all.iter().filter(|row| row["type"] == wanted).count();
    assert_eq!((of_type("redemption"), of_type("replay"), pages), (KEYS, KEYS * REPEATED, 2));
}
