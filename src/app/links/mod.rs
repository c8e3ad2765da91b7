//! Links are looked at as a router would: can they be configured, and does the other site take them (protocol.md 4.4)?

pub(super) mod credentials;
pub(super) mod endpoint;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    backoff::{Backoff, spread},
    chain::chain,
    conditions::{Basis, State, aggregate, state_at},
    follow::Interest,
    object_status::{Noted, marks},
    permits::{Lane, PermitLimits, Permits},
    ports::{ProbeFailure, Prober},
    reconcile::{Controller, Requeue},
    service::App,
};
use crate::{
    grant::Revision,
    link::{Endpoint, ResourceName, TlsSecret},
    metrics::{LinkState, Metrics, Occupancy},
    store::{ObjectKey, ObjectKind, StoreError, StoredObject},
};

/// Probes in progress at once. One that goes well takes a second, which is spent on listening.
const LIMITS: PermitLimits = PermitLimits { total: 32, per_host: 8 };
/// More than a [`Prober`] takes: a net under its promise.
const DEADLINE: Duration = Duration::from_secs(20);
/// What the store's own failures are answered with.
const PAUSE_AFTER_STORE_FAULT: Duration = Duration::from_secs(5);

/// Whether the Link and its Secret are such that a router could connect.
const CONFIGURED: &str = "Configured";
/// Whether the other site takes it.
const OPERATIONAL: &str = "Operational";

/// How often a Link is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbePace {
    /// While it works.
    pub(super) when_well: Duration,
    /// While it does not.
    pub(super) when_not: Backoff,
}

/// The controller of Links.
pub(super) struct Links {
    app: Arc<App>,
    prober: Arc<dyn Prober>,
    pace: ProbePace,
    permits: Permits,
}

/// What is remembered of a Link.
#[derive(Default)]
pub(super) struct Memory {
    /// The Secret it names, as far as is known.
    secret: Option<ResourceName>,
    /// What was tried last.
    tried: Option<Tried>,
    failures: u32,
    /// When to try it again, if it stays as it was.
    next: Option<Instant>,
    /// Where it stands, counted for as long as it does.
    counted: Option<(LinkState, Occupancy)>,
}

/// A state of a Link and its Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tried {
    link: (Uuid, u64),
    /// What the Link is marked with: whoever changes that wants it tried.
    marks: u64,
    secret: (Uuid, Revision),
}

/// A Link that can be tried.
struct Ready {
    stored: StoredObject,
    endpoint: Endpoint,
    credentials: TlsSecret,
    state: Tried,
    lane: Lane,
}

/// What a look at a Link shows.
enum Step {
    /// There is nothing to do now.
    Wait(Requeue),
    /// It is to be tried now.
    Probe(Box<Ready>),
}

impl Controller for Links {
    type Memory = Memory;
    const INTEREST: Interest = Interest { kind: ObjectKind::Link, also: &[ObjectKind::Secret] };

    fn concerns(other: &ObjectKey, _: &ObjectKey, memory: &Memory) -> bool {
        memory.secret.as_ref().is_none_or(|secret| *secret == other.name)
    }

    async fn reconcile(&self, key: &ObjectKey, memory: &mut Memory) -> Requeue {
        match self.try_to(key, memory).await {
            Ok(next) => next,
            Err(error) => {
                warn!(link = %key, error = %chain(&error), "the link could not be looked at; trying again");
                Requeue::after(spread(PAUSE_AFTER_STORE_FAULT))
            }
        }
    }
}

impl Links {
    pub(super) fn new(app: Arc<App>, prober: Arc<dyn Prober>, pace: ProbePace) -> Self {
        Self { app, prober, pace, permits: Permits::new(LIMITS) }
    }

    async fn try_to(&self, key: &ObjectKey, memory: &mut Memory) -> Result<Requeue, StoreError> {
        let (lane, host) = match self.inspect(key, memory).await? {
            Step::Wait(next) => return Ok(next),
            Step::Probe(ready) => (ready.lane, ready.endpoint.host),
        };
        let Some(_permit) = self.permits.acquire(&self.app, lane, host.as_str()).await else {
            return Ok(Requeue::OnEvent);
        };
        // The place may have been long in coming: what was seen before it is over.
        match self.inspect(key, memory).await? {
            Step::Wait(next) => Ok(next),
            Step::Probe(ready) => self.probe(*ready, memory).await,
        }
    }

    /// Looks at the Link and its Secret, and writes down whether it is configured.
    async fn inspect(&self, key: &ObjectKey, memory: &mut Memory) -> Result<Step, StoreError> {
        let Some(stored) = self.app.object(key.clone()).await? else { return Ok(Step::Wait(Requeue::Forget)) };
        let (endpoint, credentials, state) = match self.configuration(&stored, &mut memory.secret).await? {
            Ok(configuration) => configuration,
            Err(fault) => {
                self.note(&stored, memory, &State::Error(fault), None).await?;
                // Nothing helps but a change of the Link or of a Secret, and these are told of.
                return Ok(Step::Wait(Requeue::OnEvent));
            }
        };
        // What was found out earlier about the same wish stands until it is tried again.
        let operational = state_at(stored.content.body.get("status"), OPERATIONAL, stored.generation);
        let lane = match (memory.tried, &operational) {
            (Some(tried), _) if tried != state => Lane::New,
            // Also after a restart, which makes nothing new.
            (_, Some(State::Ready)) => Lane::Well,
            (_, Some(State::Pending(_) | State::Error(_) | State::Over(_))) => Lane::Failing,
            (_, None) => Lane::New,
        };
        self.note(&stored, memory, &State::Ready, operational).await?;
        match memory.next {
            Some(at) if memory.tried == Some(state) && at > Instant::now() => Ok(Step::Wait(Requeue::At(at))),
            Some(_) | None => Ok(Step::Probe(Box::new(Ready { stored, endpoint, credentials, state, lane }))),
        }
    }

    /// What a router would connect with, or what keeps it from that.
    async fn configuration(
        &self,
        stored: &StoredObject,
        named: &mut Option<ResourceName>,
    ) -> Result<Result<(Endpoint, TlsSecret, Tried), String>, StoreError> {
        let (endpoint, name) = match endpoint::choose(stored) {
            Ok(chosen) => chosen,
            Err(fault) => return Ok(Err(fault.to_string())),
        };
        let namespace = stored.key.namespace.clone();
        *named = Some(name.clone());
        let secret = self.app.object(ObjectKey { kind: ObjectKind::Secret, namespace, name: name.clone() }).await?;
        Ok(match secret {
            None => Err(format!("TLS credentials secret \"{name}\" not found")),
            Some(secret) => {
                let (link, secret_state) = ((stored.uid, stored.generation), (secret.uid, secret.revision));
                let state = Tried { link, marks: marks(stored), secret: secret_state };
                credentials::read(&secret)
                    .map(|credentials| (endpoint, credentials, state))
                    .map_err(|fault| format!("TLS credentials secret \"{name}\": {fault}"))
            }
        })
    }

    async fn probe(&self, ready: Ready, memory: &mut Memory) -> Result<Requeue, StoreError> {
        let Ready { stored, endpoint, credentials, state, lane: _ } = ready;
        let outcome = tokio::select! {
            biased;
            // What is found out while stopping helps nobody.
            () = self.app.stopping() => return Ok(Requeue::OnEvent),
            outcome = timeout(DEADLINE, self.prober.probe(&endpoint, &credentials)) => outcome.unwrap_or_else(|_| {
                Err(ProbeFailure { message: format!("no answer within {} seconds", DEADLINE.as_secs()) })
            }),
        };
        let changed = memory.tried.replace(state) != Some(state);
        let (operational, pause) = match outcome {
            Ok(()) => {
                memory.failures = 0;
                (State::Ready, self.pace.when_well)
            }
            Err(ProbeFailure { message }) => {
                memory.failures = if changed { 1 } else { memory.failures.saturating_add(1) };
                // The whole copies a condition's message, so both begin with what Skupper says.
                (State::Pending(format!("Not {OPERATIONAL}: {message}")), self.pace.when_not.after(memory.failures))
            }
        };
        let pause = spread(pause);
        memory.next = Some(Instant::now() + pause);
        self.note(&stored, memory, &State::Ready, Some(operational)).await?;
        Ok(Requeue::after(pause))
    }

    /// Writes the Link's status, and counts it where it stands.
    async fn note(
        &self,
        stored: &StoredObject,
        memory: &mut Memory,
        configured: &State,
        operational: Option<State>,
    ) -> Result<(), StoreError> {
        let now = self.app.clock().now();
        let required = [(CONFIGURED, Some(configured.clone())), (OPERATIONAL, operational)];
        let whole = aggregate(&required);
        memory.count(self.app.metrics(), &whole);
        let [configured, operational] = required;
        let conditions = [configured, operational, ("Ready", Some(whole.clone()))];
        let noted = self.app.note_status(stored, |link| {
            let basis = Basis { before: link.content.body.get("status"), generation: link.generation, now };
            Some(basis.status(&conditions, &whole))
        });
        match noted.await? {
            Noted::Written => log(&stored.key, &whole),
            Noted::Same | Noted::Outdated => {}
        }
        Ok(())
    }
}

impl Memory {
    fn count(&mut self, metrics: &Metrics, whole: &State) {
        let state = match whole {
            State::Ready => LinkState::Ready,
            State::Pending(_) => LinkState::Pending,
            // No link is ever over.
            State::Error(_) | State::Over(_) => LinkState::Error,
        };
        if self.counted.as_ref().is_none_or(|(counted, _)| *counted != state) {
            self.counted = Some((state, metrics.link(state)));
        }
    }
}

fn log(link: &ObjectKey, whole: &State) {
    match whole {
        State::Ready => info!(%link, "link is operational"),
        State::Pending(reason) => info!(%link, reason, "link is not operational"),
        // No link is ever over.
        State::Error(_) | State::Over(_) => warn!(%link, reason = whole.message(), "link cannot be configured"),
    }
}
