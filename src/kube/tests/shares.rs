//! Users share the places for bodies, requests and watches.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    body::{Body, Bytes, Frame},
};
use serde_json::json;
use tokio::time::timeout;
use tower::ServiceExt;

use super::world::{GRANTS, World, grant};
use crate::{kube::access::caller::Peer, pki::AdminUser};

const DEADLINE: Duration = Duration::from_secs(30);

struct NeverComes;

impl Body for NeverComes {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

fn user(name: &str) -> Peer {
    Peer::Certificate(AdminUser { name: name.parse().unwrap(), scope: "grantd:*:write".parse().unwrap() })
}

fn post<B>(body: B) -> Request<B> {
    Request::post(GRANTS).header("content-type", "application/json").body(body).unwrap()
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let world = World::start().await;

    tokio::time::pause();
    let seen = world.request(post(NeverComes)).await;

    assert_eq!(seen.failure(), (408, "Timeout", "the request body did not arrive in time"));
}

#[tokio::test]
async fn bodies_that_do_not_come_leave_room_for_requests_and_for_the_bodies_of_others() {
    let world = World::start().await;
    let mut waiting = Vec::new();
    let refused = loop {
        let mut request = Box::pin(world.request_of(user("slow"), post(NeverComes)));
        match poll_fn(|context| Poll::Ready(request.as_mut().poll(context))).await {
            Poll::Pending => waiting.push(request),
            Poll::Ready(seen) => break seen,
        }
    };

    assert_eq!((refused.failure().1, refused.header("retry-after")), ("TooManyRequests", "1"));
    assert_eq!(waiting.len(), 16, "half of all");
    assert_eq!(world.request_of(user("slow"), get(GRANTS)).await.status, 200);
    let body = Full::from(grant("g", json!({})).to_string());
    assert_eq!(world.request_of(user("quick"), post(body.clone())).await.status, 201);

    drop(waiting);
    assert_eq!(world.request_of(user("slow"), post(body)).await.failure().0, 409);
}

#[tokio::test]
async fn the_watches_of_one_user_leave_room_for_those_of_another() {
    let world = World::start().await;
    let watch = async |name| {
        let request = get(&format!("{GRANTS}?watch=true"));
        timeout(DEADLINE, world.service.of(user(name)).oneshot(request)).await.unwrap().unwrap()
    };
    let mut held = Vec::new();
    let refused = loop {
        match watch("greedy").await {
            answer if answer.status() == 200 => held.push(answer),
            answer => break answer,
        }
    };

    assert_eq!((refused.status().as_u16(), held.len()), (429, 128));
    let _ = refused.into_body().collect().await;
    assert_eq!(watch("modest").await.status(), 200);
}
