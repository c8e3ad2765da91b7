//! How far a token has come, as its status tells.

use serde_json::{Map, Value, json};

use super::super::{
    Again,
    conditions::{Basis, State},
};
use crate::{store::StoredObject, time::Timestamp};

/// The one condition of a token (protocol.md 4.3).
const REDEEMED: &str = "Redeemed";
/// The generation that the other site has refused for good. Ours: kept in the status, so that a restart does not ask for
/// what was refused; gone with the next spec, which has another generation.
const REFUSED_GENERATION: &str = "refusedGeneration";
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

/// The status of a redeemed token.
pub(super) fn redeemed(token: &StoredObject, now: Timestamp) -> Map<String, Value> {
    let mut status = status(token, &State::Ready, now);
    status.insert("redeemed".to_owned(), true.into());
    status
}

/// The status of a token that is not redeemed.
pub(super) fn failed(token: &StoredObject, message: &str, again: Again, now: Timestamp) -> Map<String, Value> {
    match again {
        Again::Later => status(token, &State::Error(message.to_owned()), now),
        Again::Never => {
            let mut status = status(token, &State::Error(format!("{message}{NO_MORE}")), now);
            status.insert(REFUSED_GENERATION.to_owned(), json!(token.generation));
            status
        }
    }
}

fn status(token: &StoredObject, state: &State, now: Timestamp) -> Map<String, Value> {
    let basis = Basis { before: token.content.body.get("status"), generation: token.generation, now };
    basis.status(&[(REDEEMED, Some(state.clone()))], state)
}
