//! The status of an AccessToken: what it says of the redemption, and how it is written.

use serde_json::{Map, Value, json};

use super::super::{
    conditions::{Basis, State, state_in},
    ports::Retry,
};
use crate::{store::StoredObject, time::Timestamp};

/// The one condition of a token (docs/protocol.md section 4.3).
const REDEEMED: &str = "Redeemed";
/// The generation that the other site has refused for good. This field is grantd's own: it is kept in the status so that a
/// refused token is not tried again after a restart. A change of the spec makes another generation.
const REFUSED_GENERATION: &str = "refusedGeneration";
/// The generation for which the other site has been called. This field is grantd's own too.
const ATTEMPTED_GENERATION: &str = "attemptedGeneration";
/// The message from before the first attempt until it has failed or its result is stored.
const IN_PROGRESS: &str = "Being redeemed";
/// Added to the message when an attempt ended without its answer being stored.
pub(super) const CUT_OFF: &str =
    "; an earlier attempt was cut off before its answer was stored, and may have used up a redemption";
/// Added to the message when no attempt follows.
const NO_MORE: &str = "; not tried again until the token's spec changes";

/// Whether there is anything to do for a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TokenState {
    /// It waits to be redeemed.
    Open,
    /// It is redeemed. This never changes.
    Redeemed,
    /// The other site refused it for good. Only a change of its spec helps.
    Refused,
}

impl TokenState {
    /// Reads the state from the token's status.
    pub(super) fn of(token: &StoredObject) -> Self {
        let status = token.content.body.get("status").unwrap_or(&Value::Null);
        if status["redeemed"] == true {
            Self::Redeemed
        } else if status[REFUSED_GENERATION] == token.generation {
            Self::Refused
        } else {
            Self::Open
        }
    }
}

/// Whether the other site has been called for the token's present spec.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It has not been called.
    None,
    /// A call has begun, and no result of it is stored.
    Begun,
    /// The last call has failed.
    Failed,
}

impl Attempt {
    /// Reads the last attempt from the token's status.
    pub(super) fn of(token: &StoredObject) -> Self {
        let status = token.content.body.get("status");
        if status.is_none_or(|status| status[ATTEMPTED_GENERATION] != token.generation) {
            Self::None
        } else if state_in(status, REDEEMED) == Some(State::Pending(IN_PROGRESS.to_owned())) {
            Self::Begun
        } else {
            Self::Failed
        }
    }
}

/// The status of a token for which the other site is about to be called. It is stored before the call, so that an attempt
/// that is cut off leaves a trace, and no call is made while nothing can be stored.
pub(super) fn begun(token: &StoredObject, now: Timestamp) -> Map<String, Value> {
    let mut status = status(token, &State::Pending(IN_PROGRESS.to_owned()), now);
    status.insert(ATTEMPTED_GENERATION.to_owned(), json!(token.generation));
    status
}

/// The status of a redeemed token.
///
/// It stays so when the Site of its namespace is removed, where Skupper says `Already redeemed for a deleted site`
/// (docs/protocol.md section 4.3): there the Site owns the Secret and the Links, and they are removed with it. Here
/// they have no owner and a token needs no Site, so the link goes on working.
pub(super) fn redeemed(token: &StoredObject, now: Timestamp) -> Map<String, Value> {
    let mut status = status(token, &State::Ready, now);
    status.insert("redeemed".to_owned(), true.into());
    status
}

/// The status of a token that is not redeemed.
pub(super) fn failed(token: &StoredObject, message: &str, retry: Retry, now: Timestamp) -> Map<String, Value> {
    match retry {
        Retry::Later | Retry::After(_) => status(token, &State::Error(message.to_owned()), now),
        Retry::Never => {
            let mut status = status(token, &State::Error(format!("{message}{NO_MORE}")), now);
            status.insert(REFUSED_GENERATION.to_owned(), json!(token.generation));
            status
        }
    }
}

fn status(token: &StoredObject, state: &State, now: Timestamp) -> Map<String, Value> {
    let basis = Basis { before: token.content.body.get("status"), generation: token.generation, now };
    let mut status = basis.status(&[(REDEEMED, Some(state.clone()))], state);
    if *state != State::Ready && Attempt::of(token) != Attempt::None {
        status.insert(ATTEMPTED_GENERATION.to_owned(), json!(token.generation));
    }
    status
}
