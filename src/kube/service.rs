//! The API as a service: from an HTTP request to an HTTP answer, whatever the connection below.

use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request,
    body::{Body, Bytes},
    header::CONTENT_TYPE,
};
use serde_json::Value;
use tokio::sync::Semaphore;
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt,
    limit::ConcurrencyLimit,
    load_shed::{LoadShed, error::Overloaded},
    timeout::Timeout,
};
use tracing::{debug, info};

use super::{
    action::{Action, DeleteOptions},
    authorize::{Peer, authenticate, authorize},
    discovery, json,
    kind::with_kind,
    ledger, namespaces,
    patch::Patch,
    problem::Problem,
    protobuf,
    query::{ListOptions, Query, WatchOptions, WriteOptions},
    reply::{Answer, Reply},
    reviews,
    table::TableForm,
    target::Target,
    types::{Origin, ResourceType, Shows, Verb},
    verbs,
    watch::{self, MOST_WATCHES, Wanted},
};
use crate::{
    app::App,
    metrics::{AdminVerb, StatusClass},
};

/// The longest body that is read.
const LONGEST_BODY: usize = 1024 * 1024;
/// The longest body that is taken off the connection, to be refused: most clients read no answer before they have sent
/// everything, and would report a broken pipe instead of the refusal.
const LONGEST_DISCARDED: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// How long a request may take in all.
const REQUEST_DEADLINE: Duration = Duration::from_secs(20);
/// How many requests are worked on at once; more are answered 429.
const MOST_REQUESTS: usize = 32;

/// The API, as one peer meets it; clones share its limits.
#[derive(Clone)]
pub(super) struct AdminService {
    app: Arc<App>,
    peer: Arc<Peer>,
    limited: LoadShed<ConcurrencyLimit<Timeout<Resources>>>,
}

impl AdminService {
    /// The API of this service, for nobody yet.
    pub(super) fn new(app: Arc<App>) -> Self {
        let limited = ServiceBuilder::new()
            .load_shed()
            .concurrency_limit(MOST_REQUESTS)
            .timeout(REQUEST_DEADLINE)
            .service(Resources { app: Arc::clone(&app), watches: Arc::new(Semaphore::new(MOST_WATCHES)) });
        Self { app, peer: Arc::new(Peer::Nobody), limited }
    }

    /// The same for the requests of `peer`.
    pub(super) fn of(&self, peer: Peer) -> Self {
        Self { peer: Arc::new(peer), ..self.clone() }
    }
}

impl<B> Service<Request<B>> for AdminService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (app, peer, limited) = (Arc::clone(&self.app), Arc::clone(&self.peer), self.limited.clone());
        Box::pin(async move {
            let target = Arc::new(Target::read(request.uri().path()));
            let verb = target.verb(request.method()).map(|verb| as_asked(verb, &target, request.uri().query()));
            let known = verb.as_ref().ok().copied();
            let answered = limited
                .oneshot(Addressed { peer: Arc::clone(&peer), target: Arc::clone(&target), verb, request })
                .await;
            let reply = answered.unwrap_or_else(|error| limit_reached(&error).into_reply());
            let code = reply.status.as_u16();
            let label = known.map_or(AdminVerb::Other, Verb::label);
            app.metrics().admin_request(label, target.label(), StatusClass::of(code));
            record(&peer, &target, known, &reply);
            Ok(reply.into_answer())
        })
    }
}

/// A list of objects is a watch when the query says so.
fn as_asked(verb: Verb, target: &Target, query: Option<&str>) -> Verb {
    let Target::Collection { resource, .. } = target else { return verb };
    // A query that cannot be read is told when it is.
    let asked = || Query::read(query.unwrap_or_default()).is_ok_and(|query| query.wants_watch());
    if verb == Verb::List && resource.verbs.contains(&Verb::Watch) && asked() { Verb::Watch } else { verb }
}

fn limit_reached(error: &BoxError) -> Problem {
    if error.is::<Overloaded>() { Problem::Overloaded } else { Problem::TimedOut }
}

/// One event for each write, and a quiet one for each read. Never a body: it may hold a code.
fn record(peer: &Peer, target: &Target, verb: Option<Verb>, reply: &Reply) {
    let (resource, namespace, name) = target.words();
    let name = if name.is_empty() { reply.object_name().unwrap_or_default() } else { name };
    // Names are as they came: a line break in one must not become one in the log.
    let (name, code) = (name.escape_debug(), reply.status.as_u16());
    let user = peer.name();
    // A review is created in Kubernetes' words only: it asks.
    let writes = !matches!(target, Target::Review(_)) && verb.is_some_and(Verb::writes);
    let verb = verb.map_or("", Verb::as_str);
    if writes {
        info!(user, verb, resource, namespace, %name, code, "admin request");
    } else {
        debug!(user, verb, resource, namespace, %name, code, "admin request");
    }
}

/// A request, whose it is and what it is about.
struct Addressed<B> {
    peer: Arc<Peer>,
    target: Arc<Target>,
    verb: Result<Verb, Problem>,
    request: Request<B>,
}

/// The API without its limits.
#[derive(Clone)]
struct Resources {
    app: Arc<App>,
    /// The places of watches, which keep them for much longer than those of other requests.
    watches: Arc<Semaphore>,
}

impl<B> Service<Addressed<B>> for Resources
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
{
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, addressed: Addressed<B>) -> Self::Future {
        let resources = self.clone();
        Box::pin(async move { Ok(resources.answer(addressed).await.unwrap_or_else(Problem::into_reply)) })
    }
}

impl Resources {
    async fn answer<B>(&self, addressed: Addressed<B>) -> Result<Reply, Problem>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Send,
    {
        let Addressed { peer, target, verb, request } = addressed;
        authenticate(&peer, request.headers(), &target)?;
        let verb = verb?;
        refuse_impersonation(&target, request.headers())?;
        authorize(&peer, &target, verb)?;
        let query = Query::read(request.uri().query().unwrap_or_default())?;
        if !verb.writes() && verb != Verb::Watch && query.wants_watch() {
            // Answered with what is asked for once, a watch would wait for ever for the next line.
            let message = "only collections of objects are watched here; one object of them is selected with \
                           fieldSelector=metadata.name=NAME";
            return Err(Problem::MethodNotAllowed { message, allow: "GET".to_owned() });
        }
        match target.as_ref() {
            Target::Discovery(document) => discovery::document(*document, &query),
            Target::Namespace(namespace) => Ok(namespaces::find(namespace)),
            Target::Namespaces if verb.writes() => {
                let object = read_object(request).await?;
                namespaces::create(&self.app, &object, WriteOptions::read(&query)?)
            }
            Target::Namespaces => namespaces::list(&self.app, &ListOptions::read(&query, &[])?).await,
            Target::Events(_) => namespaces::events(&self.app).await,
            Target::Review(review) => {
                let caller = peer.caller().ok_or(Problem::Unauthorized("Unauthorized"))?;
                let question = read_object(request).await?;
                reviews::answer(*review, &caller, &question, WriteOptions::read(&query)?)
            }
            Target::Part { resource, part, namespace, name } => match part.shows {
                Shows::Redemptions => ledger::redemptions(&self.app, namespace, name, &query).await,
                Shows::Status => {
                    let table = TableForm::read(request.headers(), &query)?;
                    let action = Action::Get { namespace: namespace.clone(), name: name.clone() };
                    let reply = self.perform(resource, action).await?;
                    Ok(if let Some(table) = table {
                        table.reply(resource, reply, self.app.clock().now())
                    } else {
                        reply
                    })
                }
            },
            Target::Collection { resource, namespace } if verb == Verb::Watch => {
                let wanted = Wanted {
                    namespace: namespace.clone(),
                    options: WatchOptions::read(resource, &query)?,
                    table: TableForm::read(request.headers(), &query)?,
                };
                self.watch(resource, wanted).await
            }
            Target::Collection { resource, .. } | Target::Object { resource, .. } => {
                let (parts, body) = request.into_parts();
                let body = if verb.writes() { read_body(body).await? } else { Bytes::new() };
                let action = action(&target, verb, &parts.headers, &body, &query)?;
                let table = if verb.writes() { None } else { TableForm::read(&parts.headers, &query)? };
                let reply = self.perform(resource, action).await?;
                Ok(if let Some(table) = table { table.reply(resource, reply, self.app.clock().now()) } else { reply })
            }
            Target::Malformed(_) | Target::Unknown => Err(Problem::NoSuchPath),
        }
    }

    async fn perform(&self, resource: &ResourceType, action: Action) -> Result<Reply, Problem> {
        with_kind!(resource.behaviour, kind => verbs::perform(&self.app, kind, action).await)
    }

    async fn watch(&self, resource: &ResourceType, wanted: Wanted) -> Result<Reply, Problem> {
        let place = Arc::clone(&self.watches).try_acquire_owned().map_err(|_| Problem::TooManyWatches)?;
        with_kind!(resource.behaviour, kind => watch::open(&self.app, kind, wanted, place).await)
    }
}

/// Acting as somebody else is not supported; ignoring the header would act as the caller instead.
///
/// Not where everybody is answered the same: kubectl tells a refusal there five times, and none of them in our words.
fn refuse_impersonation(target: &Target, headers: &HeaderMap) -> Result<(), Problem> {
    if !matches!(target, Target::Discovery(_)) && headers.keys().any(|name| name.as_str().starts_with("impersonate-")) {
        return Err(Problem::Forbidden("impersonation is not supported by this server"));
    }
    Ok(())
}

/// Puts together what is wanted.
fn action(target: &Target, verb: Verb, headers: &HeaderMap, body: &[u8], query: &Query) -> Result<Action, Problem> {
    let (resource, namespace, name) = match target {
        Target::Collection { resource, namespace } => (*resource, namespace.clone(), String::new()),
        Target::Object { resource, namespace, name } => (*resource, Some(namespace.clone()), name.clone()),
        Target::Discovery(_)
        | Target::Namespaces
        | Target::Namespace(_)
        | Target::Events(_)
        | Target::Review(_)
        | Target::Part { .. }
        | Target::Malformed(_)
        | Target::Unknown => return Err(Problem::NoSuchPath),
    };
    // Only lists are of all namespaces (`Target::verb`).
    let one_namespace = || namespace.clone().ok_or(Problem::NoSuchPath);
    match verb {
        // A watch is no single action: it was opened before.
        Verb::Watch => Err(Problem::NoSuchPath),
        Verb::List => Ok(Action::List { namespace, options: ListOptions::read(query, resource.selectable)? }),
        Verb::Get => Ok(Action::Get { namespace: one_namespace()?, name }),
        Verb::Create => {
            let object = match resource.origin {
                Origin::Kubernetes => any_body(headers, body)?,
                Origin::Skupper => json_body(headers, body)?,
            };
            let namespace = one_namespace()?;
            Ok(Action::Create { namespace, object, options: WriteOptions::read(query)? })
        }
        Verb::Update => {
            let (namespace, object) = (one_namespace()?, json_body(headers, body)?);
            Ok(Action::Update { namespace, name, object, options: WriteOptions::read(query)? })
        }
        Verb::Patch => {
            let patch = Patch::read(&media_type(headers), body, resource.origin)?;
            let namespace = one_namespace()?;
            Ok(Action::Patch { namespace, name, patch, options: WriteOptions::read(query)? })
        }
        Verb::Delete => {
            let options = if body.is_empty() { None } else { Some(json_body(headers, body)?) };
            let effect = WriteOptions::read(query)?.effect;
            let namespace = one_namespace()?;
            Ok(Action::Delete { namespace, name, options: DeleteOptions::read(options.as_ref(), effect)? })
        }
    }
}

/// The type of the body in lower case and without its parameters; empty when none is named.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?")).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The object of a request for what kubectl sends in protobuf.
async fn read_object<B>(request: Request<B>) -> Result<Value, Problem>
where
    B: Body<Data = Bytes>,
{
    let (parts, body) = request.into_parts();
    any_body(&parts.headers, &read_body(body).await?)
}

fn any_body(headers: &HeaderMap, body: &[u8]) -> Result<Value, Problem> {
    match media_type(headers).as_str() {
        protobuf::MEDIA_TYPE => protobuf::object(body),
        "" | "application/json" => json::object(body),
        _ => Err(Problem::UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/vnd.kubernetes.protobuf",
        )),
    }
}

fn json_body(headers: &HeaderMap, body: &[u8]) -> Result<Value, Problem> {
    // Without a type it is taken for JSON, as Kubernetes does.
    match media_type(headers).as_str() {
        "" | "application/json" => json::object(body),
        _ => Err(Problem::UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: application/json",
        )),
    }
}

async fn read_body<B>(body: B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
{
    if body.size_hint().lower() > LONGEST_DISCARDED as u64 {
        return Err(Problem::TooLarge { limit: LONGEST_BODY });
    }
    match tokio::time::timeout(BODY_DEADLINE, collect(body)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::BodyTimedOut),
    }
}

async fn collect<B>(body: B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let (mut bytes, mut arrived) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::BadRequest("the request body could not be read".to_owned()))?;
        let Ok(data) = frame.into_data() else { continue };
        arrived += data.len();
        if arrived > LONGEST_DISCARDED {
            break;
        }
        if arrived <= LONGEST_BODY {
            bytes.extend_from_slice(&data);
        }
    }
    if arrived > LONGEST_BODY { Err(Problem::TooLarge { limit: LONGEST_BODY }) } else { Ok(bytes.into()) }
}
