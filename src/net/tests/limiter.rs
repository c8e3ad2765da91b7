//! Permits: for whom a connection counts, and how it keeps its place.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    metrics::Rejection,
    net::{
        Peer, Permit, Source,
        limiter::ConnectionLimiter,
        places::{NoPlace, PlaceLimits},
        pool::PoolLimits,
    },
};

const LEAST_AGE: Duration = Duration::from_secs(3);

fn limiter(connections: PoolLimits) -> ConnectionLimiter {
    ConnectionLimiter::new(PlaceLimits { connections, handshakes: 8, unauthenticated: 1 })
}

fn few_for_each() -> ConnectionLimiter {
    limiter(PoolLimits { places: 8, per_address: 2, per_user: 1, least_age: LEAST_AGE })
}

fn peer(host: u8) -> Peer {
    Peer::Tcp(([192, 0, 2, host], 7).into())
}

fn admit(limiter: &ConnectionLimiter, host: u8) -> Result<Permit, Rejection> {
    limiter.admit(peer(host), Source::from(peer(host)), Instant::now())
}

#[test]
fn a_user_has_one_limit_from_wherever_it_connects() {
    let limiter = few_for_each();
    let [one, two] = [1, 2].map(|host| admit(&limiter, host).unwrap());
    let alice = || Source::User("alice".into());

    assert_eq!(one.belongs_to(alice()), Ok(()));
    assert_eq!(two.belongs_to(alice()), Err(NoPlace::Refused(Rejection::Peer)));
    drop(one);
    assert_eq!(two.belongs_to(alice()), Ok(()));
}

#[test]
fn the_unauthenticated_have_few_places() {
    let limiter = few_for_each();
    let [one, two] = [1, 2].map(|host| admit(&limiter, host).unwrap());

    assert_eq!(one.unauthenticated(), Ok(()));
    assert_eq!(two.unauthenticated(), Err(NoPlace::Refused(Rejection::Peer)));
    drop(one);
    assert_eq!(two.unauthenticated(), Ok(()));
}

#[test]
fn a_client_that_a_load_balancer_names_has_a_limit_of_its_own() {
    let (limiter, client) = (few_for_each(), peer(2));
    let passed_on = || limiter.admit(peer(1), Source::LoadBalancers, Instant::now()).unwrap();
    let permits = [(); 3].map(|()| passed_on());

    let identified: Vec<_> = permits.iter().map(|permit| permit.identify(client)).collect();

    assert_eq!(identified, [Ok(()), Ok(()), Err(NoPlace::Refused(Rejection::Peer))]);
    assert_eq!(permits.map(|permit| permit.peer()), [client, client, peer(1)]);
}

#[test]
fn a_connection_that_is_ready_for_requests_outlives_a_younger_one_that_is_not() {
    let limiter = limiter(PoolLimits::of(2, LEAST_AGE));
    let [ready, silent] = [(); 2].map(|()| admit(&limiter, 1).unwrap());
    ready.open();

    let _newcomer = admit(&limiter, 2).unwrap();

    assert!(ready.begin_request().is_ok() && silent.begin_request().is_err());
}

#[test]
fn a_connection_keeps_its_place_until_its_request_is_answered() {
    let limiter = limiter(PoolLimits::of(2, LEAST_AGE));
    let [one, two] = [(); 2].map(|()| admit(&limiter, 1).unwrap());
    let (request, _other) = (one.begin_request().unwrap(), two.begin_request().unwrap());
    assert_eq!(admit(&limiter, 2).unwrap_err(), Rejection::Connections);

    drop(request);

    let _newcomer = admit(&limiter, 2).unwrap();
    assert!(one.begin_request().is_err() && two.begin_request().is_ok());
}
