//! AccessTokens that were applied here are redeemed at the other site (protocol.md 1.5, 4.3).
//!
//! A redemption is scarce: it is asked for only when what it gives can be stored, and what was given for it is kept until it
//! is stored.

mod redeemed_objects;
pub(super) mod spec;
mod status;

use std::{sync::Arc, time::Duration};

use redeemed_objects::RedeemedObjects;
use status::{Attempt, TokenState};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    backoff::{Backoff, spread},
    chain::chain,
    follow::Interest,
    object_status::{self, Noted, is_same_spec, status_write},
    permits::{Lane, PermitLimits, Permits},
    ports::{RedeemFailure, Redeemer, Retry},
    reconcile::{Controller, Requeue},
    service::App,
};
use crate::{
    link::{AccessToken, Bundle},
    metrics::TokenOutcome,
    store::{ObjectKey, ObjectKind, StoreError, StoredObject, WriteObjectsError},
};

/// Redemptions in progress at once: more than a few, as each may be with a server that does not answer.
const LIMITS: PermitLimits = PermitLimits { total: 16, per_host: 4 };
/// More than a [`Redeemer`] takes: a net under its promise.
const DEADLINE: Duration = Duration::from_secs(20);
/// How often a bundle is offered to a store that fails, before the token is told.
const OFFERS: u32 = 5;
/// The pause after the first offer; each further one is twice as long.
const PAUSE_AFTER_OFFER: Duration = Duration::from_millis(100);
/// What the store's own failures are answered with.
const PAUSE_AFTER_STORE_FAULT: Duration = Duration::from_secs(5);

/// The controller of AccessTokens.
pub(super) struct Tokens {
    app: Arc<App>,
    redeemer: Arc<dyn Redeemer>,
    backoff: Backoff,
    permits: Permits,
}

/// What is remembered of a token that is not redeemed yet.
#[derive(Default)]
pub(super) struct Memory {
    /// The uid and generation that the rest is about.
    of: Option<(Uuid, u64)>,
    failures: u32,
    /// Not to be redeemed before.
    not_before: Option<Instant>,
    /// The token's labels and annotations when it was looked at last.
    marks: Option<u64>,
    /// The attempt that the status tells of is ours.
    begun: bool,
    /// One that it told of was not.
    cut_off: bool,
    /// What was given for a redemption, and could not be stored yet.
    held: Option<Held>,
}

/// What was given.
struct Held {
    /// For this.
    token: AccessToken,
    bundle: Bundle,
}

/// What a look at a token shows.
enum Step {
    /// There is nothing to do now.
    Wait(Requeue),
    /// It is to be redeemed now.
    Redeem(Box<(StoredObject, AccessToken)>),
    /// It was redeemed, and the bundle waits to be stored.
    Deliver(Box<(StoredObject, Option<u32>)>),
}

impl Controller for Tokens {
    type Memory = Memory;
    const INTEREST: Interest =
        Interest { kind: ObjectKind::AccessToken, also: &[ObjectKind::Secret, ObjectKind::Link] };

    fn concerns(other: &ObjectKey, key: &ObjectKey, _: &Memory) -> bool {
        redeemed_objects::may_take(key, other)
    }

    async fn reconcile(&self, key: &ObjectKey, memory: &mut Memory) -> Requeue {
        match self.try_to(key, memory).await {
            Ok(next) => next,
            Err(error) => {
                warn!(token = %key, error = %chain(&error), "the token could not be looked at; trying again");
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
        let host = match self.inspect(key, memory).await? {
            Step::Wait(next) => return Ok(next),
            Step::Deliver(ready) => return self.deliver(ready.0, ready.1, memory).await,
            Step::Redeem(ready) => host(&ready.1.url).to_owned(),
        };
        let lane = if memory.failures == 0 { Lane::New } else { Lane::Failing };
        let Some(_permit) = self.permits.acquire(&self.app, lane, &host).await else { return Ok(Requeue::OnEvent) };
        // The place may have been long in coming: what was seen before it is over.
        match self.inspect(key, memory).await? {
            Step::Wait(next) => Ok(next),
            Step::Deliver(ready) => self.deliver(ready.0, ready.1, memory).await,
            Step::Redeem(ready) => {
                let (stored, token) = *ready;
                self.redeem(stored, &token, memory).await
            }
        }
    }

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
                self.tell(&stored, &fault.to_string(), Retry::Later).await?;
                // It can only be changed, and that is a change to be told of.
                return Ok(Step::Wait(Requeue::Forget));
            }
        };
        memory.turn_to(&stored, &token);
        if memory.held.is_some() {
            return Ok(Step::Deliver(Box::new((stored, token.link_cost))));
        }
        if let Some(taken) = self.taken(&stored, &token).await? {
            self.tell(&stored, &redeemed_objects::exists(&taken), Retry::Later).await?;
            // Whatever is in the way, its removal is told of.
            return Ok(Step::Wait(Requeue::OnEvent));
        }
        match memory.not_before {
            Some(at) if at > Instant::now() => Ok(Step::Wait(Requeue::At(at))),
            Some(_) | None => Ok(Step::Redeem(Box::new((stored, token)))),
        }
    }

    /// The first object whose name would be taken from what a redemption gives. A bundle of several Links numbers them,
    /// and how many there are is not known before.
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
        let Some(stored) = self.begin(stored, memory).await? else { return Ok(Requeue::after(Duration::ZERO)) };
        let subject = self.app.site_uid(&stored.key.namespace).await?.map(|uid| uid.to_string()).unwrap_or_default();
        let answer = timeout(DEADLINE, self.redeemer.redeem(token, &subject)).await.unwrap_or_else(|_| {
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
        // Before the status is written: that may fail too, and a redemption must not follow it at once.
        let pause = memory.failed(&self.backoff, retry);
        self.app.metrics().token_tried(match retry {
            Retry::Never => TokenOutcome::Refused,
            Retry::Later | Retry::After(_) => TokenOutcome::Failed,
        });
        self.tell(&stored, &message, retry).await?;
        match retry {
            Retry::Never => Ok(Requeue::Forget),
            Retry::Later | Retry::After(_) => Ok(Requeue::after(pause)),
        }
    }

    /// Stores that the other site is asked, unless that stands there already; `None` when the token has changed since it
    /// was looked at.
    async fn begin(&self, stored: StoredObject, memory: &mut Memory) -> Result<Option<StoredObject>, StoreError> {
        match Attempt::of(&stored) {
            Attempt::Failed => return Ok(Some(stored)),
            Attempt::Begun => {
                if !std::mem::replace(&mut memory.begun, true) {
                    memory.cut_off = true;
                    warn!(token = %stored.key, "an earlier redemption was cut off before its answer was stored");
                }
                return Ok(Some(stored));
            }
            Attempt::None => {}
        }
        // Also when the write seems to fail: it may have gone through.
        memory.begun = true;
        let status = status::begun(&stored, self.app.clock().now());
        match self.app.write_objects(vec![status_write(&stored, status)]).await {
            Ok(mut written) => Ok(written.pop()),
            Err(WriteObjectsError::Store(error)) => Err(error),
            Err(WriteObjectsError::Exists(_) | WriteObjectsError::Gone(_) | WriteObjectsError::Conflict(_)) => Ok(None),
        }
    }

    /// Stores what was given for a redemption, and with it that the token is redeemed: all of it or nothing.
    async fn deliver(
        &self,
        mut stored: StoredObject,
        link_cost: Option<u32>,
        memory: &mut Memory,
    ) -> Result<Requeue, StoreError> {
        let Some(Held { bundle, .. }) = &memory.held else { return Ok(Requeue::OnEvent) };
        let mut pause = PAUSE_AFTER_OFFER;
        let mut fault = None;
        for _ in 0..OFFERS {
            let now = self.app.clock().now();
            let Some(objects) = RedeemedObjects::new(&stored, bundle, link_cost) else {
                // Not with any bundle that could be read: a token's name leaves room for a number of seven digits.
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
                    self.tell(&stored, &redeemed_objects::exists(&taken), Retry::Later).await?;
                    return Ok(Requeue::OnEvent);
                }
                Err(WriteObjectsError::Gone(_) | WriteObjectsError::Conflict(_)) => {}
                Err(WriteObjectsError::Store(error)) => {
                    warn!(token = %stored.key, error = %chain(&error), "what was redeemed could not be stored yet");
                    fault = Some(chain(&error));
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
            }
            match self.app.object(stored.key.clone()).await {
                // The write that seemed to fail went through.
                Ok(Some(newer)) if TokenState::of(&newer) == TokenState::Redeemed => {
                    memory.held = None;
                    return Ok(Requeue::Forget);
                }
                Ok(Some(newer)) if is_same_spec(&newer, &stored) => stored = newer,
                // Whether it is still wanted is for the next look to say.
                Ok(Some(_) | None) => return Ok(Requeue::after(Duration::ZERO)),
                // Offered again with what is known.
                Err(_) => {}
            }
        }
        let fault = fault.unwrap_or_else(|| "it changes too often".to_owned());
        let pause = memory.failed(&self.backoff, Retry::Later);
        self.tell(&stored, &format!("Controller could not create received secret: {fault}"), Retry::Later).await?;
        Ok(Requeue::after(pause))
    }

    /// Writes into the token's status why it is not redeemed.
    async fn tell(&self, stored: &StoredObject, message: &str, retry: Retry) -> Result<(), StoreError> {
        let now = self.app.clock().now();
        let noted = self.app.note_status(stored, |token| match TokenState::of(token) {
            TokenState::Open => Some(status::failed(token, message, retry, now)),
            // Redeemed by a write that seemed to fail.
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
    /// Starts anew when this is about another token, or another wish. What was given for the same code stays: it is what
    /// the token asks for, also when it was deleted and applied again in the meantime.
    fn turn_to(&mut self, stored: &StoredObject, token: &AccessToken) {
        let of = Some((stored.uid, stored.generation));
        if self.of != of {
            if self.held.as_ref().is_some_and(|held| !held.is_for(token)) {
                self.discard(&stored.key);
            }
            *self = Self { of, held: self.held.take(), ..Self::default() };
        }
        // Whoever writes into the token does not want to wait.
        let marks = Some(object_status::marks(stored));
        if std::mem::replace(&mut self.marks, marks).is_some_and(|before| Some(before) != marks) {
            self.not_before = None;
        }
    }

    /// Throws away what was redeemed for a token that is no longer there.
    fn discard(&mut self, key: &ObjectKey) {
        if self.held.take().is_some() {
            warn!(token = %key, "the token was deleted or changed while it was redeemed; what was given is thrown away");
        }
    }

    /// Counts a failure; answers how long to leave the token alone.
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
    /// Whether it is what this token is for.
    fn is_for(&self, token: &AccessToken) -> bool {
        self.token.url == token.url && self.token.code.is_same_as(&token.code)
    }
}

/// The host and port of a URL, as far as it has them.
fn host(url: &str) -> &str {
    url.split('/').nth(2).unwrap_or_default()
}
