//! The API as a service: from an HTTP request to an HTTP answer, whatever the connection below.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use hyper::{
    HeaderMap, Request,
    body::{Body, Bytes},
};
use tokio::time::timeout;
use tower::Service;
use tracing::{debug, info};

use super::{
    answer::{Answer, Answers},
    authorize::{authenticate, authorize, refuse_impersonation},
    documents,
    negotiation::{as_table, table_form},
    options::{
        read_ledger_options, read_ledger_page_options, read_list_options, read_watch_options, read_write_options,
    },
    query::Query,
    reply::Reply,
    request::{ReadBody, any_body, check_host, json_body, media_type, read_body},
    route::Route,
};
use crate::{
    app::{App, MemoryPermit},
    kube::{
        access::{caller::Peer, reviews},
        catalog::{
            resource_type::{Origin, ResourceType, Shows, Verb},
            server_path::ServerPath,
            table::TableForm,
        },
        engine::{
            action::{Action, DeleteOptions},
            list::ListForm,
            patch::Patch,
            shares::{Place, Sharer, Shares},
            verbs,
            watch::{
                shared::SharedEvents,
                watcher::{self, MOST_WATCHES, WatchRequest},
            },
        },
        kinds::{
            ledger, namespaces,
            registry::{behaviour, with_kind},
            server,
        },
        problem::status::Problem,
    },
    metrics::{AdminVerb, StatusClass},
    net::{DisplacedError, Permit},
};

/// The longest time from the start of a request to its answer; watches run longer.
const REQUEST_DEADLINE: Duration = Duration::from_secs(20);
/// The most requests that are processed at the same time, of all users; further ones get a 429.
const MOST_REQUESTS: usize = 32;
/// The most bodies that are received at the same time. A request is processed when its body is there.
const MOST_BODIES: usize = 32;

/// The API for the requests of one peer. All clones share the limits.
#[derive(Clone)]
pub(crate) struct AdminService {
    app: Arc<App>,
    peer: Arc<Peer>,
    answers: Answers,
    /// The permit of the connection; `None` in tests without one.
    permit: Option<Arc<Permit>>,
    resources: Resources,
}

impl AdminService {
    /// The API for unauthenticated clients.
    pub(crate) fn new(app: Arc<App>) -> Self {
        let resources = Resources {
            app: Arc::clone(&app),
            bodies: Shares::new(MOST_BODIES),
            requests: Shares::new(MOST_REQUESTS),
            watches: Shares::new(MOST_WATCHES),
            events: Arc::default(),
        };
        let peer = Arc::new(Peer::Unauthenticated);
        Self { app, peer, answers: Answers::default(), permit: None, resources }
    }

    /// The same API, with the same limits, for the requests of `peer`.
    pub(crate) fn of(&self, peer: Peer) -> Self {
        Self { peer: Arc::new(peer), ..self.clone() }
    }

    /// The same API for the requests of one connection, and the register of the answers being sent on it.
    pub(crate) fn on_one_connection(self, permit: Permit) -> (Self, Answers) {
        let answers = Answers::default();
        (Self { answers: answers.clone(), permit: Some(Arc::new(permit)), ..self }, answers)
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
        let Self { app, peer, answers, permit, resources } = self.clone();
        Box::pin(async move {
            // The requests of tests without a connection have no host.
            let host = permit.as_ref().map_or(Ok(()), |_| check_host(&request));
            // A connection without a user can lose its place while it is answered.
            let permit = permit.filter(|_| sharer(&peer) != Sharer::Stranger);
            let active = match permit.map(|permit| permit.begin_request()).transpose() {
                Ok(active) => active,
                // The connection is being closed, and this with it.
                Err(DisplacedError) => std::future::pending().await,
            };
            let route = Arc::new(Route::read(request.uri().path()));
            let verb = route.verb(request.method()).map(|verb| as_asked(verb, &route, request.uri().query()));
            let known = verb.as_ref().ok().copied();
            let addressed = Addressed { peer: Arc::clone(&peer), route: Arc::clone(&route), verb, request };
            let answered = timeout(REQUEST_DEADLINE, async { resources.answer(host.map(|()| addressed)?).await }).await;
            let mut reply = answered.unwrap_or(Err(Problem::TimedOut)).unwrap_or_else(Reply::from);
            // The answer to a write is always sent, as the change is made already.
            if !known.is_some_and(Verb::writes) && reply.count(&app.memory().share_of(peer.share())).is_err() {
                reply = Problem::Overloaded.into();
            }
            let code = reply.status.as_u16();
            let label = known.map_or(AdminVerb::Other, Verb::label);
            app.metrics().admin_request(label, route.label(), StatusClass::of(code));
            record(&peer, &route, known, &reply);
            Ok(reply.into_answer().map(|body| body.on(&answers, active)))
        })
    }
}

/// A list of objects is a watch when the query says so.
fn as_asked(verb: Verb, route: &Route, query: Option<&str>) -> Verb {
    let Route::Collection { resource, .. } = route else { return verb };
    // A query that cannot be read is refused later, when it is used.
    let asked = || Query::read(query.unwrap_or_default()).is_ok_and(|query| query.wants_watch());
    if verb == Verb::List && resource.verbs.contains(&Verb::Watch) && asked() { Verb::Watch } else { verb }
}

/// With whom the peer shares the places.
fn sharer(peer: &Peer) -> Sharer {
    match peer {
        Peer::Owner { .. } => Sharer::Owner,
        Peer::Certificate(user) => Sharer::User(user.name.as_str().to_owned()),
        Peer::Unauthenticated | Peer::Revoked(_) => Sharer::Stranger,
    }
}

/// Logs each write at level info and each read at a lower one, as with what strangers send, who could fill the log. Never a
/// body, which may contain a code.
fn record(peer: &Peer, route: &Route, verb: Option<Verb>, reply: &Reply) {
    let (resource, namespace, name) = route.words();
    let name = if name.is_empty() { reply.object_name().unwrap_or_default() } else { name };
    // Names are as the client sent them; a line break in a name must not break a line of the log.
    let (name, code) = (name.escape_debug(), reply.status.as_u16());
    let user = peer.name();
    // Kubernetes' word for asking a review is `create`, but nothing is written.
    let writes =
        !matches!(route, Route::Review(_)) && verb.is_some_and(Verb::writes) && sharer(peer) != Sharer::Stranger;
    let verb = verb.map_or("", Verb::as_str);
    if writes {
        info!(user = &*user, verb, resource, namespace, %name, code, "admin request");
    } else {
        debug!(user = &*user, verb, resource, namespace, %name, code, "admin request");
    }
}

/// A request, its client and its route.
struct Addressed<B> {
    peer: Arc<Peer>,
    route: Arc<Route>,
    verb: Result<Verb, Problem>,
    request: Request<B>,
}

/// A request with its whole body.
struct Received {
    headers: HeaderMap,
    body: Bytes,
    /// Of the body.
    memory: Option<MemoryPermit>,
    _place: Place,
}

/// The API without the limits of its connections.
#[derive(Clone)]
struct Resources {
    app: Arc<App>,
    bodies: Shares,
    requests: Shares,
    /// Of watches, which last much longer than other requests.
    watches: Shares,
    /// Long events that watches have yet to send.
    events: Arc<SharedEvents>,
}

impl Resources {
    async fn answer<B>(&self, addressed: Addressed<B>) -> Result<Reply, Problem>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Send,
    {
        let Addressed { peer, route, verb, request } = addressed;
        authenticate(&peer, request.headers(), &route)?;
        let verb = verb?;
        refuse_impersonation(&route, request.headers())?;
        authorize(&peer, &route, verb)?;
        let query = Query::read(request.uri().query().unwrap_or_default())?;
        if !verb.writes() && verb != Verb::Watch && query.wants_watch() {
            // An ordinary answer would leave the client waiting for the next event for ever.
            let message = "only collections of objects are watched here; one object of them is selected with \
                           fieldSelector=metadata.name=NAME";
            return Err(Problem::MethodNotAllowed { message, allow: "GET".to_owned() });
        }
        let received = self.receive(&peer, verb, request).await?;
        self.dispatch(&peer, &route, verb, &query, received).await
    }

    /// The whole request, which gets the place in which it is processed when its body is there: slow clients need none.
    async fn receive<B>(&self, peer: &Peer, verb: Verb, request: Request<B>) -> Result<Received, Problem>
    where
        B: Body<Data = Bytes> + Send,
    {
        let (parts, body) = request.into_parts();
        let (body, memory) = if verb.writes() {
            let _place = self.bodies.take(sharer(peer)).ok_or(Problem::Overloaded)?;
            let ReadBody { bytes, memory } = read_body(body, &self.app.memory().share_of(peer.share())).await?;
            (bytes, Some(memory))
        } else {
            (Bytes::new(), None)
        };
        let place = self.requests.take(sharer(peer)).ok_or(Problem::Overloaded)?;
        Ok(Received { headers: parts.headers, body, memory, _place: place })
    }

    /// Answers a request that passed authentication and authorization.
    async fn dispatch(
        &self,
        peer: &Peer,
        route: &Route,
        verb: Verb,
        query: &Query,
        received: Received,
    ) -> Result<Reply, Problem> {
        let memory = self.app.memory().share_of(peer.share());
        let Received { headers, body, .. } = &received;
        match route {
            Route::Discovery(document) => documents::document(*document, query),
            Route::Namespace(namespace) => Ok(namespaces::find(namespace).into()),
            Route::Namespaces if verb.writes() => {
                let object = any_body(headers, body)?;
                namespaces::create(&self.app, &object, read_write_options(query)?).map(Reply::from)
            }
            Route::Namespaces => namespaces::list(&self.app, &read_list_options(query, &[])?).await.map(Reply::from),
            Route::Events(_) => namespaces::events(&self.app).await.map(Reply::from),
            Route::Ledger(namespace) => {
                ledger::page(&self.app, namespace.clone(), read_ledger_page_options(query)?).await.map(Reply::ok)
            }
            Route::Server(ServerPath::AcknowledgeRollback) => {
                server::acknowledge_rollback(&self.app).await.map(Reply::ok)
            }
            Route::Review(review) => {
                let caller = peer.caller().ok_or(Problem::Unauthorized("Unauthorized"))?;
                let question = any_body(headers, body)?;
                let validation = read_write_options(query)?.field_validation;
                let (object, warnings) = reviews::answer(*review, &caller, &question, validation)?;
                Ok(Reply { warnings, ..Reply::created(object) })
            }
            Route::Subresource { resource, subresource, namespace, name } => match subresource.shows {
                Shows::Redemptions => {
                    let options = read_ledger_options(query)?;
                    ledger::redemptions(&self.app, namespace, name, options).await.map(Reply::ok)
                }
                Shows::Status => {
                    let table = table_form(headers, query)?;
                    let action = Action::Get { namespace: namespace.clone(), name: name.clone() };
                    let reply = self.perform(resource, action).await?;
                    Ok(self.shown(table, resource, reply))
                }
            },
            Route::Collection { resource, namespace } if verb == Verb::Watch => {
                let watch = WatchRequest {
                    namespace: namespace.clone(),
                    options: read_watch_options(resource, query)?,
                    table: table_form(headers, query)?,
                    memory,
                    shared: Arc::clone(&self.events),
                };
                self.watch(peer, resource, watch).await
            }
            Route::Collection { resource, .. } | Route::Object { resource, .. } => {
                let table = if verb.writes() { None } else { table_form(headers, query)? };
                let (listed, shown) = if verb == Verb::List { (table, None) } else { (None, table) };
                let form = ListForm { table: listed, memory };
                let action = self.app.requests().run(|| action(route, verb, headers, body, query, form)).await?;
                let mut reply = self.perform(resource, action).await?;
                // A list has a permit of its own.
                reply.permit = reply.permit.or(received.memory);
                Ok(self.shown(shown, resource, reply))
            }
            Route::Malformed(_) | Route::Unknown => Err(Problem::NoSuchPath),
        }
    }

    fn shown(&self, table: Option<TableForm>, resource: &ResourceType, reply: Reply) -> Reply {
        match table {
            Some(form) => as_table(form, resource, reply, self.app.clock().now()),
            None => reply,
        }
    }

    async fn perform(&self, resource: &ResourceType, action: Action) -> Result<Reply, Problem> {
        with_kind!(behaviour(resource.id), kind => verbs::perform(&self.app, kind, action).await).map(Reply::from)
    }

    async fn watch(&self, peer: &Peer, resource: &ResourceType, watch: WatchRequest) -> Result<Reply, Problem> {
        let place = self.watches.take(sharer(peer)).ok_or(Problem::TooManyWatches)?;
        with_kind!(behaviour(resource.id), kind => watcher::open(&self.app, kind, watch, place).await).map(Reply::from)
    }
}

/// Makes the action that a request asks for.
fn action(
    route: &Route,
    verb: Verb,
    headers: &HeaderMap,
    body: &[u8],
    query: &Query,
    form: ListForm,
) -> Result<Action, Problem> {
    let (resource, namespace, name) = match route {
        Route::Collection { resource, namespace } => (*resource, namespace.clone(), String::new()),
        Route::Object { resource, namespace, name } => (*resource, Some(namespace.clone()), name.clone()),
        Route::Discovery(_)
        | Route::Namespaces
        | Route::Namespace(_)
        | Route::Events(_)
        | Route::Ledger(_)
        | Route::Review(_)
        | Route::Server(_)
        | Route::Subresource { .. }
        | Route::Malformed(_)
        | Route::Unknown => return Err(Problem::NoSuchPath),
    };
    // Of the verbs that get here, only lists may be of all namespaces (`Route::verb`).
    let one_namespace = || namespace.clone().ok_or(Problem::NoSuchPath);
    match verb {
        // Watches were handled before this function is called.
        Verb::Watch => Err(Problem::NoSuchPath),
        Verb::List => Ok(Action::List { namespace, options: read_list_options(query, resource.selectable)?, form }),
        Verb::Get => Ok(Action::Get { namespace: one_namespace()?, name }),
        Verb::Create => {
            let object = match resource.origin {
                Origin::Kubernetes => any_body(headers, body)?,
                Origin::Skupper => json_body(headers, body)?,
            };
            let namespace = one_namespace()?;
            Ok(Action::Create { namespace, object, options: read_write_options(query)? })
        }
        Verb::Update => {
            let (namespace, object) = (one_namespace()?, json_body(headers, body)?);
            Ok(Action::Update { namespace, name, object, options: read_write_options(query)? })
        }
        Verb::Patch => {
            let patch = Patch::read(&media_type(headers), body, resource.origin)?;
            let namespace = one_namespace()?;
            Ok(Action::Patch { namespace, name, patch, options: read_write_options(query)? })
        }
        Verb::Delete => {
            let options = if body.is_empty() { None } else { Some(json_body(headers, body)?) };
            let effect = read_write_options(query)?.effect;
            let namespace = one_namespace()?;
            Ok(Action::Delete { namespace, name, options: DeleteOptions::read(options.as_ref(), effect)? })
        }
    }
}
