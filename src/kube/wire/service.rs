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
use tokio::sync::Semaphore;
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt,
    limit::ConcurrencyLimit,
    load_shed::{LoadShed, error::Overloaded},
    timeout::Timeout,
};
use tracing::{debug, info};

use super::{
    answer::{Answer, Answers},
    authorize::{authenticate, authorize},
    documents,
    negotiation::{as_table, table_form},
    options::{
        read_ledger_options, read_ledger_page_options, read_list_options, read_watch_options, read_write_options,
    },
    query::Query,
    reply::Reply,
    request::{any_body, json_body, media_type, read_body, read_object},
    route::Route,
};
use crate::{
    app::App,
    kube::{
        access::{caller::Peer, reviews},
        catalog::{
            resource_type::{Origin, ResourceType, Shows, Verb},
            table::TableForm,
        },
        engine::{
            action::{Action, DeleteOptions},
            list::ListForm,
            patch::Patch,
            verbs,
            watch::watcher::{self, MOST_WATCHES, WatchRequest},
        },
        kinds::{
            ledger, namespaces,
            registry::{behaviour, with_kind},
        },
        problem::status::Problem,
    },
    metrics::{AdminVerb, StatusClass},
};

/// The longest time from the start of a request to its answer; watches run longer.
const REQUEST_DEADLINE: Duration = Duration::from_secs(20);
/// The most requests that are processed at the same time; further ones get a 429.
const MOST_REQUESTS: usize = 32;

/// The API for the requests of one peer. All clones share the limits.
#[derive(Clone)]
pub(crate) struct AdminService {
    app: Arc<App>,
    peer: Arc<Peer>,
    answers: Answers,
    limited: LoadShed<ConcurrencyLimit<Timeout<Resources>>>,
}

impl AdminService {
    /// The API for unauthenticated clients.
    pub(crate) fn new(app: Arc<App>) -> Self {
        let watches = Arc::new(Semaphore::new(MOST_WATCHES));
        let limited = ServiceBuilder::new()
            .load_shed()
            .concurrency_limit(MOST_REQUESTS)
            .timeout(REQUEST_DEADLINE)
            .service(Resources { app: Arc::clone(&app), watches });
        Self { app, peer: Arc::new(Peer::Unauthenticated), answers: Answers::default(), limited }
    }

    /// The same API, with the same limits, for the requests of `peer`.
    pub(crate) fn of(&self, peer: Peer) -> Self {
        Self { peer: Arc::new(peer), ..self.clone() }
    }

    /// The same API for the requests of one connection, and the register of the answers being sent on it.
    pub(crate) fn on_one_connection(self) -> (Self, Answers) {
        let answers = Answers::default();
        (Self { answers: answers.clone(), ..self }, answers)
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
        let Self { app, peer, answers, limited } = self.clone();
        Box::pin(async move {
            let route = Arc::new(Route::read(request.uri().path()));
            let verb = route.verb(request.method()).map(|verb| as_asked(verb, &route, request.uri().query()));
            let known = verb.as_ref().ok().copied();
            let answered =
                limited.oneshot(Addressed { peer: Arc::clone(&peer), route: Arc::clone(&route), verb, request }).await;
            let mut reply = answered.unwrap_or_else(|error| limit_reached(&error).into());
            // The answer to a write is always sent, as the change is made already.
            if !known.is_some_and(Verb::writes) && reply.count(&app.memory().share_of(peer.share())).is_err() {
                reply = Problem::Overloaded.into();
            }
            let code = reply.status.as_u16();
            let label = known.map_or(AdminVerb::Other, Verb::label);
            app.metrics().admin_request(label, route.label(), StatusClass::of(code));
            record(&peer, &route, known, &reply);
            Ok(reply.into_answer().map(|body| body.on(&answers)))
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

fn limit_reached(error: &BoxError) -> Problem {
    if error.is::<Overloaded>() { Problem::Overloaded } else { Problem::TimedOut }
}

/// Logs each write at level info and each read at a lower one; never a body, which may contain a code.
fn record(peer: &Peer, route: &Route, verb: Option<Verb>, reply: &Reply) {
    let (resource, namespace, name) = route.words();
    let name = if name.is_empty() { reply.object_name().unwrap_or_default() } else { name };
    // Names are as the client sent them; a line break in a name must not break a line of the log.
    let (name, code) = (name.escape_debug(), reply.status.as_u16());
    let user = peer.name();
    // Kubernetes' word for asking a review is `create`, but nothing is written.
    let writes = !matches!(route, Route::Review(_)) && verb.is_some_and(Verb::writes);
    let verb = verb.map_or("", Verb::as_str);
    if writes {
        info!(user, verb, resource, namespace, %name, code, "admin request");
    } else {
        debug!(user, verb, resource, namespace, %name, code, "admin request");
    }
}

/// A request, its client and its route.
struct Addressed<B> {
    peer: Arc<Peer>,
    route: Arc<Route>,
    verb: Result<Verb, Problem>,
    request: Request<B>,
}

/// The API without its limits.
#[derive(Clone)]
struct Resources {
    app: Arc<App>,
    /// Permits of watches, which last much longer than other requests.
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
        Box::pin(async move { Ok(resources.answer(addressed).await.unwrap_or_else(Reply::from)) })
    }
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
        self.dispatch(&peer, &route, verb, &query, request).await
    }

    /// Answers a request that passed authentication and authorization.
    async fn dispatch<B>(
        &self,
        peer: &Peer,
        route: &Route,
        verb: Verb,
        query: &Query,
        request: Request<B>,
    ) -> Result<Reply, Problem>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Send,
    {
        let memory = self.app.memory().share_of(peer.share());
        match route {
            Route::Discovery(document) => documents::document(*document, query),
            Route::Namespace(namespace) => Ok(namespaces::find(namespace).into()),
            Route::Namespaces if verb.writes() => {
                let (object, _memory) = read_object(request, &memory).await?;
                namespaces::create(&self.app, &object, read_write_options(query)?).map(Reply::from)
            }
            Route::Namespaces => namespaces::list(&self.app, &read_list_options(query, &[])?).await.map(Reply::from),
            Route::Events(_) => namespaces::events(&self.app).await.map(Reply::from),
            Route::Ledger(namespace) => {
                ledger::page(&self.app, namespace.clone(), read_ledger_page_options(query)?).await.map(Reply::ok)
            }
            Route::Review(review) => {
                let caller = peer.caller().ok_or(Problem::Unauthorized("Unauthorized"))?;
                let (question, _memory) = read_object(request, &memory).await?;
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
                    let table = table_form(request.headers(), query)?;
                    let action = Action::Get { namespace: namespace.clone(), name: name.clone() };
                    let reply = self.perform(resource, action).await?;
                    Ok(self.shown(table, resource, reply))
                }
            },
            Route::Collection { resource, namespace } if verb == Verb::Watch => {
                let watch = WatchRequest {
                    namespace: namespace.clone(),
                    options: read_watch_options(resource, query)?,
                    table: table_form(request.headers(), query)?,
                    memory,
                };
                self.watch(resource, watch).await
            }
            Route::Collection { resource, .. } | Route::Object { resource, .. } => {
                let (parts, body) = request.into_parts();
                let body = if verb.writes() { Some(read_body(body, &memory).await?) } else { None };
                let table = if verb.writes() { None } else { table_form(&parts.headers, query)? };
                let (listed, shown) = if verb == Verb::List { (table, None) } else { (None, table) };
                let form = ListForm { table: listed, memory };
                let bytes = body.as_ref().map(|body| &*body.bytes).unwrap_or_default();
                let action =
                    self.app.requests().run(|| action(route, verb, &parts.headers, bytes, query, form)).await?;
                let mut reply = self.perform(resource, action).await?;
                // A list has a permit of its own.
                reply.permit = reply.permit.or(body.map(|body| body.memory));
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

    async fn watch(&self, resource: &ResourceType, watch: WatchRequest) -> Result<Reply, Problem> {
        let permit = Arc::clone(&self.watches).try_acquire_owned().map_err(|_| Problem::TooManyWatches)?;
        with_kind!(behaviour(resource.id), kind => watcher::open(&self.app, kind, watch, permit).await).map(Reply::from)
    }
}

/// Acting as another user is not supported; ignoring the header would act as the caller instead.
///
/// Discovery is exempt, as it is the same for all users: kubectl prints a refusal there five times, without its message.
fn refuse_impersonation(route: &Route, headers: &HeaderMap) -> Result<(), Problem> {
    if !matches!(route, Route::Discovery(_)) && headers.keys().any(|name| name.as_str().starts_with("impersonate-")) {
        return Err(Problem::Forbidden("impersonation is not supported by this server"));
    }
    Ok(())
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
