//! The budget of wrong codes of each grant: a few at once, then a steady rate.
//!
//! A stranger must not lock out whoever holds the code, so a budget that is spent changes nothing for the right code: codes are
//! compared first, and only a wrong one is charged. Its sender is told to slow down (429) in place of 403.
//!
//! A short code that an operator chose is different, because it can be guessed: its budget counts for each network that
//! sends codes, and what is beyond the budget is not compared. So one network can try only so many codes, and locks out
//! nobody but itself.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::redeem_error::RedeemError;
use crate::{
    address::network_of,
    grant::{Claim, Grant, GrantId, GrantState, RedemptionRequest, Refusal},
    time::Timestamp,
};

/// A budget: `at_once` wrong codes, and another one after each `interval`.
#[derive(Debug, Clone, Copy)]
struct Budget {
    at_once: u32,
    interval: Duration,
}

/// For codes that nobody guesses: enough for a whole network of sites whose token is wrong, which try every 30 s
/// (docs/protocol.md section 1.5).
const OF_A_GRANT: Budget = Budget { at_once: 20, interval: Duration::from_secs(1) };
/// For short codes, from one network.
const OF_A_NETWORK: Budget = Budget { at_once: 10, interval: Duration::from_secs(10) };
/// The most budgets that are kept. One that is whole again needs no place, so this many must be in use at once before any is
/// forgotten; then it is the one that is whole again first.
const MOST_KEPT: usize = 4096;

/// Which budget a wrong code is charged to: the grant's; for a short code, that of a network with this grant.
type Key = (GrantId, Option<IpAddr>);

/// The budgets that are not whole. Only a wrong code for a grant that exists makes an entry.
#[derive(Debug, Default)]
pub(super) struct WrongCodes {
    /// When each is whole again.
    whole_at: Mutex<HashMap<Key, Instant>>,
}

impl WrongCodes {
    /// Decides as [`Grant::claim`] does, within the budget. `at` is the same moment as `now`, on the clock that never goes
    /// back.
    ///
    /// # Errors
    /// [`RedeemError::Refused`], or [`RedeemError::TooManyWrongCodes`] when the budget is spent.
    pub(super) fn claim(
        &self,
        grant: &Grant,
        request: &RedemptionRequest,
        now: Timestamp,
        at: Instant,
    ) -> Result<Claim, RedeemError> {
        // `grantd token check` sends no code, to find out whether the grant is open.
        if request.code.is_empty() {
            return grant.claim(request, now).map_err(RedeemError::from);
        }
        let network = request.peer.map(network_of);
        let spent = |retry_after| RedeemError::TooManyWrongCodes { retry_after };
        if !grant.has_short_code() {
            return grant.claim(request, now).map_err(|refusal| match refusal {
                Refusal::WrongCode => {
                    charge(&mut self.lock(), (grant.id, None), OF_A_GRANT, at).map_or_else(spent, |()| refusal.into())
                }
                Refusal::Expired | Refusal::Exhausted => refusal.into(),
            });
        }
        let key = (grant.id, network);
        // Held while the code is compared: otherwise codes that come at the same time would share the last of the budget.
        let mut whole_at = self.lock();
        // A grant that is not open says so, also when the code is not compared.
        let beyond = |retry_after| match grant.state(now) {
            GrantState::Open => spent(retry_after),
            GrantState::Expired => Refusal::Expired.into(),
            GrantState::Exhausted => Refusal::Exhausted.into(),
        };
        let whole = whole_at.get(&key).copied().unwrap_or(at);
        OF_A_NETWORK.after_one_more(whole, at).map_err(beyond)?;
        grant.claim(request, now).map_err(|refusal| match refusal {
            Refusal::Expired => refusal.into(),
            // A used-up grant answers so to wrong codes only: with the right one it may give out again what it has issued.
            Refusal::WrongCode | Refusal::Exhausted => {
                charge(&mut whole_at, key, OF_A_NETWORK, at).map_or_else(beyond, |()| refusal.into())
            }
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Instant>> {
        self.whole_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Charges one wrong code.
///
/// # Errors
/// How long until the budget has one again.
fn charge(whole_at: &mut HashMap<Key, Instant>, key: Key, budget: Budget, at: Instant) -> Result<(), Duration> {
    let whole = whole_at.get(&key).copied().unwrap_or(at);
    let whole = budget.after_one_more(whole, at)?;
    if whole_at.len() >= MOST_KEPT && !whole_at.contains_key(&key) {
        forget_one(whole_at, at);
    }
    whole_at.insert(key, whole);
    Ok(())
}

fn forget_one(whole_at: &mut HashMap<Key, Instant>, at: Instant) {
    whole_at.retain(|_, whole| *whole > at);
    if whole_at.len() >= MOST_KEPT
        && let Some(first) = whole_at.iter().min_by_key(|(_, whole)| **whole).map(|(key, _)| *key)
    {
        whole_at.remove(&first);
    }
}

impl Budget {
    /// When the budget is whole again after one more wrong code.
    ///
    /// # Errors
    /// How long until it has one.
    fn after_one_more(self, whole: Instant, at: Instant) -> Result<Instant, Duration> {
        let after = whole.max(at) + self.interval;
        let over = after.duration_since(at).saturating_sub(self.interval * self.at_once);
        if over.is_zero() { Ok(after) } else { Err(over) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::{Allowance, Code, CodeOrigin, GrantMetadata, GrantTerms, PresentedCode, Revision};

    const LONG: &str = "L1qCl2mZ7D81gbXp3ax4YT0K";
    const SHORT: &str = "pass-word-of-15";

    fn grant(code: &str, code_origin: CodeOrigin) -> Grant {
        Grant {
            id: GrantId::random(),
            namespace: "west".parse().unwrap(),
            name: "offer".parse().unwrap(),
            code: code.parse().unwrap(),
            code_origin,
            allowance: Allowance::new(5, 0).unwrap(),
            terms: GrantTerms::default(),
            expires_at: Timestamp::from_unix_seconds(2_000),
            created_at: Timestamp::from_unix_seconds(0),
            last_redeemed_at: None,
            generation: 1,
            revision: Revision(1),
            metadata: GrantMetadata::default(),
        }
    }

    /// `None`: admitted.
    fn ask(codes: &WrongCodes, grant: &Grant, code: &str, peer: &str, at: Instant) -> Option<RedeemError> {
        let request = RedemptionRequest {
            link_name: None,
            subject: None,
            code: PresentedCode::new(code.into()),
            peer: Some(peer.parse().unwrap()),
        };
        codes.claim(grant, &request, Timestamp::from_unix_seconds(1_000), at).err()
    }

    #[track_caller]
    fn is_wrong(outcome: Option<&RedeemError>) {
        assert!(matches!(outcome, Some(RedeemError::Refused(Refusal::WrongCode))), "{outcome:?}");
    }

    #[track_caller]
    fn is_spent(outcome: Option<&RedeemError>, seconds: u64) {
        let Some(RedeemError::TooManyWrongCodes { retry_after }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(*retry_after, Duration::from_secs(seconds));
    }

    #[test]
    fn a_spent_budget_turns_wrong_codes_away_and_takes_the_right_one() {
        let (codes, grant, at) = (WrongCodes::default(), grant(LONG, CodeOrigin::Generated), Instant::now());
        for _ in 0..20 {
            is_wrong(ask(&codes, &grant, "wrong", "192.0.2.1", at).as_ref());
        }

        is_spent(ask(&codes, &grant, "wrong", "192.0.2.1", at).as_ref(), 1);
        is_spent(ask(&codes, &grant, "wrong", "192.0.2.2", at).as_ref(), 1);
        assert!(ask(&codes, &grant, LONG, "192.0.2.1", at).is_none(), "the right code is always taken");

        let later = at + Duration::from_secs(2);
        is_wrong(ask(&codes, &grant, "wrong", "192.0.2.1", later).as_ref());
        is_wrong(ask(&codes, &grant, "wrong", "192.0.2.1", later).as_ref());
        is_spent(ask(&codes, &grant, "wrong", "192.0.2.1", later).as_ref(), 1);
    }

    #[test]
    fn no_code_at_all_is_wrong_and_costs_nothing() {
        for code in [LONG, SHORT] {
            let (codes, grant, at) = (WrongCodes::default(), grant(code, CodeOrigin::Given), Instant::now());
            for _ in 0..50 {
                is_wrong(ask(&codes, &grant, "", "192.0.2.1", at).as_ref());
            }
            is_wrong(ask(&codes, &grant, "wrong", "192.0.2.1", at).as_ref());
        }
    }

    #[test]
    fn one_grants_budget_is_no_other_grants() {
        let (codes, at) = (WrongCodes::default(), Instant::now());
        let [first, second] = [(); 2].map(|()| grant(LONG, CodeOrigin::Given));
        for _ in 0..21 {
            ask(&codes, &first, "wrong", "192.0.2.1", at);
        }

        is_wrong(ask(&codes, &second, "wrong", "192.0.2.1", at).as_ref());
    }

    #[test]
    fn guesses_of_a_short_code_are_no_longer_compared_and_other_networks_are_served() {
        let (codes, grant, at) = (WrongCodes::default(), grant(SHORT, CodeOrigin::Given), Instant::now());
        for host in 0..10 {
            is_wrong(ask(&codes, &grant, "wrong", &format!("2001:db8::{host}"), at).as_ref());
        }

        is_spent(ask(&codes, &grant, SHORT, "2001:db8::ffff", at).as_ref(), 10);
        assert!(ask(&codes, &grant, SHORT, "2001:db8:0:1::1", at).is_none());
        assert!(ask(&codes, &grant, SHORT, "2001:db8::ffff", at + Duration::from_secs(10)).is_none());
    }

    #[test]
    fn a_short_code_cannot_be_guessed_with_the_help_of_a_used_up_grant() {
        let (codes, at) = (WrongCodes::default(), Instant::now());
        let used_up = Grant { allowance: Allowance::new(5, 5).unwrap(), ..grant(SHORT, CodeOrigin::Given) };
        let exhausted =
            |outcome: Option<RedeemError>| matches!(outcome, Some(RedeemError::Refused(Refusal::Exhausted)));
        assert!(ask(&codes, &used_up, SHORT, "192.0.2.1", at).is_none(), "the right code may get its bundle again");
        for _ in 0..10 {
            assert!(exhausted(ask(&codes, &used_up, "wrong", "192.0.2.1", at)));
        }

        assert!(exhausted(ask(&codes, &used_up, SHORT, "192.0.2.1", at)), "it is not compared any more");
        assert!(ask(&codes, &used_up, SHORT, "192.0.2.2", at).is_none());
    }

    #[test]
    fn only_a_chosen_code_of_fewer_than_16_characters_is_short() {
        for (code, origin, short) in [
            (SHORT, CodeOrigin::Given, true),
            (SHORT, CodeOrigin::Generated, false),
            ("pass-word-of--16", CodeOrigin::Given, false),
        ] {
            assert_eq!(grant(code, origin).has_short_code(), short, "{code}");
        }
        assert_eq!(Code::SHORT_BELOW, 16);
    }

    #[test]
    fn a_right_code_costs_nothing_of_a_short_ones_budget() {
        let (codes, grant, at) = (WrongCodes::default(), grant(SHORT, CodeOrigin::Given), Instant::now());
        for _ in 0..100 {
            assert!(ask(&codes, &grant, SHORT, "192.0.2.1", at).is_none());
        }
        assert!(codes.lock().is_empty());
    }

    #[test]
    fn however_many_grants_and_networks_come_so_many_budgets_are_kept() {
        let (codes, at) = (WrongCodes::default(), Instant::now());
        let guessed = grant(SHORT, CodeOrigin::Given);
        for host in 0..=u16::try_from(MOST_KEPT).unwrap() {
            let [high, low] = host.to_be_bytes();
            ask(&codes, &guessed, "wrong", &format!("192.0.{high}.{low}"), at + Duration::from_millis(host.into()));
        }

        assert_eq!(codes.lock().len(), MOST_KEPT);
        assert!(!codes.lock().contains_key(&(guessed.id, Some("192.0.0.0".parse().unwrap()))), "the oldest goes first");

        let last = at + Duration::from_millis(u64::try_from(MOST_KEPT).unwrap());
        ask(&codes, &guessed, "wrong", "192.0.16.0", last);
        assert_eq!(codes.lock().len(), MOST_KEPT, "a budget that is kept takes no other's place");

        let whole = last + 2 * OF_A_NETWORK.interval;
        ask(&codes, &grant(LONG, CodeOrigin::Generated), "wrong", "192.0.2.1", whole);
        assert_eq!(codes.lock().len(), 1, "budgets that are whole again take no place");
    }
}
