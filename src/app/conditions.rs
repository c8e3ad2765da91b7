//! Conditions of an object's status, and the summary of several (docs/protocol.md section 4).

use std::fmt::Display;

use serde_json::{Map, Value, json};

use crate::time::Timestamp;

/// The state of one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The condition is true.
    Ready,
    /// False, until a user or an operator does something. With the message.
    Error(String),
    /// False for now. With the message.
    Pending(String),
    /// False from now on. With the reason, which is the message too.
    Over(&'static str),
}

impl State {
    /// The value of `status.status` for an object in this state. Skupper's readers know `Ready`, `Pending` and `Error`
    /// only, so what is over is an `Error`, and the message says why.
    pub fn sum(&self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Error(_) | Self::Over(_) => "Error",
            Self::Pending(_) => "Pending",
        }
    }

    /// The message for people.
    pub fn message(&self) -> &str {
        self.words().2
    }

    /// The condition's `status`, `reason` and `message`.
    fn words(&self) -> (&'static str, &'static str, &str) {
        match self {
            Self::Ready => ("True", "Ready", "OK"),
            Self::Error(message) => ("False", "Error", message),
            Self::Pending(message) => ("False", "Pending", message),
            Self::Over(reason) => ("False", reason, reason),
        }
    }

    /// The state in a condition that grantd has written; `None` for other conditions.
    fn read(condition: &Value) -> Option<Self> {
        let message = condition["message"].as_str()?.to_owned();
        match condition["reason"].as_str()? {
            "Ready" => Some(Self::Ready),
            "Error" => Some(Self::Error(message)),
            "Pending" => Some(Self::Pending(message)),
            _ => None,
        }
    }
}

/// A member of `status.conditions`, of an object of this generation.
pub fn condition(name: &str, state: &State, generation: u64, since: impl Display) -> Value {
    let (status, reason, message) = state.words();
    json!({
        "type": name, "status": status, "reason": reason, "message": message,
        "observedGeneration": generation, "lastTransitionTime": since.to_string(),
    })
}

/// A condition's name and its state, which is `None` while it is not known.
pub(super) type Condition = (&'static str, Option<State>);

/// The condition of this name in `status`, if it is there.
pub(super) fn state_in(status: Option<&Value>, name: &str) -> Option<State> {
    find(status?, name).and_then(State::read)
}

/// Like [`state_in`], but only of a condition that was observed at this generation.
pub(super) fn state_at(status: Option<&Value>, name: &str, generation: u64) -> Option<State> {
    find(status?, name).filter(|condition| condition["observedGeneration"] == generation).and_then(State::read)
}

/// The first of these states that is not `Ready`. A state that is not known counts as pending, with the message `Not NAME`.
pub(super) fn aggregate(conditions: &[Condition]) -> State {
    let states = conditions.iter().map(|(name, state)| match state {
        Some(state) => state.clone(),
        None => State::Pending(format!("Not {name}")),
    });
    states.into_iter().find(|state| *state != State::Ready).unwrap_or(State::Ready)
}

/// What a status is computed from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Basis<'a> {
    /// The present status, from which conditions that do not change keep their transition time.
    pub(super) before: Option<&'a Value>,
    /// The object's generation.
    pub(super) generation: u64,
    /// The present time.
    pub(super) now: Timestamp,
}

impl Basis<'_> {
    /// The members `conditions`, `status` and `message`; the last two are those of `whole`.
    pub(super) fn status(&self, conditions: &[Condition], whole: &State) -> Map<String, Value> {
        let conditions: Vec<Value> =
            conditions.iter().filter_map(|(name, state)| Some(self.condition(name, state.as_ref()?))).collect();
        let mut status = Map::new();
        status.insert("conditions".to_owned(), conditions.into());
        status.insert("message".to_owned(), whole.message().into());
        status.insert("status".to_owned(), whole.sum().into());
        status
    }

    fn condition(&self, name: &str, state: &State) -> Value {
        let (status, _, _) = state.words();
        let before = self.before.and_then(|before| find(before, name)).filter(|before| before["status"] == status);
        let since = before.and_then(|before| before["lastTransitionTime"].as_str().map(str::to_owned));
        condition(name, state, self.generation, since.unwrap_or_else(|| self.now.to_string()))
    }
}

fn find<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000 + seconds)
    }

    #[test]
    fn the_summary_is_the_first_condition_that_is_not_ready() {
        let fault = || Some(State::Error("x is missing".to_owned()));

        assert_eq!(aggregate(&[("Configured", fault()), ("Operational", None)]), fault().unwrap());
        assert_eq!(
            aggregate(&[("Configured", Some(State::Ready)), ("Operational", None)]),
            State::Pending("Not Operational".to_owned())
        );
        assert_eq!(aggregate(&[("Configured", Some(State::Ready)), ("Operational", Some(State::Ready))]), State::Ready);
    }

    #[test]
    fn a_condition_keeps_its_time_while_its_status_stays() {
        let write = |before: Option<&Value>, state: State, seconds| {
            let basis = Basis { before, generation: 2, now: at(seconds) };
            Value::Object(basis.status(&[("Redeemed", Some(state.clone()))], &state))
        };
        let time = |status: &Value| status["conditions"][0]["lastTransitionTime"].clone();

        let first = write(None, State::Error("a".to_owned()), 0);
        let second = write(Some(&first), State::Pending("b".to_owned()), 1);
        let third = write(Some(&second), State::Ready, 2);

        assert_eq!(time(&first), "2023-11-14T22:13:20Z");
        assert_eq!(time(&second), "2023-11-14T22:13:20Z");
        assert_eq!(time(&third), "2023-11-14T22:13:22Z");
        assert_eq!(
            first,
            json!({
                "status": "Error", "message": "a",
                "conditions": [{
                    "type": "Redeemed", "status": "False", "reason": "Error", "message": "a",
                    "observedGeneration": 2, "lastTransitionTime": "2023-11-14T22:13:20Z",
                }],
            })
        );
    }

    #[test]
    fn a_written_condition_is_read_back() {
        for state in [State::Ready, State::Error("a".to_owned()), State::Pending("b".to_owned())] {
            let basis = Basis { before: None, generation: 1, now: at(0) };
            let status = Value::Object(basis.status(&[("Operational", Some(state.clone()))], &state));
            assert_eq!(state_in(Some(&status), "Operational"), Some(state));
        }
        assert_eq!(state_in(Some(&json!({"conditions": "none"})), "Operational"), None);
    }
}
