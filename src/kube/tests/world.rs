//! A whole service with its own data directory, and requests to it.

use std::{
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::{Body, Bytes},
    header::CONTENT_TYPE,
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    app::{App, AppParts, ConfiguredSite, KeyOrigin, Publication, Sites},
    file::{self, Access, Existing},
    grant::{PresentedCode, RedemptionRequest},
    kube::{access::caller::Peer, wire::service::AdminService},
    link::{Endpoint, EndpointName, PublicUrl, Site},
    metrics::Metrics,
    pki::{CaKeyType, Issuer, Profile, SelfMadeCa, ServingIdentity, make_ca, make_serving},
    store::{self, Location, Quota, StoreOptions},
    time::{Clock, Timestamp},
};

/// The collection that most tests are about.
pub(super) const GRANTS: &str = "/apis/skupper.io/v2alpha1/namespaces/west/accessgrants";
/// 2023-11-14T22:13:20Z
pub(super) const NOW: i64 = 1_700_000_000;

/// A directory that is removed after the test.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("grantd-kube-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) struct World {
    pub(super) app: Arc<App>,
    pub(super) clock: Clock,
    pub(super) scratch: Scratch,
    pub(super) service: AdminService,
}

/// The parts of an answer.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    /// Null when the body is not JSON.
    pub(super) json: Value,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The object in an answer, which must be a success.
    pub(super) fn object(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text);
        self.json
    }

    /// Code, reason and message of an answer, which must be a Status.
    pub(super) fn failure(&self) -> (u16, &str, &str) {
        assert_eq!(self.json["kind"], "Status", "{}", self.text);
        assert_eq!(self.json["code"], self.status);
        (self.status, self.json["reason"].as_str().unwrap(), self.json["message"].as_str().unwrap())
    }
}

impl World {
    /// Namespaces: `west` with a whole site, `edge` with an edge site, `bare` with a site without endpoints.
    pub(super) async fn start() -> Self {
        Self::with_quota(Quota::DEFAULT).await
    }

    /// The same with another quota of each namespace.
    pub(super) async fn with_quota(quota: Quota) -> Self {
        Self::start_in(Scratch::new(), quota).await
    }

    /// The service of the same directory, stopped and started again.
    pub(super) async fn restart(self) -> Self {
        let Self { app, clock: _, scratch, service } = self;
        app.close().await.unwrap();
        drop((app, service));
        Self::start_in(scratch, Quota::DEFAULT).await
    }

    async fn start_in(scratch: Scratch, quota: Quota) -> Self {
        let clock = Clock::fixed(Timestamp::from_unix_seconds(NOW));
        let options = StoreOptions {
            quota,
            location: Location::Sqlite {
                database: scratch.path().join("grantd.db"),
                lock: scratch.path().join("lock"),
            },
            key: scratch.path().join("key"),
            on_commit: Box::new(|_| {}),
        };
        let store = store::open(options).await.unwrap();
        let loaded_revision = store.advance().await.unwrap();
        let parts = AppParts {
            clock: clock.clone(),
            metrics: Arc::new(Metrics::new()),
            sites: Sites::new([site("west", false, 2), site("edge", true, 2), site("bare", false, 0)]).unwrap(),
            publication: publication(scratch.path()),
            profile: Profile::default(),
            longest_code: 1024,
            retry_window: Duration::ZERO,
            retention: Duration::from_secs(3600),
            loaded_revision,
        };
        let app = Arc::new(App::new(store, parts));
        app.load_sites().await.unwrap();
        let service = AdminService::new(Arc::clone(&app));
        Self { app, clock, scratch, service }
    }

    pub(super) async fn request<B>(&self, request: Request<B>) -> Seen
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        self.request_of(Peer::Owner { uid: 0 }, request).await
    }

    /// The answer to a request of another client than the owner.
    pub(super) async fn request_of<B>(&self, peer: Peer, request: Request<B>) -> Seen
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let answer = self.service.of(peer).oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Seen { status: parts.status.as_u16(), headers: parts.headers, text, json }
    }

    /// The status of an answer whose body is not read: that of a watch has no end.
    pub(super) async fn status_of(&self, peer: Peer, request: Request<Full<Bytes>>) -> u16 {
        self.service.of(peer).oneshot(request).await.unwrap().status().as_u16()
    }

    pub(super) async fn send(&self, method: Method, path: &str, content_type: &str, body: &str) -> Seen {
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, content_type);
        self.request(request.body(Full::from(body.to_owned())).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str) -> Seen {
        self.request(Request::builder().uri(path).body(Full::default()).unwrap()).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Seen {
        self.send(Method::POST, path, "application/json", &body.to_string()).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Seen {
        self.send(Method::PUT, path, "application/json", &body.to_string()).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Seen {
        self.send(Method::PATCH, path, "application/merge-patch+json", &body.to_string()).await
    }

    pub(super) async fn delete(&self, path: &str, body: &Value) -> Seen {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(Method::DELETE, path, "application/json", &body).await
    }

    /// Creates a grant in `west`, which must succeed.
    pub(super) async fn grant(&self, name: &str, spec: Value) -> Value {
        let seen = self.post(GRANTS, &grant(name, spec)).await;
        assert_eq!(seen.status, StatusCode::CREATED.as_u16(), "{}", seen.text);
        seen.json
    }

    /// Redeems the grant of this object once.
    pub(super) async fn redeem(&self, object: &Value) {
        let id = object["metadata"]["uid"].as_str().unwrap().parse().unwrap();
        let code = object["status"]["code"].as_str().unwrap().as_bytes().to_vec();
        let request = RedemptionRequest {
            link_name: Some("west-link".parse().unwrap()),
            subject: Some("east".parse().unwrap()),
            code: PresentedCode::new(code),
            peer: Some("10.0.0.1".parse().unwrap()),
        };
        self.app
            .redeem(id, request, KeyOrigin::Server, Instant::now() + Duration::from_secs(20), std::future::pending())
            .await
            .unwrap();
    }
}

/// A manifest.
#[expect(clippy::needless_pass_by_value, reason = "callers write the spec in place")]
pub(super) fn grant(name: &str, spec: Value) -> Value {
    manifest("AccessGrant", name, &spec)
}

/// A manifest of this kind.
pub(super) fn manifest(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "skupper.io/v2alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// The fields and messages of the faults in an answer, in order; the answer must be a refusal.
pub(super) fn causes(seen: &Seen) -> Vec<(&str, &str)> {
    assert_eq!(seen.failure().1, "Invalid", "{}", seen.text);
    let all = seen.json["details"]["causes"].as_array().unwrap();
    let mut causes: Vec<(&str, &str)> =
        all.iter().map(|cause| (cause["field"].as_str().unwrap(), cause["message"].as_str().unwrap())).collect();
    causes.sort_unstable();
    causes
}

/// The condition of this type.
pub(super) fn condition<'v>(object: &'v Value, name: &str) -> &'v Value {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|condition| condition["type"] == name).unwrap()
}

fn site(namespace: &str, edge: bool, endpoints: usize) -> ConfiguredSite {
    let endpoint = |name, port: u16| Endpoint {
        group: "skupper-router".parse().unwrap(),
        name,
        host: "west.example.com".parse().unwrap(),
        port: port.try_into().unwrap(),
    };
    let mut all = vec![endpoint(EndpointName::InterRouter, 55671), endpoint(EndpointName::Edge, 45671)];
    all.truncate(endpoints);
    let site = Site {
        namespace: namespace.parse().unwrap(),
        name: format!("{namespace}-site").parse().unwrap(),
        edge,
        endpoints: all,
    };
    let SelfMadeCa { certificate_pem, key } = ca();
    let issuer =
        Issuer::from_pem(certificate_pem.as_bytes(), key.expose().as_bytes(), Timestamp::from_unix_seconds(NOW));
    ConfiguredSite::new(
        site,
        "skupper-site-ca".parse().unwrap(),
        [("skupper-site-ca".parse().unwrap(), issuer.unwrap())],
    )
}

fn ca() -> SelfMadeCa {
    make_ca("test CA", CaKeyType::EcdsaP256, Timestamp::from_unix_seconds(NOW)).unwrap()
}

fn publication(directory: &Path) -> Publication {
    let (now, ca) = (Timestamp::from_unix_seconds(NOW), ca());
    let hosts = ["grants.example.com".parse().unwrap()];
    let year = Duration::from_secs(365 * 24 * 3600);
    let (certificate, key) =
        make_serving(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), &hosts, now, year).unwrap();
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
