//! How much memory the answers of all callers may take together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all answers together may hold that are being made or wait for their clients; more are answered 429.
const MOST_HELD: usize = 96 * 1024 * 1024;
/// Answers up to here are not counted: connections and streams bound how many there are.
pub(crate) const UNCOUNTED: usize = 16 * 1024;
/// In which memory is counted, as a semaphore counts no further than 32 bits.
const UNIT: usize = 1024;

/// Memory for answers, shared by all connections of a listener.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Arc<Semaphore>);

/// What one answer holds of it, until it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    memory: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

/// There is no memory left for more answers now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoMemory;

impl Memory {
    /// All the memory that answers may take.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MOST_HELD / UNIT)))
    }

    /// A permit for no memory yet, to be grown.
    pub(crate) fn empty_permit(&self) -> MemoryPermit {
        MemoryPermit { memory: Arc::clone(&self.0), permit: None }
    }

    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.0.available_permits() * UNIT
    }
}

impl MemoryPermit {
    /// Holds so many bytes in all, or what it holds already if that is more.
    ///
    /// # Errors
    /// [`NoMemory`], at once: an answer that waited would keep the memory that others wait for.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), NoMemory> {
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = u32::try_from(bytes.div_ceil(UNIT).saturating_sub(held)).map_err(|_| NoMemory)?;
        let more = Arc::clone(&self.memory).try_acquire_many_owned(missing).map_err(|_| NoMemory)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_not_there_is_refused_and_what_is_held_stays() {
        let memory = Memory::new();
        let (mut one, mut other) = (memory.empty_permit(), memory.empty_permit());
        one.grow_to(MOST_HELD - UNIT).unwrap();
        assert_eq!(other.grow_to(2 * UNIT), Err(NoMemory));
        assert_eq!(one.grow_to(MOST_HELD), Ok(()));
        drop(one);
        assert_eq!(other.grow_to(2 * UNIT), Ok(()));
    }
}
