//! What a grant does when one operation comes after the other.

/// What a client asks for. The grant's time ends between the two times of redemption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Redeem,
    /// At a time when the grant has expired.
    RedeemLate,
    /// With the serial number of a certificate that is in the ledger of another grant.
    RedeemWithUsedSerial,
    Read,
    /// Changes how many redemptions are allowed, to no fewer than were made when the client looked.
    Allow(u32),
    Delete,
}

/// What the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Counted(u32),
    Expired,
    Exhausted,
    Gone,
    BreaksARule,
    Made { allowed: u32, made: u32 },
    Conflict,
    Deleted,
}

/// A grant, which may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct State {
    exists: bool,
    allowed: u32,
    made: u32,
}

impl State {
    pub(super) fn new(allowed: u32) -> Self {
        Self { exists: true, allowed, made: 0 }
    }

    /// The state after the operation, if it may be answered like this in this state.
    pub(super) fn after(self, operation: Operation, answer: Answer) -> Option<Self> {
        self.outcomes(operation, Some(answer)).find(|(given, _)| *given == answer).map(|(_, after)| after)
    }

    /// The states in which an operation can leave the grant whose client did not wait for the answer.
    pub(super) fn after_any(self, operation: Operation) -> impl Iterator<Item = Self> {
        self.outcomes(operation, None).map(|(_, after)| after)
    }

    fn outcomes(self, operation: Operation, answer: Option<Answer>) -> impl Iterator<Item = (Answer, Self)> {
        let one = |answer, after| vec![(answer, after)];
        let outcomes = match operation {
            _ if !self.exists => one(Answer::Gone, self),
            Operation::RedeemLate => one(Answer::Expired, self),
            Operation::Redeem | Operation::RedeemWithUsedSerial if self.made >= self.allowed => {
                one(Answer::Exhausted, self)
            }
            Operation::RedeemWithUsedSerial => one(Answer::BreaksARule, self),
            Operation::Redeem => one(Answer::Counted(self.made + 1), Self { made: self.made + 1, ..self }),
            Operation::Read => one(Answer::Made { allowed: self.allowed, made: self.made }, self),
            Operation::Allow(wanted) => {
                // It was raised to what was made when the client looked, which is told with the answer: no change came
                // between, or it would be a conflict.
                let allowed = match answer {
                    Some(Answer::Made { allowed, .. }) => allowed,
                    Some(_) | None => wanted.max(self.made),
                };
                let is_right = allowed == wanted.max(self.made);
                let changed = (Answer::Made { allowed, made: self.made }, Self { allowed, ..self });
                let conflict = (Answer::Conflict, self);
                if is_right { vec![changed, conflict] } else { vec![conflict] }
            }
            Operation::Delete => one(Answer::Deleted, Self { exists: false, ..self }),
        };
        outcomes.into_iter()
    }
}
