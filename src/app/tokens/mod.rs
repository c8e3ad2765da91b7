//! AccessTokens that were applied here are redeemed at the other site (docs/protocol.md sections 1.5, 4.3).
//!
//! Each call may use up a redemption. So the other site is called only when the result can be stored, and the bundle is
//! kept in memory until it is stored. If the other site certifies keys of others, the key is made and stored first: then the
//! same answer can be had again, and nothing is lost in a crash.

mod own_key;
mod redeemed_objects;
pub(super) mod spec;
mod status;

use std::{sync::Arc, time::Duration};

use own_key::OwnKey;
use redeemed_objects::RedeemedObjects;
use status::{Attempt, TokenState};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    background::BackgroundTask,
    chain::chain,
    fair::{PermitLimits, on_behalf_of},
    follow::Interest,
    object_status::{self, Noted, is_same_spec, status_write},
    permits::{Lane, Permits},
    ports::{RedeemFailure, Redeemer, Retry},
    reconcile::{Controller, Requeue},
    service::App,
    spread::spread,
};
use crate::{
    link::{AccessToken, Bundle},
    metrics::TokenOutcome,
    store::{ObjectKey, ObjectKind, StoreError, StoredObject, WriteObjectsError},
    time::Backoff,
};

/// Calls in progress at once: more than a few, as any of the servers may not answer.
const LIMITS: PermitLimits = PermitLimits { total: 24, per_namespace: 16, per_host: 4 };
/// Longer than a [`Redeemer`] promises to take, in case it does not keep the promise.
const DEADLINE: Duration = Duration::from_secs(20);
/// How often a bundle is written to a store that fails, before the token's status says so.
const STORE_ATTEMPTS: u32 = 5;
/// The pauses between these attempts.
const STORE_BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(2) };
/// How long to wait after a failure of the store.
const PAUSE_AFTER_STORE_FAULT: Duration = Duration::from_secs(5);

/// The controller of AccessTokens.
pub(super) struct Tokens {
    app: Arc<App>,
    redeemer: Arc<dyn Redeemer>,
    backoff: Backoff,
    permits: Permits,
}

/// What is kept in memory of a token that is not redeemed yet.
#[derive(Default)]
pub(super) struct Memory {
    /// The uid and generation to which the other fields belong.
    of: Option<(Uuid, u64)>,
    failures: u32,
    /// The other site is not called before this time.
    not_before: Option<Instant>,
    /// A hash of the token's labels and annotations when it was read last.
    marks: Option<u64>,
    /// The attempt in the status was made by this process.
    begun: bool,
    /// An attempt in the status was made by an earlier process, which stopped before it stored the answer.
    cut_off: bool,
    /// The bundle of a redemption that could not be stored yet.
    held: Option<Held>,
}

/// A bundle that is not stored yet.
struct Held {
    /// The token that it was given for.
    token: AccessToken,
    bundle: Bundle,
}

/// What to do next for a token.
enum Step {
    /// Wait for a change, or for the time of the next call.
    Wait(Requeue),
    /// Call the other site.
    Redeem(Box<(StoredObject, AccessToken)>),
    /// Store the bundle, which is there already.
    Deliver(Box<(StoredObject, Option<u32>)>),
}

impl Controller for Tokens {
    type Memory = Memory;
    const TASK: BackgroundTask = BackgroundTask::Tokens;
    const INTEREST: Interest =
        Interest { kind: ObjectKind::AccessToken, also: &[ObjectKind::Secret, ObjectKind::Link] };

    fn concerns(other: &ObjectKey, key: &ObjectKey, _: &Memory) -> bool {
        redeemed_objects::may_take(key, other)
    }

    async fn reconcile(&self, key: &ObjectKey, memory: &mut Memory) -> Requeue {
        match self.try_to(key, memory).await {
            Ok(next) => next,
            Err(error) => {
                warn!(token = %key, error = %chain(&error), "the token could not be read or its status stored; trying again");
                Requeue::after(spread(PAUSE_AFTER_STORE_FAULT))
            }
        }
    }
}

impl Tokens {
    pub(super) fn new(app: Arc<App>, redeemer: Arc<dyn Redeemer>, backoff: Backoff) -> Self {
        Self { app, redeemer, backoff, permits: Permits::new(LIMITS) }
    }

    async fn try_to(&self, key: &ObjectKey, memory: &mut Memory) -> Result<Requeue, StoreError> {
        let host = match self.look_at(key, memory).await? {
            Step::Wait(next) => return Ok(next),
            Step::Deliver(ready) => return self.deliver(ready.0, ready.1, memory).await,
            Step::Redeem(ready) => spec::host(&ready.1.url).to_owned(),
        };
        let lane = if memory.failures == 0 { Lane::New } else { Lane::Failing };
        let Some(_permit) = self.permits.acquire(&self.app, lane, &key.namespace, &host).await else {
            return Ok(Requeue::OnEvent);
        };
        // Waiting for the permit may have taken long: the token may have changed since.
        match self.look_at(key, memory).await? {
            Step::Wait(next) => Ok(next),
            Step::Deliver(ready) => self.deliver(ready.0, ready.1, memory).await,
            Step::Redeem(ready) => {
                let (stored, token) = *ready;
                self.redeem(stored, &token, memory).await
            }
        }
    }

    /// Does [`inspect`](Self::inspect) when it is the namespace's turn.
    async fn look_at(&self, key: &ObjectKey, memory: &mut Memory) -> Result<Step, StoreError> {
        let _turn = self.permits.acquire_read(&key.namespace).await;
        self.inspect(key, memory).await
    }

    /// Reads the token and decides what to do; writes into its status what keeps it from being redeemed.
    async fn inspect(&self, key: &ObjectKey, memory: &mut Memory) -> Result<Step, StoreError> {
        let Some(stored) = self.app.object(key.clone()).await? else {
            memory.discard(key);
            return Ok(Step::Wait(Requeue::Forget));
        };
        match TokenState::of(&stored) {
            TokenState::Open => {}
            TokenState::Redeemed | TokenState::Refused => {
                memory.held = None;
                return Ok(Step::Wait(Requeue::Forget));
            }
        }
        let token = match spec::read(&stored) {
            Ok(token) => token,
            Err(fault) => {
                memory.discard(key);
                self.note_failure(&stored, &fault.to_string(), Retry::Later).await?;
                // Only a change of the token helps, and that publishes an event.
                return Ok(Step::Wait(Requeue::Forget));
            }
        };
        memory.switch_to(&stored, &token);
        if memory.held.is_some() {
            return Ok(Step::Deliver(Box::new((stored, token.link_cost))));
        }
        if let Some(taken) = self.taken(&stored, &token).await? {
            self.note_failure(&stored, &redeemed_objects::exists(&taken), Retry::Later).await?;
            // The removal of the object in the way publishes an event.
            return Ok(Step::Wait(Requeue::OnEvent));
        }
        if let Some(at) = memory.not_before.filter(|at| *at > Instant::now()) {
            return Ok(Step::Wait(Requeue::At(at)));
        }
        if let Some(exceeded) = self.app.find_excess(key.namespace.clone(), redeemed_objects::LIKELY).await? {
            let pause = memory.failed(&self.backoff, Retry::Later);
            self.note_failure(&stored, &redeemed_objects::uncreated(&exceeded.to_string()), Retry::Later).await?;
            // There is no event when another object makes space.
            return Ok(Step::Wait(Requeue::after(pause)));
        }
        Ok(Step::Redeem(Box::new((stored, token))))
    }

    /// The first existing object that has a name which the redeemed objects need. A bundle of several Links numbers them,
    /// and their count is not known before the call, so only the first names are looked up.
    async fn taken(&self, stored: &StoredObject, token: &AccessToken) -> Result<Option<ObjectKey>, StoreError> {
        for key in redeemed_objects::likely_keys(&stored.key.namespace, &token.name) {
            if self.app.object(key.clone()).await?.is_some() {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    async fn redeem(
        &self,
        stored: StoredObject,
        token: &AccessToken,
        memory: &mut Memory,
    ) -> Result<Requeue, StoreError> {
        let subject = self.app.site_uid(&stored.key.namespace).await?.map(|uid| uid.to_string()).unwrap_or_default();
        let Some((stored, own)) = self.begin(stored, token, &subject, memory).await? else {
            return Ok(Requeue::after(Duration::ZERO));
        };
        let (subject, key) = own.as_ref().map_or((&*subject, None), |own| (&*own.subject, Some(&own.key)));
        let call = on_behalf_of(&stored.key.namespace, self.redeemer.redeem(token, subject, key));
        let answer = timeout(DEADLINE, call).await.unwrap_or_else(|_| {
            let message = format!("Controller got error: no answer within {} seconds", DEADLINE.as_secs());
            Err(RedeemFailure { message, retry: Retry::Later })
        });
        let RedeemFailure { mut message, retry } = match answer {
            Ok(bundle) => {
                memory.held = Some(Held { token: token.clone(), bundle });
                return self.deliver(stored, token.link_cost, memory).await;
            }
            Err(failure) => failure,
        };
        if memory.cut_off {
            message.push_str(status::CUT_OFF);
        }
        // Before the status is written: that may fail too, and then the next call must still wait.
        let pause = memory.failed(&self.backoff, retry);
        self.app.metrics().token_tried(match retry {
            Retry::Never => TokenOutcome::Refused,
            Retry::Later | Retry::After(_) => TokenOutcome::Failed,
        });
        self.note_failure(&stored, &message, retry).await?;
        match retry {
            Retry::Never => Ok(Requeue::Forget),
            Retry::Later | Retry::After(_) => Ok(Requeue::after(pause)),
        }
    }

    /// Stores in the status that a call begins, unless the status says so already, and a key for it when the other site takes
    /// one; `None` when the token has changed since it was read.
    async fn begin(
        &self,
        stored: StoredObject,
        token: &AccessToken,
        subject: &str,
        memory: &mut Memory,
    ) -> Result<Option<(StoredObject, Option<OwnKey>)>, StoreError> {
        let found = OwnKey::stored(&stored, token);
        let is_settled = found.is_some() || !token.takes_certificate_requests;
        let attempt = Attempt::of(&stored);
        // With the same key, the other site gives the answer again that was lost.
        if attempt == Attempt::Begun && !std::mem::replace(&mut memory.begun, true) && found.is_none() {
            memory.cut_off = true;
            warn!(token = %stored.key, "an earlier redemption was cut off before its answer was stored");
        }
        if is_settled && attempt != Attempt::None {
            return Ok(Some((stored, found)));
        }
        let own = match found {
            None if token.takes_certificate_requests => OwnKey::make(subject.to_owned()),
            found => found,
        };
        // Set before the write: one that seems to fail may be stored.
        memory.begun = true;
        let private = own.as_ref().map(|own| own.to_store(token)).unwrap_or_default();
        let write = status_write(&stored, status::begun(&stored, self.app.clock().now()));
        match self.app.write_objects(vec![redeemed_objects::with_private(write, private)]).await {
            Ok(mut written) => Ok(written.pop().map(|stored| (stored, own))),
            Err(WriteObjectsError::Store(error)) => Err(error),
            Err(
                WriteObjectsError::Exists(_)
                | WriteObjectsError::Gone(_)
                | WriteObjectsError::Conflict(_)
                | WriteObjectsError::Quota(_),
            ) => Ok(None),
        }
    }

    /// Stores the bundle's objects and that the token is redeemed, in one transaction.
    async fn deliver(
        &self,
        mut stored: StoredObject,
        link_cost: Option<u32>,
        memory: &mut Memory,
    ) -> Result<Requeue, StoreError> {
        let Some(Held { bundle, .. }) = &memory.held else { return Ok(Requeue::OnEvent) };
        let mut fault = None;
        for attempt in 1..=STORE_ATTEMPTS {
            let now = self.app.clock().now();
            let Some(objects) = RedeemedObjects::new(&stored, bundle, link_cost) else {
                // Cannot happen: a number of seven digits can be appended to a token's name, and no bundle of the allowed
                // size has that many Links.
                fault = Some("it came with too many links".to_owned());
                break;
            };
            match self.app.write_objects(objects.writes(now)).await {
                Ok(_) => {
                    info!(token = %stored.key, links = bundle.links.len(), "token redeemed");
                    self.app.metrics().token_tried(TokenOutcome::Redeemed);
                    memory.held = None;
                    return Ok(Requeue::Forget);
                }
                Err(WriteObjectsError::Exists(taken)) => {
                    self.note_failure(&stored, &redeemed_objects::exists(&taken), Retry::Later).await?;
                    return Ok(Requeue::OnEvent);
                }
                // The bundle is kept and stored once there is space.
                Err(WriteObjectsError::Quota(exceeded)) => {
                    fault = Some(exceeded.to_string());
                    break;
                }
                Err(WriteObjectsError::Gone(_) | WriteObjectsError::Conflict(_)) => {}
                Err(WriteObjectsError::Store(error)) => {
                    warn!(token = %stored.key, error = %chain(&error), "the redeemed objects could not be stored yet");
                    fault = Some(chain(&error));
                    tokio::time::sleep(STORE_BACKOFF.after(attempt)).await;
                }
            }
            match self.app.object(stored.key.clone()).await {
                // The write that seemed to fail is stored.
                Ok(Some(newer)) if TokenState::of(&newer) == TokenState::Redeemed => {
                    memory.held = None;
                    return Ok(Requeue::Forget);
                }
                Ok(Some(newer)) if is_same_spec(&newer, &stored) => stored = newer,
                // The token is deleted or its spec has changed: the next call decides.
                Ok(Some(_) | None) => return Ok(Requeue::after(Duration::ZERO)),
                // The store fails: write again with the token as it was read last.
                Err(_) => {}
            }
        }
        let fault = fault.unwrap_or_else(|| "it changes too often".to_owned());
        let pause = memory.failed(&self.backoff, Retry::Later);
        self.note_failure(&stored, &redeemed_objects::uncreated(&fault), Retry::Later).await?;
        Ok(Requeue::after(pause))
    }

    /// Writes into the token's status why it is not redeemed.
    async fn note_failure(&self, stored: &StoredObject, message: &str, retry: Retry) -> Result<(), StoreError> {
        let now = self.app.clock().now();
        let noted = self.app.note_status(stored, |token| match TokenState::of(token) {
            TokenState::Open => Some(status::failed(token, message, retry, now)),
            // A write that seemed to fail has redeemed it.
            TokenState::Redeemed | TokenState::Refused => None,
        });
        match noted.await? {
            Noted::Written => warn!(token = %stored.key, reason = message, retried = ?retry, "token not redeemed"),
            Noted::Same | Noted::Outdated => {}
        }
        Ok(())
    }
}

impl Memory {
    /// Starts anew when the memory belongs to another token or another spec. A bundle for the same URL and code stays: it is
    /// what the token asks for, also when the token was deleted and applied again in the meantime.
    fn switch_to(&mut self, stored: &StoredObject, token: &AccessToken) {
        let of = Some((stored.uid, stored.generation));
        if self.of != of {
            if self.held.as_ref().is_some_and(|held| !held.is_for(token)) {
                self.discard(&stored.key);
            }
            *self = Self { of, held: self.held.take(), ..Self::default() };
        }
        // A user who changes labels or annotations asks for an attempt at once.
        let marks = Some(object_status::marks(stored));
        if std::mem::replace(&mut self.marks, marks).is_some_and(|before| Some(before) != marks) {
            self.not_before = None;
        }
    }

    /// Drops the bundle of a token that is deleted or changed.
    fn discard(&mut self, key: &ObjectKey) {
        if self.held.take().is_some() {
            warn!(token = %key, "the token was deleted or changed while it was redeemed; its bundle is dropped");
        }
    }

    /// Counts a failure; answers how long to wait before the next call.
    fn failed(&mut self, backoff: &Backoff, retry: Retry) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let asked = match retry {
            Retry::After(pause) => pause,
            Retry::Never | Retry::Later => Duration::ZERO,
        };
        let pause = spread(backoff.after(self.failures).max(asked));
        self.not_before = Some(Instant::now() + pause);
        pause
    }
}

impl Held {
    /// Whether the bundle was given for this token's URL and code.
    fn is_for(&self, token: &AccessToken) -> bool {
        self.token.url == token.url && self.token.code.is_same_as(&token.code)
    }
}
