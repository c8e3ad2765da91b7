//! Signatures that take long, which wait for one of few places.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::world::World;
use crate::{
    app::RedeemError,
    pki::{CaKeyType, IssueError, Issuer, make_ca},
};

/// How long a caller waits here for a certificate.
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_slow_signature_waits_for_a_place_until_half_of_its_time_is_over_and_a_fast_one_needs_none() {
    let world = World::new().await;
    let app = &world.app;
    let ca = make_ca("test CA", CaKeyType::EcdsaP256, app.clock().now()).unwrap();
    let issuer = Issuer::from_pem(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), app.clock().now());
    let issuer = Arc::new(issuer.unwrap());
    let places = u32::try_from(app.slow_signatures.available_permits()).unwrap();
    let _taken = app.slow_signatures.acquire_many(places).await.unwrap();
    let begun = Instant::now();

    let slow = app.sign(&issuer, true, begun + PATIENCE, |_, _| panic!("it has no place")).await;
    let waited = begun.elapsed();
    let at_once = |_: &Issuer, _: &_| Err(IssueError::Crypto { action: "sign" });
    let fast = app.sign(&issuer, false, Instant::now() + PATIENCE, at_once).await;

    assert!(matches!(slow, Err(RedeemError::Overdue)), "{slow:?}");
    assert!(waited >= PATIENCE / 2 && waited < PATIENCE * 3 / 2, "{waited:?}");
    assert!(matches!(fast, Err(RedeemError::Issue(_))), "{fast:?}");
}
