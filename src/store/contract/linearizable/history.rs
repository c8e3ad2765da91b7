//! Looks for an order of the calls that explains their answers.

use std::collections::HashSet;

use super::specification::{Answer, Operation, State};

/// One call. Times are those of a counter that every call and every answer advances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) called: u32,
    /// When, and what. `None`: the client hung up; then it happened later, or never.
    pub(super) answer: Option<(u32, Answer)>,
}

/// Whether there is an order of all answered calls, and some of the others, in which a call that was answered before another
/// one began comes before it, and each is answered as a grant that allows so many redemptions does.
///
/// Tries all orders, but none from the same state with the same calls left twice (Wing and Gong 1993, with the memory of Lowe
/// 2017). For at most 64 calls.
pub(super) fn is_linearizable(allowed: u32, history: &[Call]) -> bool {
    assert!(history.len() <= 64, "too long a history");
    let mut seen = HashSet::new();
    let mut open = vec![(0_u64, State::new(allowed))];
    while let Some((done, state)) = open.pop() {
        if !seen.insert((done, state)) {
            continue;
        }
        let left = || history.iter().enumerate().filter(move |(number, _)| done & (1 << number) == 0);
        // Before its own answer, each call that is left must come: none may begin after the first answer among them.
        let Some(first_answer) = left().filter_map(|(_, call)| call.answer).map(|(when, _)| when).min() else {
            return true;
        };
        for (number, call) in left().filter(|(_, call)| call.called < first_answer) {
            let done = done | (1 << number);
            match call.answer {
                Some((_, answer)) => open.extend(state.after(call.operation, answer).map(|state| (done, state))),
                None => open.extend(state.after_any(call.operation).map(|state| (done, state))),
            }
        }
    }
    false
}

/// Calls of one redemption each, with the times of call and answer.
fn redemptions(calls: &[(u32, u32, Answer)]) -> Vec<Call> {
    let call = |&(called, at, answer)| Call { operation: Operation::Redeem, called, answer: Some((at, answer)) };
    calls.iter().map(call).collect()
}

#[test]
fn an_order_is_found_when_there_is_one() {
    use Answer::{Counted, Exhausted};
    for (allowed, calls) in [
        (1, vec![]),
        (2, vec![(0, 1, Counted(1)), (2, 3, Counted(2)), (4, 5, Exhausted)]),
        // All at the same time, answered in another order than counted.
        (2, vec![(0, 3, Counted(2)), (1, 4, Exhausted), (2, 5, Counted(1))]),
    ] {
        assert!(is_linearizable(allowed, &redemptions(&calls)), "{calls:?}");
    }
    let hung_up = Call { operation: Operation::Redeem, called: 0, answer: None };
    for made in [0, 1] {
        let read = Call { operation: Operation::Read, called: 2, answer: Some((3, Answer::Made { allowed: 2, made })) };
        assert!(is_linearizable(2, &[hung_up, read]), "a client that hung up may be counted or not: {made}");
    }
}

#[test]
fn what_no_order_explains_is_found() {
    use Answer::{Counted, Exhausted};
    for (what, allowed, calls) in [
        ("one too many", 1, vec![(0, 3, Counted(1)), (1, 4, Counted(2))]),
        ("an ordinal twice", 5, vec![(0, 2, Counted(1)), (1, 3, Counted(1))]),
        ("an ordinal left out", 5, vec![(0, 2, Counted(1)), (1, 3, Counted(3))]),
        ("used up too early", 2, vec![(0, 1, Counted(1)), (2, 3, Exhausted), (4, 5, Counted(2))]),
        ("counted in another order than one after the other", 5, vec![(0, 1, Counted(2)), (2, 3, Counted(1))]),
    ] {
        assert!(!is_linearizable(allowed, &redemptions(&calls)), "{what}");
    }
}

#[test]
fn a_read_that_is_behind_an_answer_is_found() {
    let counted = Call { operation: Operation::Redeem, called: 0, answer: Some((1, Answer::Counted(1))) };
    let stale = |called| Call {
        operation: Operation::Read,
        called,
        answer: Some((called + 2, Answer::Made { allowed: 2, made: 0 })),
    };
    assert!(is_linearizable(2, &[Call { answer: Some((3, Answer::Counted(1))), ..counted }, stale(1)]));
    assert!(!is_linearizable(2, &[counted, stale(2)]));
}
