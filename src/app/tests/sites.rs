//! Sites that are made through the API.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use super::world::{DEADLINE, World};
use crate::{
    grant::{Namespace, Revision},
    link::Site,
    store::{ObjectContent, ObjectKey, ObjectKind, ObjectWrite, StoredObject},
};

fn east() -> Namespace {
    "east".parse().unwrap()
}

fn key() -> ObjectKey {
    ObjectKey { kind: ObjectKind::Site, namespace: east(), name: "east-site".parse().unwrap() }
}

fn content(is_edge: bool) -> ObjectContent {
    let body = json!({"spec": {"linkAccess": "default", "edge": is_edge}});
    ObjectContent { body: body.as_object().unwrap().clone(), ..ObjectContent::default() }
}

fn change(expected: Revision, is_edge: bool) -> ObjectWrite {
    ObjectWrite::Update { key: key(), expected, generation: 2, content: content(is_edge), labels_before: None }
}

async fn with_a_site() -> (World, StoredObject) {
    let world = World::new().await;
    let created_at = world.app.clock().now();
    let create = ObjectWrite::Create { key: key(), uid: Uuid::new_v4(), created_at, content: content(false) };
    let site = world.app.write_object(create).await.unwrap().unwrap();
    (world, site)
}

/// Does the write, and drops the request when it is committed and not answered.
async fn hang_up_after_the_commit(world: &World, write: ObjectWrite) {
    world.withhold_answers();
    let app = Arc::clone(&world.app);
    let request = tokio::spawn(async move { app.write_object(write).await });
    world.withheld_answers(1).await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
}

/// Waits until the site that is served is as wanted.
async fn wait_served(world: &World, wanted: impl Fn(Option<&Site>) -> bool) {
    let waiting = async {
        while !wanted(world.app.sites().of(&east()).as_ref().map(|served| served.site())) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(DEADLINE, waiting).await.expect("the site is served as it was before");
}

#[tokio::test]
async fn a_deleted_site_is_served_no_longer_though_the_client_hung_up_after_the_commit() {
    let (world, _) = with_a_site().await;
    wait_served(&world, |site| site.is_some()).await;

    hang_up_after_the_commit(&world, ObjectWrite::Delete { key: key(), expected: None }).await;
    world.answer();

    wait_served(&world, |site| site.is_none()).await;
}

#[tokio::test]
async fn a_changed_site_is_served_as_it_is_though_the_client_hung_up_after_the_commit() {
    let (world, site) = with_a_site().await;
    wait_served(&world, |site| site.is_some_and(|site| !site.edge)).await;

    hang_up_after_the_commit(&world, change(site.revision, true)).await;
    world.answer();

    wait_served(&world, |site| site.is_some_and(|site| site.edge)).await;
}

#[tokio::test]
async fn the_next_write_of_a_site_waits_until_the_one_before_is_served() {
    let (world, site) = with_a_site().await;
    hang_up_after_the_commit(&world, change(site.revision, true)).await;

    let newer = world.app.object(key()).await.unwrap().unwrap();
    let app = Arc::clone(&world.app);
    let next = tokio::spawn(async move { app.write_object(change(newer.revision, false)).await });
    let committed = timeout(Duration::from_millis(100), world.withheld_answers(2)).await;
    assert!(committed.is_err(), "it did not wait");
    world.answer();

    timeout(DEADLINE, next).await.unwrap().unwrap().unwrap();
    wait_served(&world, |site| site.is_some_and(|site| !site.edge)).await;
}
