//! The one request that the redeem listener answers: `POST /<uuid>` (docs/protocol.md sections 1.1 to 1.3).

use std::{
    convert::Infallible,
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Body, Bytes, Incoming},
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS},
};
use tokio::{sync::oneshot, task::yield_now, time::timeout_at};
use tracing::{error, warn};
use zeroize::Zeroizing;

use super::{
    problem::{NoAnswer, Problem, reason},
    request::{Form, HeaderFault, RequestFault, bearer, check_head, form, grant_id, link_name, subject},
};
use crate::{
    app::{App, KeyOrigin, LinkBundle, RedeemError, RefusedRequest},
    grant::{GrantId, PresentedCode, RedemptionRequest},
    metrics::FailureReason,
    net::{ActiveRequest, DisplacedError, Permit},
    pki::CertificateRequest,
};

/// The content type that Skupper's server sends, by guessing from the body. No client reads it (docs/protocol.md
/// section 1.2).
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What is needed to answer the request of a connection.
#[derive(Debug)]
pub(super) struct RequestContext {
    /// Held until the work is done, also when the client has gone: so work in progress is bounded.
    pub(super) permit: Permit,
    /// When the answer must be there.
    pub(super) deadline: Instant,
    /// After this nothing is counted any more. Earlier than `deadline`, so that what was counted is also delivered.
    pub(super) last_commit: Instant,
    /// The longest body taken.
    pub(super) max_body_bytes: usize,
    /// Whether the request was read to its end.
    pub(super) received: AtomicBool,
    /// Set with `received`: until the connection has ended, it loses its place to no other.
    pub(super) active: OnceLock<ActiveRequest>,
}

/// The service of one connection.
#[derive(Clone)]
pub(super) struct RedeemService {
    pub(super) app: Arc<App>,
    pub(super) context: Arc<RequestContext>,
}

impl tower::Service<Request<Incoming>> for RedeemService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

impl RedeemService {
    async fn answer(self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.receive(request).await {
            Ok((id, redemption, key)) => self.redeem(id, redemption, key).await,
            Err((fault, took)) => {
                self.refused(&fault, took);
                refusal(Problem::from(&fault))
            }
        }
    }

    /// Counts and logs a request that the app never sees.
    pub(super) fn refused(&self, fault: &RequestFault, took: Duration) {
        let problem = Problem::from(fault);
        let peer = self.context.permit.peer().ip();
        let refused = RefusedRequest { reason: reason(fault), peer, grant: None, answer: Some(&problem.text) };
        self.app.refuse(&refused, took);
    }

    /// The request in the types of `grant`. What HTTP itself asks is checked first; then, in Skupper's order, method, body and
    /// path; then the headers, which Skupper does not check. A fault comes with the time since the request was complete, which
    /// is none before that.
    async fn receive(
        &self,
        request: Request<Incoming>,
    ) -> Result<(GrantId, RedemptionRequest, KeyOrigin), (RequestFault, Duration)> {
        let (head, body) = request.into_parts();
        check_head(head.version, &head.headers).map_err(|fault| (fault, Duration::ZERO))?;
        if head.method != Method::POST {
            return Err((RequestFault::Method, Duration::ZERO));
        }
        let form = form(values(&head.headers, "content-type"));
        let limit = match form {
            Form::Code => self.context.max_body_bytes,
            Form::CertificateRequest => CertificateRequest::MAX_BYTES,
        };
        let mut body = self.read(body, limit).await.map_err(|fault| (fault, Duration::ZERO))?;
        match self.context.permit.begin_request() {
            // One connection has one request.
            Ok(active) => drop(self.context.active.set(active)),
            // The connection is being closed, and this with it.
            Err(DisplacedError) => pending().await,
        }
        self.context.received.store(true, Ordering::Relaxed);

        let complete = Instant::now();
        let since = |fault| (fault, complete.elapsed());
        let id = grant_id(head.uri.path()).ok_or(RequestFault::Path).map_err(since)?;
        let header = |fault: HeaderFault| since(RequestFault::Header(fault));
        let link_name = link_name(values(&head.headers, "name")).map_err(header)?;
        let subject = subject(values(&head.headers, "subject")).map_err(header)?;
        let body = std::mem::take(&mut *body);
        let (code, key) = match form {
            Form::Code => (PresentedCode::new(body), KeyOrigin::Server),
            Form::CertificateRequest => {
                (bearer(values(&head.headers, "authorization")).map_err(header)?, KeyOrigin::Client(body))
            }
        };
        Ok((id, RedemptionRequest { link_name, subject, code, peer: self.context.permit.peer().ip() }, key))
    }

    /// The body, which may be the code.
    async fn read(&self, mut body: Incoming, limit: usize) -> Result<Zeroizing<Vec<u8>>, RequestFault> {
        // Known from Content-Length: refused before the first byte is read, and before a 100 Continue asks for it.
        if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(RequestFault::BodyTooLarge);
        }
        // Allocated with its final size: a buffer that grows leaves copies of the code in memory.
        let mut code = Zeroizing::new(Vec::with_capacity(limit));
        loop {
            let frame = match timeout_at(self.context.deadline.into(), body.frame()).await {
                Err(_) => return Err(RequestFault::TooSlow),
                Ok(None) => break,
                Ok(Some(Err(_))) => return Err(RequestFault::BodyUnreadable),
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers are no part of the code.
            let Ok(data) = frame.into_data() else { continue };
            if data.len() > limit - code.len() {
                return Err(RequestFault::BodyTooLarge);
            }
            code.extend_from_slice(&data);
        }
        Ok(code)
    }

    /// Hands the request to the app on a task of its own, so that a client that hangs up does not stop it half-way. The app
    /// learns of it, because hyper drops this future: what is not being committed by then is given up.
    ///
    /// At the deadline the work is cancelled. Otherwise, a redemption that waits for a stalled store would be counted when
    /// the store continues, for a client that has gone.
    async fn redeem(self, id: GrantId, redemption: RedemptionRequest, key: KeyOrigin) -> Response<Full<Bytes>> {
        // Lets hyper look whether the client is still there, before anything is done for it.
        yield_now().await;
        let (mut sender, receiver) = oneshot::channel();
        let Self { app, context } = self;
        let deadline = context.deadline;
        let metrics = Arc::clone(app.metrics());
        let complete = Instant::now();
        // On the heap, as the runtime moves a future several times.
        tokio::spawn(Box::pin(async move {
            let hung_up = async {
                sender.closed().await;
                // After the deadline it was the server that stopped waiting.
                if Instant::now() >= deadline {
                    pending::<()>().await;
                }
            };
            let work = app.redeem(id, redemption, key, context.last_commit, hung_up);
            let outcome = timeout_at(deadline.into(), work).await.unwrap_or_else(|_| {
                app.metrics().failed(FailureReason::Overdue, complete.elapsed());
                warn!(grant.id = %id, "redemption given up at its deadline; if it was counted, the ledger has it");
                Err(RedeemError::Overdue)
            });
            if let Err(Ok(_undelivered)) = sender.send(outcome) {
                warn!(grant.id = %id, "grant redeemed, but its answer came too late to be sent");
            }
            drop(context);
        }));
        match timeout_at(deadline.into(), receiver).await {
            Ok(Ok(outcome)) => answer_to(outcome),
            Ok(Err(_)) => {
                metrics.failed(FailureReason::Panic, complete.elapsed());
                error!(grant.id = %id, "redemption ended in a panic");
                refusal(Problem::from(NoAnswer::Lost))
            }
            Err(_) => refusal(Problem::from(NoAnswer::Overdue)),
        }
    }
}

fn values<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    // As bytes: a subject may hold more than ASCII, which `to_str` refuses.
    headers.get_all(name).iter().map(HeaderValue::as_bytes)
}

fn answer_to(outcome: Result<LinkBundle, RedeemError>) -> Response<Full<Bytes>> {
    match outcome {
        Ok(bundle) => success(bundle),
        Err(error) => refusal(Problem::from(&error)),
    }
}

fn success(bundle: LinkBundle) -> Response<Full<Bytes>> {
    // The document is wiped when hyper drops it, sent or not.
    let mut response = Response::new(Full::new(Bytes::from_owner(bundle.into_document())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refusal(problem: Problem) -> Response<Full<Bytes>> {
    let mut text = problem.text.into_owned();
    text.push('\n');
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = problem.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(seconds) = problem.retry_after_seconds {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}
