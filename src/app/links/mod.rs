//! The controller of Links: can a router be configured with them, and does the other site accept them
//! (docs/protocol.md section 4.4)?

pub(super) mod credentials;
pub(super) mod endpoint;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    background::BackgroundTask,
    chain::chain,
    conditions::{Basis, State, aggregate, state_at},
    fair::{PermitLimits, on_behalf_of},
    follow::Interest,
    object_status::{Noted, marks},
    permits::{Lane, Permits},
    ports::{ProbeFailure, Prober},
    reconcile::{Controller, Requeue},
    service::App,
    spread::spread,
};
use crate::{
    grant::Revision,
    link::{Endpoint, ResourceName, TlsSecret},
    metrics::{LinkState, Metrics, Occupancy},
    store::{ObjectKey, ObjectKind, StoreError, StoredObject},
    time::Backoff,
};

/// Probes in progress at once. A successful one takes a second, because it waits for what the router may still send.
const LIMITS: PermitLimits = PermitLimits { total: 48, per_namespace: 32, per_host: 8 };
/// Longer than a [`Prober`] promises to take, in case it does not keep the promise.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long to wait after a failure of the store.
const PAUSE_AFTER_STORE_FAULT: Duration = Duration::from_secs(5);

/// Whether the Link and its Secret are such that a router could connect.
const CONFIGURED: &str = "Configured";
/// Whether the other site accepts the link.
const OPERATIONAL: &str = "Operational";

/// How often a Link is probed.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbePace {
    /// While probes succeed.
    pub(super) when_well: Duration,
    /// While they fail.
    pub(super) when_not: Backoff,
}

/// The controller of Links.
pub(super) struct Links {
    app: Arc<App>,
    prober: Arc<dyn Prober>,
    pace: ProbePace,
    permits: Permits,
}

/// What is kept in memory of a Link.
#[derive(Default)]
pub(super) struct Memory {
    /// The Secret that it names, when that could be read.
    secret: Option<ResourceName>,
    /// The state that was probed last.
    tried: Option<Tried>,
    failures: u32,
    /// When to probe it again, if the state stays the same.
    next: Option<Instant>,
    /// Its state and the place that it occupies in the metric of that state.
    counted: Option<(LinkState, Occupancy)>,
}

/// A state of a Link and its Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tried {
    link: (Uuid, u64),
    /// A hash of the Link's labels and annotations; a user who changes them asks for a probe.
    marks: u64,
    secret: (Uuid, Revision),
}

/// A Link that can be probed.
struct Ready {
    stored: StoredObject,
    endpoint: Endpoint,
    credentials: TlsSecret,
    state: Tried,
    lane: Lane,
}

/// What to do next for a Link.
enum Step {
    /// Wait for a change, or for the time of the next probe.
    Wait(Requeue),
    /// Probe the Link.
    Probe(Box<Ready>),
}

impl Controller for Links {
    type Memory = Memory;
    const TASK: BackgroundTask = BackgroundTask::Links;
    const INTEREST: Interest = Interest { kind: ObjectKind::Link, also: &[ObjectKind::Secret] };

    fn concerns(other: &ObjectKey, _: &ObjectKey, memory: &Memory) -> bool {
        memory.secret.as_ref().is_none_or(|secret| *secret == other.name)
    }

    async fn reconcile(&self, key: &ObjectKey, memory: &mut Memory) -> Requeue {
        match self.try_to(key, memory).await {
            Ok(next) => next,
            Err(error) => {
                warn!(link = %key, error = %chain(&error), "the link could not be read or its status stored; trying again");
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
        let (lane, host) = match self.look_at(key, memory).await? {
            Step::Wait(next) => return Ok(next),
            Step::Probe(ready) => (ready.lane, ready.endpoint.host),
        };
        let Some(_permit) = self.permits.acquire(&self.app, lane, &key.namespace, host.as_str()).await else {
            return Ok(Requeue::OnEvent);
        };
        // Waiting for the permit may have taken long: the Link may have changed since.
        match self.look_at(key, memory).await? {
            Step::Wait(next) => Ok(next),
            Step::Probe(ready) => self.probe(*ready, memory).await,
        }
    }

    /// Does [`inspect`](Self::inspect) when it is the namespace's turn.
    async fn look_at(&self, key: &ObjectKey, memory: &mut Memory) -> Result<Step, StoreError> {
        let _turn = self.permits.acquire_read(&key.namespace).await;
        self.inspect(key, memory).await
    }

    /// Reads the Link and its Secret, and writes into the status whether it is configured.
    async fn inspect(&self, key: &ObjectKey, memory: &mut Memory) -> Result<Step, StoreError> {
        let Some(stored) = self.app.object(key.clone()).await? else { return Ok(Step::Wait(Requeue::Forget)) };
        let (endpoint, credentials, state) = match self.configuration(&stored, &mut memory.secret).await? {
            Ok(configuration) => configuration,
            Err(fault) => {
                self.note(&stored, memory, &State::Error(fault), None).await?;
                // Only a change of the Link or of a Secret helps, and these publish events.
                return Ok(Step::Wait(Requeue::OnEvent));
            }
        };
        // The result of an earlier probe of the same spec stays in the status until the next probe.
        let operational = state_at(stored.content.body.get("status"), OPERATIONAL, stored.generation);
        let lane = match (memory.tried, &operational) {
            (Some(tried), _) if tried != state => Lane::New,
            // The stored status decides also after a restart, which makes no Link a new one.
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

    /// What a router would connect with, or why it cannot.
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
        let probe = on_behalf_of(&stored.key.namespace, self.prober.probe(&endpoint, &credentials));
        let outcome = tokio::select! {
            biased;
            // The result of a probe is not needed while the service stops.
            () = self.app.stopping() => return Ok(Requeue::OnEvent),
            outcome = timeout(DEADLINE, probe) => outcome.unwrap_or_else(|_| {
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
                // The summary copies a condition's message, so both begin with Skupper's words.
                (State::Pending(format!("Not {OPERATIONAL}: {message}")), self.pace.when_not.after(memory.failures))
            }
        };
        let pause = spread(pause);
        memory.next = Some(Instant::now() + pause);
        self.note(&stored, memory, &State::Ready, Some(operational)).await?;
        Ok(Requeue::after(pause))
    }

    /// Writes the Link's status, and counts the Link in the metric of its state.
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
            // No Link has this state.
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
        // No Link has this state.
        State::Error(_) | State::Over(_) => warn!(%link, reason = whole.message(), "link cannot be configured"),
    }
}
