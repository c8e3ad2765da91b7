//! How far a token has come, as its status tells.

use serde_json::{Map, Value, json};

use super::super::{
    conditions::{Basis, State, state_in},
    ports::Retry,
};
use crate::{store::StoredObject, time::Timestamp};

/// The one condition of a token (protocol.md 4.3).
const REDEEMED: &str = "Redeemed";
/// The generation that the other site has refused for good. Ours: kept in the status, so that a restart does not ask for
/// what was refused; gone with the next spec, which has another generation.
const REFUSED_GENERATION: &str = "refusedGeneration";
/// The generation that the other site has been asked about. Ours too.
const ATTEMPTED_GENERATION: &str = "attemptedGeneration";
/// What is said from before the first attempt until it has failed or all is stored.
const IN_PROGRESS: &str = "Being redeemed";
/// What is said besides when the end of an attempt was not seen.
pub(super) const CUT_OFF: &str =
    "; an earlier attempt was cut off before its answer was stored, and may have used up a redemption";
/// What is said besides when no attempt follows.
const NO_MORE: &str = "; not tried again until the token's spec changes";

/// Whether there is anything to do for a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It waits to be redeemed.
    Open,
    /// It is done with, for ever.
    Redeemed,
    /// As it is now, it will never be redeemed.
    Refused,
}

/// How the token stands.
pub(super) fn stands(token: &StoredObject) -> Standing {
    let status = token.content.body.get("status").unwrap_or(&Value::Null);
    if status["redeemed"] == true {
        Standing::Redeemed
    } else if status[REFUSED_GENERATION] == token.generation {
        Standing::Refused
    } else {
        Standing::Open
    }
}

/// Whether the other site has been asked about the token as it is now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Not yet.
    None,
    /// An attempt has begun, and nothing was stored since.
    Begun,
    /// It has failed.
    Failed,
}

/// How far the attempts have come.
pub(super) fn attempt(token: &StoredObject) -> Attempt {
    let status = token.content.body.get("status");
    if status.is_none_or(|status| status[ATTEMPTED_GENERATION] != token.generation) {
        Attempt::None
    } else if state_in(status, REDEEMED) == Some(State::Pending(IN_PROGRESS.to_owned())) {
        Attempt::Begun
    } else {
        Attempt::Failed
    }
}

/// The status of a token that the other site is going to be asked about: stored before, so that an attempt whose end
/// nobody sees leaves a trace, and none is made while nothing can be stored.
pub(super) fn begun(token: &StoredObject, now: Timestamp) -> Map<String, Value> {
    let mut status = status(token, &State::Pending(IN_PROGRESS.to_owned()), now);
    status.insert(ATTEMPTED_GENERATION.to_owned(), json!(token.generation));
    status
}

/// The status of a redeemed token.
///
/// It stays so when the Site of its namespace is removed, where Skupper says `Already redeemed for a deleted site`
/// (protocol.md 4.3): there the Secret and the Links go with the Site that owns them. Here nobody owns them, a token needs
/// no Site at all, and what it gave goes on working.
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
    if *state != State::Ready && attempt(token) != Attempt::None {
        status.insert(ATTEMPTED_GENERATION.to_owned(), json!(token.generation));
    }
    status
}
