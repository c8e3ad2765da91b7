//! A program written with kube-rs, which knows nothing of grantd: a client from a kubeconfig, and watches that continue
//! after a restart of the server.

use std::{
    collections::BTreeMap,
    pin::{Pin, pin},
    time::Duration,
};

use futures_util::{Stream, StreamExt};
use kube::{
    Api, Client, Config,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    port,
    server::{PATIENCE, Server},
    wire,
};

/// A server that listens for Kubernetes clients on a port that it keeps after a restart.
fn listening() -> Server {
    Server::start_with(&["--admin-listen", &format!("127.0.0.1:{}", port::free())])
}

fn access_grants() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("skupper.io", "v2alpha1", "AccessGrant"), "accessgrants")
}

/// The grants of the namespace `default`, with what `grantd kubeconfig` prints.
async fn grants(server: &Server) -> Api<DynamicObject> {
    let kubeconfig = Kubeconfig::from_yaml(&server.ok(&["kubeconfig"])).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Api::namespaced_with(Client::try_from(config).unwrap(), "default", &access_grants())
}

fn grant(name: &str) -> DynamicObject {
    DynamicObject::new(name, &access_grants()).data(json!({"spec": {"redemptionsAllowed": 2}}))
}

/// The knowledge of a program that watches: the objects by their names.
struct Watching<'a> {
    events: Pin<&'a mut (dyn Stream<Item = watcher::Result<Event<DynamicObject>>> + Send)>,
    known: BTreeMap<String, DynamicObject>,
    /// The objects of a list that has not ended yet.
    coming: Option<BTreeMap<String, DynamicObject>>,
    lists: usize,
    faults: Vec<watcher::Error>,
}

impl<'a> Watching<'a> {
    fn new(events: Pin<&'a mut (dyn Stream<Item = watcher::Result<Event<DynamicObject>>> + Send)>) -> Self {
        Self { events, known: BTreeMap::new(), coming: None, lists: 0, faults: Vec::new() }
    }

    /// Reads events until the condition is true.
    async fn until(&mut self, what: &str, is_so: impl Fn(&BTreeMap<String, DynamicObject>) -> bool) {
        let waited = timeout(PATIENCE, async {
            while self.lists == 0 || self.coming.is_some() || !is_so(&self.known) {
                let event = self.events.next().await.expect("a watcher never ends");
                self.take(event);
            }
        });
        if waited.await.is_err() {
            panic!("never saw that {what}; known: {:?}; faults: {:?}", self.known.keys(), self.faults);
        }
    }

    fn take(&mut self, event: watcher::Result<Event<DynamicObject>>) {
        let named = |object: DynamicObject| (object.metadata.name.clone().unwrap(), object);
        match event {
            Ok(Event::Init) => self.coming = Some(BTreeMap::new()),
            Ok(Event::InitApply(object)) => self.coming.as_mut().unwrap().extend([named(object)]),
            Ok(Event::InitDone) => {
                self.known = self.coming.take().unwrap();
                self.lists += 1;
            }
            Ok(Event::Apply(object)) => self.known.extend([named(object)]),
            Ok(Event::Delete(object)) => drop(self.known.remove(&named(object).0)),
            Err(fault) => self.faults.push(fault),
        }
    }
}

fn redemptions(object: &DynamicObject) -> u64 {
    object.data["status"]["redemptions"].as_u64().unwrap()
}

/// Everything that happens to grants, before and after a crash of the server.
async fn a_watcher_misses_nothing(how: watcher::Config) {
    let server = listening();
    let api = grants(&server).await;
    api.create(&PostParams::default(), &grant("early")).await.unwrap();
    let mut events = pin!(watcher(api.clone(), how).default_backoff());
    let mut watching = Watching::new(events.as_mut());
    watching.until("the grant was there before", |known| known.contains_key("early")).await;

    api.create(&PostParams::default(), &grant("late")).await.unwrap();
    watching.until("a grant is made", |known| known.contains_key("late")).await;
    let token = server.issue(2);
    let name = token.name.as_str();
    let answer = wire::Client::new(server.redeem, &token).redeem(&token, "east").await.unwrap();
    assert_eq!(answer.status, 200);
    watching.until("it is redeemed", |known| known.get(name).is_some_and(|grant| redemptions(grant) == 1)).await;
    let more = Patch::Merge(json!({"spec": {"redemptionsAllowed": 4}, "metadata": {"labels": {"side": "left"}}}));
    let patched = api.patch("late", &PatchParams::default(), &more).await.unwrap();
    assert_eq!(patched.data["spec"]["redemptionsAllowed"], 4);
    let version = patched.metadata.resource_version;
    watching.until("it is patched", |known| known["late"].metadata.resource_version == version).await;
    api.delete("early", &DeleteParams::default()).await.unwrap();
    watching.until("it is deleted", |known| !known.contains_key("early")).await;
    assert_eq!((watching.lists, watching.faults.len()), (1, 0), "{:?}", watching.faults);

    let server = server.kill_and_restart();
    server.ok(&["grant", "create", "after"]);
    watching.until("a grant is made after the restart", |known| known.contains_key("after")).await;
    server.ok(&["grant", "delete", "late"]);
    watching.until("one is deleted after it", |known| !known.contains_key("late")).await;

    let listed = api.list(&ListParams::default()).await.unwrap();
    let listed: BTreeMap<_, _> =
        listed.into_iter().map(|grant| (grant.metadata.name, grant.metadata.resource_version)).collect();
    let seen: BTreeMap<_, _> =
        watching.known.into_values().map(|grant| (grant.metadata.name, grant.metadata.resource_version)).collect();
    assert_eq!(seen, listed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_goes_on_after_a_crash_and_misses_nothing() {
    a_watcher_misses_nothing(watcher::Config::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_streams_its_lists_goes_on_too() {
    a_watcher_misses_nothing(watcher::Config::default().streaming_lists()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_whose_watch_ends_every_second_misses_nothing_between() {
    let server = listening();
    let api = grants(&server).await;
    let mut events = pin!(watcher(api.clone(), watcher::Config::default().timeout(1)).default_backoff());
    let mut watching = Watching::new(events.as_mut());
    for number in 0..6 {
        let name = format!("grant-{number}");
        api.create(&PostParams::default(), &grant(&name)).await.unwrap();
        watching.until("it is made", |known| known.contains_key(&name)).await;
        // The pause makes some watches end between two creations.
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert_eq!((watching.lists, watching.faults.len()), (1, 0), "{:?}", watching.faults);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_finds_makes_changes_and_removes_grants() {
    let server = listening();
    let api = grants(&server).await;

    let made = api.create(&PostParams::default(), &grant("west")).await.unwrap();
    assert!(made.data["status"]["url"].as_str().unwrap().starts_with("https://"), "{made:?}");
    assert_eq!(api.list(&ListParams::default().limit(1)).await.unwrap().items.len(), 1);
    let metadata = api.get_metadata("west").await.unwrap();
    assert_eq!(metadata.metadata.uid, made.metadata.uid);
    let mut changed = api.get("west").await.unwrap();
    changed.data["spec"]["redemptionsAllowed"] = 3.into();
    let replaced = api.replace("west", &PostParams::default(), &changed).await.unwrap();
    assert_eq!(replaced.metadata.generation, Some(2));
    let stale = api.replace("west", &PostParams::default(), &changed).await.unwrap_err();
    assert!(matches!(&stale, kube::Error::Api(status) if status.is_conflict()), "{stale}");
    api.delete("west", &DeleteParams::default()).await.unwrap();
    let gone = api.get_opt("west").await.unwrap();
    assert!(gone.is_none(), "{gone:?}");
}
