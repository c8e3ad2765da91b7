//! Redemptions whose certificate cannot be made.

use std::{future::pending, sync::Arc, time::Instant};

use super::world::{DEADLINE, World};
use crate::{
    app::{ConfiguredSite, GrantDraft, GrantSpec, KeyOrigin, RedeemError},
    grant::{GrantMetadata, GrantTerms, PresentedCode, RedemptionRequest},
    link::{Endpoint, EndpointName, Group, Site},
    pki::{CaKeyType, Issuer, make_ca},
};

const CODE: &str = "L1qCl2mZ7D81gbXp3ax4YT0K";

/// An issuer whose signatures are made on a thread of their own.
fn slow_issuer(world: &World) -> Issuer {
    let now = world.app.clock().now();
    let ca = make_ca("slow CA", CaKeyType::Rsa2048, now).unwrap();
    Issuer::from_pem(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), now).unwrap()
}

async fn configure(world: &World) {
    let endpoint = Endpoint {
        group: Group::default(),
        name: EndpointName::InterRouter,
        host: "west.example.com".parse().unwrap(),
        port: 55671.try_into().unwrap(),
    };
    let site = Site {
        namespace: "west".parse().unwrap(),
        name: "my-site".parse().unwrap(),
        edge: false,
        endpoints: vec![endpoint],
    };
    let site = ConfiguredSite::new(site, "ca".parse().unwrap(), [("ca".parse().unwrap(), slow_issuer(world))]);
    world.app.replace_sites(vec![site]).await.unwrap();
}

#[tokio::test]
async fn a_panic_of_the_thread_that_signs_ends_no_other_thread() {
    let world = World::new().await;
    let issuer = Arc::new(slow_issuer(&world));
    let deadline = Instant::now() + DEADLINE;

    let lost = world.app.sign(&issuer, true, deadline, |_, _| panic!("a fault of the signing library")).await;

    assert!(matches!(lost, Err(RedeemError::SigningLost)));
}

#[tokio::test]
async fn a_redemption_without_a_thread_to_sign_is_a_failure_that_counts_nothing() {
    let world = World::new().await;
    configure(&world).await;
    let draft = GrantDraft {
        namespace: "west".parse().unwrap(),
        name: "offer".parse().unwrap(),
        spec: GrantSpec { allowed: 2, code: Some(CODE.parse().unwrap()), terms: GrantTerms::default() },
        metadata: GrantMetadata::default(),
    };
    let grant = world.app.create_grant(draft).await.unwrap();
    let redeem = || {
        let request = RedemptionRequest {
            link_name: None,
            subject: None,
            code: PresentedCode::new(CODE.as_bytes().into()),
            peer: None,
        };
        let deadline = Instant::now() + DEADLINE;
        world.app.redeem(grant.id, request, KeyOrigin::Server, deadline, pending())
    };
    assert!(redeem().await.is_ok(), "it cannot be redeemed at all");
    world.app.slow_signatures.close();

    let lost = redeem().await;

    assert!(matches!(lost, Err(RedeemError::SigningLost)), "{lost:?}");
    assert_eq!(world.app.redemptions(grant.id, 0, 10).await.unwrap().len(), 1);
    let metrics = world.app.metrics().render();
    for line in
        ["grantd_redemption_failures_total{reason=\"signing\"} 1", "grantd_redemptions_total{outcome=\"failed\"} 1"]
    {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
}
