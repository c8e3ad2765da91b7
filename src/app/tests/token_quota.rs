//! A token whose redeemed objects do not fit under the quota of its namespace.

use serde_json::Value;

use super::world::{Answer, Scripted, World, bundle, secret_body, token_body};
use crate::store::{
    ObjectKind::{AccessToken, Secret},
    Quota,
};

#[tokio::test]
async fn a_token_whose_secret_does_not_fit_spends_no_redemption_until_there_is_space() {
    for quota in [Quota { objects: 3, ..Quota::DEFAULT }, Quota { bytes: 68_000, ..Quota::DEFAULT }] {
        let world = World::with_quota(quota).await;
        let redeemer = Scripted::redeemer(|_, _| Answer::Now(Ok(bundle(1))));
        let controllers = world.run(&redeemer, &Scripted::idle());
        let mut large = secret_body();
        large["data"]["more"] = "x".repeat(3000).into();
        world.create(Secret, "other", large).await;

        world.create(AccessToken, "my-token", token_body()).await;
        let exceeded = "Controller could not create received secret: exceeded quota: namespace, requested: ";
        let says_so = |status: &Value| status["message"].as_str().is_some_and(|message| message.starts_with(exceeded));
        let status = world.wait_status(AccessToken, "my-token", says_so).await;
        assert_eq!(redeemer.calls().len(), 0, "{status}");
        world.delete(Secret, "other").await;
        world.wait_message(AccessToken, "my-token", "OK").await;
        world.stop(controllers).await;

        assert_eq!(redeemer.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_token_whose_bundle_is_too_large_says_so_and_is_stored_once_there_is_space() {
    let world = World::with_quota(Quota { objects: 4, ..Quota::DEFAULT }).await;
    let redeemer = Scripted::redeemer(|_, _| Answer::Now(Ok(bundle(2))));
    let controllers = world.run(&redeemer, &Scripted::idle());
    world.create(Secret, "other", secret_body()).await;

    world.create(AccessToken, "my-token", token_body()).await;
    let exceeded = "Controller could not create received secret: exceeded quota: namespace, requested: objects=1, used: \
                    objects=4, limited: objects=4";
    world.wait_message(AccessToken, "my-token", exceeded).await;
    assert_eq!(world.get(Secret, "my-token").await, None);
    world.delete(Secret, "other").await;
    world.wait_message(AccessToken, "my-token", "OK").await;
    world.stop(controllers).await;

    assert_eq!(redeemer.calls().len(), 1, "the bundle that did not fit was asked for again");
}
