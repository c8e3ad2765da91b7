//! An app over a real store in a directory of its own, with ports that follow a script.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::timeout};
use uuid::Uuid;

use super::filling::Filling;
pub(super) use super::scripted::{Answer, Scripted};
use crate::{
    app::{
        App, AppParts, ConfiguredSite, Prober, Publication, RedeemFailure, Redeemer, Retry, Sites,
        controllers::Schedule, links::ProbePace,
    },
    file::{self, Access, Existing},
    grant::Revision,
    link::{Bundle, Endpoint, KeyPem, Link, PublicUrl, Site, TlsSecret},
    metrics::Metrics,
    pki::{CaKeyType, Profile, ServingIdentity, make_ca, make_serving},
    store::{
        self, Location, ObjectContent, ObjectKey, ObjectKind, ObjectWrite, Quota, Store, StoreOptions, StoredObject,
        WriteObjectsError,
    },
    time::{Backoff, Clock, Timestamp},
};

/// 2023-11-14T22:13:20Z
const NOW: i64 = 1_700_000_000;
/// Longer than anything takes here.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);
pub(super) const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
pub(super) const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

/// A directory for one test, removed at the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) struct World {
    pub(super) app: Arc<App>,
    store: Arc<Filling>,
    scratch: Scratch,
}

impl World {
    /// With a configured site in `west`.
    pub(super) async fn new() -> Self {
        Self::with_quota(Quota::DEFAULT).await
    }

    pub(super) async fn with_quota(quota: Quota) -> Self {
        let path = std::env::temp_dir().join(format!("grantd-app-{}", Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        let (app, store) = open(&path, quota).await;
        Self { app, store, scratch: Scratch(path) }
    }

    /// The same store after a restart.
    pub(super) async fn reopened(self) -> Self {
        self.app.close().await.unwrap();
        let Self { app, store, scratch } = self;
        drop((app, store));
        let (app, store) = open(&scratch.0, Quota::DEFAULT).await;
        Self { app, store, scratch }
    }

    /// From now on the store refuses writes of objects, as with a full disk.
    pub(super) fn fill(&self) {
        self.store.set_full(true);
    }

    /// From now on lists of objects and sweeps panic.
    pub(super) fn panic_when_read(&self) {
        self.store.panic_from_now_on();
    }

    pub(super) fn make_room(&self) {
        self.store.set_full(false);
    }

    /// Waits until the store has refused so many writes.
    pub(super) async fn refused_writes(&self, count: u32) {
        timeout(DEADLINE, self.store.refused(count)).await.unwrap();
    }

    /// From now on writes of objects are committed, and not answered before [`answer`](Self::answer).
    pub(super) fn withhold_answers(&self) {
        self.store.withhold_answers(true);
    }

    /// Answers what was withheld, and everything that follows at once.
    pub(super) fn answer(&self) {
        self.store.withhold_answers(false);
    }

    /// Waits until so many writes are committed and not answered.
    pub(super) async fn withheld_answers(&self, count: u32) {
        timeout(DEADLINE, self.store.withheld(count)).await.unwrap();
    }

    /// Starts the controllers, with short pauses.
    pub(super) fn run(&self, redeemer: &Arc<Scripted>, prober: &Arc<Scripted>) -> JoinHandle<()> {
        self.run_at(redeemer, prober, quick())
    }

    /// Starts the controllers as a server does, with pauses that no test waits for.
    pub(super) fn run_slowly(&self, redeemer: &Arc<Scripted>, prober: &Arc<Scripted>) -> JoinHandle<()> {
        self.run_at(redeemer, prober, Schedule::default())
    }

    fn run_at(&self, redeemer: &Arc<Scripted>, prober: &Arc<Scripted>, schedule: Schedule) -> JoinHandle<()> {
        let app = Arc::clone(&self.app);
        tokio::spawn(app.run_controllers_at(
            Arc::clone(redeemer) as Arc<dyn Redeemer>,
            Arc::clone(prober) as Arc<dyn Prober>,
            schedule,
        ))
    }

    pub(super) async fn create(&self, kind: ObjectKind, name: &str, body: Value) -> StoredObject {
        self.try_create(kind, name, body).await.unwrap()
    }

    pub(super) async fn try_create(
        &self,
        kind: ObjectKind,
        name: &str,
        body: Value,
    ) -> Result<StoredObject, WriteObjectsError> {
        let create = ObjectWrite::Create {
            key: key(kind, name),
            uid: Uuid::new_v4(),
            created_at: self.app.clock().now(),
            content: ObjectContent { body: body.as_object().unwrap().clone(), ..ObjectContent::default() },
        };
        Ok(self.app.write_objects(vec![create]).await?.remove(0))
    }

    /// Replaces the spec, as a user does.
    pub(super) async fn change_spec(&self, kind: ObjectKind, name: &str, spec: Value) {
        self.change(kind, name, "spec", spec).await;
    }

    /// Replaces a member.
    pub(super) async fn change(&self, kind: ObjectKind, name: &str, member: &str, value: Value) {
        self.edit(kind, name, 1, |content| drop(content.body.insert(member.to_owned(), value.clone()))).await;
    }

    /// Sets an annotation, as a user does to have the object reconciled.
    pub(super) async fn annotate(&self, kind: ObjectKind, name: &str, key: &str, value: &str) {
        self.edit(kind, name, 0, |content| drop(content.annotations.insert(key.to_owned(), value.to_owned()))).await;
    }

    /// As often as it takes until no other write comes between.
    async fn edit(&self, kind: ObjectKind, name: &str, generations: u64, change: impl Fn(&mut ObjectContent)) {
        loop {
            let mut object = self.get(kind, name).await.unwrap();
            change(&mut object.content);
            let update = ObjectWrite::Update {
                key: object.key,
                expected: object.revision,
                generation: object.generation + generations,
                content: object.content,
                labels_before: None,
            };
            match self.app.write_objects(vec![update]).await {
                Err(WriteObjectsError::Conflict(_)) => {}
                done => {
                    done.unwrap();
                    return;
                }
            }
        }
    }

    pub(super) async fn delete(&self, kind: ObjectKind, name: &str) {
        self.app.write_objects(vec![ObjectWrite::Delete { key: key(kind, name), expected: None }]).await.unwrap();
    }

    pub(super) async fn get(&self, kind: ObjectKind, name: &str) -> Option<StoredObject> {
        self.app.object(key(kind, name)).await.unwrap()
    }

    pub(super) async fn status(&self, kind: ObjectKind, name: &str) -> Value {
        let object = self.get(kind, name).await.unwrap();
        object.content.body.get("status").cloned().unwrap_or(Value::Null)
    }

    /// Waits until the object's status is as wanted, and answers it.
    pub(super) async fn wait_status(&self, kind: ObjectKind, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let head = self.app.changes().head();
                let status = self.status(kind, name).await;
                if wanted(&status) {
                    return status;
                }
                self.app.changes().wait_past(head).await;
            }
        };
        match timeout(DEADLINE, waiting).await {
            Ok(status) => status,
            Err(_) => panic!("it stays at {}", self.status(kind, name).await),
        }
    }

    /// Waits for `status.message`, and answers the status.
    pub(super) async fn wait_message(&self, kind: ObjectKind, name: &str, message: &str) -> Value {
        self.wait_status(kind, name, |status| status["message"] == message).await
    }

    /// Stops the controllers, and waits until they have ended.
    pub(super) async fn stop(&self, controllers: JoinHandle<()>) {
        self.app.draining();
        // A redemption in progress is waited for, which takes up to as long as a test waits.
        timeout(2 * DEADLINE, controllers).await.unwrap().unwrap();
    }
}

pub(super) fn key(kind: ObjectKind, name: &str) -> ObjectKey {
    ObjectKey { kind, namespace: "west".parse().unwrap(), name: name.parse().unwrap() }
}

pub(super) fn token_body() -> Value {
    json!({"spec": {"url": "https://east.example.com:9090/1", "code": "canary", "ca": CERTIFICATE}})
}

pub(super) fn link_body() -> Value {
    json!({"spec": {
        "endpoints": [
            {"name": "edge", "host": "east.example.com", "port": "45671", "group": ""},
            {"name": "inter-router", "host": "east.example.com", "port": "55671", "group": ""},
        ],
        "tlsCredentials": "keys",
    }})
}

pub(super) fn secret_body() -> Value {
    json!({"type": "kubernetes.io/tls", "data": {
        "ca.crt": STANDARD.encode(CERTIFICATE), "tls.crt": STANDARD.encode(CERTIFICATE), "tls.key": STANDARD.encode(KEY),
    }})
}

/// What the other site gives, with so many Links.
pub(super) fn bundle(links: u16) -> Bundle {
    let secret = TlsSecret {
        name: "their-name".parse().unwrap(),
        ca_pem: CERTIFICATE.to_owned(),
        certificate_pem: CERTIFICATE.to_owned(),
        key: KeyPem::new(KEY.to_owned().into()),
    };
    let link = |number: u16| Link {
        name: format!("their-name-{number}").parse().unwrap(),
        endpoints: vec![Endpoint {
            group: format!("router-{number}").parse().unwrap(),
            name: "inter-router".parse().unwrap(),
            host: "east.example.com".parse().unwrap(),
            port: (55670 + number).try_into().unwrap(),
        }],
        tls_credentials: "their-name".parse().unwrap(),
        cost: None,
    };
    Bundle { secret, links: (1..=links).map(link).collect() }
}

pub(super) fn failure(message: &str, retry: Retry) -> RedeemFailure {
    RedeemFailure { message: message.to_owned(), retry }
}

fn quick() -> Schedule {
    let milliseconds = Duration::from_millis;
    Schedule {
        redemptions: Backoff { first: milliseconds(20), longest: milliseconds(300) },
        probes: ProbePace {
            when_well: milliseconds(30),
            when_not: Backoff { first: milliseconds(20), longest: milliseconds(40) },
        },
    }
}

async fn open(directory: &Path, quota: Quota) -> (Arc<App>, Arc<Filling>) {
    let clock = Clock::fixed(Timestamp::from_unix_seconds(NOW));
    let options = StoreOptions {
        quota,
        location: Location::Sqlite { database: directory.join("grantd.db"), lock: directory.join("lock") },
        key: directory.join("key"),
        on_commit: Box::new(|_| {}),
    };
    let store = Arc::new(Filling::new(store::open(options).await.unwrap()));
    let site = Site {
        namespace: "west".parse().unwrap(),
        name: "my-site".parse().unwrap(),
        edge: false,
        endpoints: Vec::new(),
    };
    let parts = AppParts {
        clock,
        metrics: Arc::new(Metrics::new()),
        sites: Sites::new([ConfiguredSite::new(site, "ca".parse().unwrap(), [])]).unwrap(),
        publication: publication(directory),
        profile: Profile::default(),
        longest_code: 1024,
        retry_window: Duration::ZERO,
        retention: Duration::from_secs(3600),
        loaded_revision: Revision(1),
    };
    (Arc::new(App::new(Arc::clone(&store) as Arc<dyn Store>, parts)), store)
}

fn publication(directory: &Path) -> Publication {
    let now = Timestamp::from_unix_seconds(NOW);
    let ca = make_ca("test CA", CaKeyType::EcdsaP256, now).unwrap();
    let hosts = ["grants.example.com".parse().unwrap()];
    let day = Duration::from_secs(24 * 3600);
    let (certificate, key) =
        make_serving(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), &hosts, now, day).unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        file::write(&path, text.as_bytes(), Access::Private, Existing::Replace).unwrap();
        path
    };
    let certificate = file("tls.crt", &certificate);
    let key = file("tls.key", key.expose());
    let ca = file("ca.crt", &ca.certificate_pem);
    let serving = ServingIdentity::load(&certificate, &key, &ca, now).unwrap();
    let url = PublicUrl::new("grants.example.com".parse().unwrap(), 9090.try_into().unwrap());
    Publication::new(url, serving)
}
