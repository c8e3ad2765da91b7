//! One budget of memory for everything that clients send to the admin API or have to take from it, over all listeners.
//!
//! It is shared fairly: a user gets memory only as long as at least as much stays free as the user then holds. So one user can
//! hold half of the budget at most, and there is always something left for another one.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

/// The whole budget, in bytes.
const TOTAL: usize = 64 * 1024 * 1024;

/// The budget.
#[derive(Debug)]
pub struct MemoryBudget {
    state: Mutex<State>,
    /// Notified when memory was given back.
    freed: Notify,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// What users hold; those who hold nothing have no entry.
    held: HashMap<Arc<str>, usize>,
}

/// The budget as one user sees it.
#[derive(Clone)]
pub struct MemoryShare {
    budget: Arc<MemoryBudget>,
    user: Arc<str>,
}

/// Memory that is held until this is dropped.
#[derive(Debug)]
pub struct MemoryPermit {
    share: MemoryShare,
    bytes: usize,
}

/// There is no memory left for this user now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMemory;

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::of(TOTAL)
    }
}

impl MemoryBudget {
    fn of(total: usize) -> Self {
        Self { state: Mutex::new(State { free: total, held: HashMap::new() }), freed: Notify::new() }
    }

    /// The share of this user.
    pub fn share_of(self: &Arc<Self>, user: &str) -> MemoryShare {
        MemoryShare { budget: Arc::clone(self), user: user.into() }
    }

    /// How many bytes nobody holds.
    pub fn free(&self) -> usize {
        self.state().free
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that runs with the lock held can panic, so a poisoned lock guards sound data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryShare {
    /// The user.
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// A permit for no memory yet, to be grown.
    pub fn empty_permit(&self) -> MemoryPermit {
        MemoryPermit { share: self.clone(), bytes: 0 }
    }

    /// A permit for this many bytes.
    ///
    /// # Errors
    /// [`NoMemory`], without waiting.
    pub fn try_take(&self, bytes: usize) -> Result<MemoryPermit, NoMemory> {
        let mut permit = self.empty_permit();
        permit.grow_to(bytes).map(|()| permit)
    }

    /// A permit for this many bytes, waited for. Who waits must hold no other permit: others may wait for that one.
    ///
    /// # Errors
    /// [`NoMemory`] when there was none until the deadline.
    pub async fn take(&self, bytes: usize, deadline: Duration) -> Result<MemoryPermit, NoMemory> {
        let taking = async {
            loop {
                let freed = self.budget.freed.notified();
                if let Ok(permit) = self.try_take(bytes) {
                    return permit;
                }
                freed.await;
            }
        };
        timeout(deadline, taking).await.map_err(|_| NoMemory)
    }
}

impl MemoryPermit {
    /// Makes the permit one for at least this many bytes in all.
    ///
    /// # Errors
    /// [`NoMemory`], without waiting; then the permit is as before.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), NoMemory> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let mut state = self.share.budget.state();
        let held = state.held.get(&self.share.user).copied().unwrap_or(0).saturating_add(more);
        let free = state.free.checked_sub(more).filter(|free| held <= *free).ok_or(NoMemory)?;
        state.free = free;
        state.held.insert(Arc::clone(&self.share.user), held);
        drop(state);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut state = self.share.budget.state();
        state.free += self.bytes;
        let held = state.held.remove(&self.share.user).unwrap_or(0).saturating_sub(self.bytes);
        if held > 0 {
            state.held.insert(Arc::clone(&self.share.user), held);
        }
        drop(state);
        self.share.budget.freed.notify_waiters();
    }
}

impl fmt::Debug for MemoryShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryShare").field(&self.user).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(total: usize) -> Arc<MemoryBudget> {
        Arc::new(MemoryBudget::of(total))
    }

    #[test]
    fn a_user_holds_half_at_most_and_the_next_one_half_of_the_rest() {
        let budget = budget(64);
        let (one, other) = (budget.share_of("one"), budget.share_of("other"));
        let mut held = one.try_take(32).unwrap();
        assert_eq!(held.grow_to(33), Err(NoMemory));
        assert_eq!(one.try_take(1).map(drop), Err(NoMemory));
        assert_eq!(other.try_take(17).map(drop), Err(NoMemory));
        let others = other.try_take(16).unwrap();
        assert_eq!(budget.share_of("third").try_take(8).map(drop), Ok(()));
        assert_eq!(budget.free(), 16);
        drop((held, others));
        assert_eq!((budget.free(), budget.state().held.len()), (64, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_waited_for_until_it_is_given_back_or_the_deadline_ends() {
        let budget = budget(64);
        let share = budget.share_of("one");
        let held = share.try_take(20).unwrap();
        let deadline = Duration::from_secs(5);
        assert_eq!(share.take(20, deadline).await.map(drop), Err(NoMemory));

        let (waited, ()) = tokio::join!(share.take(20, deadline), async {
            tokio::task::yield_now().await;
            drop(held);
        });
        assert!(waited.is_ok());
    }

    proptest! {
        #[test]
        fn whatever_users_take_another_one_gets_something(
            wishes in proptest::collection::vec((0..3_u8, 1..400_usize, any::<bool>()), 0..60)
        ) {
            let budget = budget(1024);
            let mut permits = Vec::new();
            for (user, bytes, gives_back) in wishes {
                if gives_back && !permits.is_empty() {
                    permits.remove(bytes % permits.len());
                }
                permits.extend(budget.share_of(&user.to_string()).try_take(bytes));
                let held: usize = permits.iter().map(|permit: &MemoryPermit| permit.bytes).sum();
                prop_assert_eq!(held + budget.free(), 1024);
                // Half, a quarter and an eighth are the most that three users get.
                prop_assert!(budget.share_of("another").try_take(64).is_ok(), "{} bytes are free", budget.free());
            }
        }
    }
}
