//! Conditions, and what they add up to (protocol.md 4).

use serde_json::{Value, json};

use crate::time::Timestamp;

/// One condition of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) name: &'static str,
    pub(super) state: State,
    /// Since when it is so.
    pub(super) since: Timestamp,
}

/// How a condition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// As it should be.
    Ready,
    /// Not, with one of Skupper's reasons or ours, and a text for people.
    Failed { reason: &'static str, message: String },
}

impl State {
    /// Skupper's reason for everything that is wrong.
    pub(super) fn error(message: impl Into<String>) -> Self {
        Self::Failed { reason: "Error", message: message.into() }
    }

    fn words(&self) -> (&'static str, &'static str, &str) {
        match self {
            Self::Ready => ("True", "Ready", "OK"),
            Self::Failed { reason, message } => ("False", reason, message),
        }
    }

    /// `status.status`: Skupper knows `Ready`, `Pending` and `Error`, and its readers check for these. What is over is
    /// no longer pending, so it is an `Error`, and the message says which.
    pub(super) fn status(&self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Failed { .. } => "Error",
        }
    }

    /// `status.message`.
    pub(super) fn message(&self) -> &str {
        self.words().2
    }
}

impl Condition {
    /// As it stands in `status.conditions`; `generation` is the one the object has, since status is made when it is read.
    pub(super) fn to_json(&self, generation: u64) -> Value {
        let (status, reason, message) = self.state.words();
        json!({
            "type": self.name, "status": status, "reason": reason, "message": message,
            "observedGeneration": generation, "lastTransitionTime": self.since.to_string(),
        })
    }
}
