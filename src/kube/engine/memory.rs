//! How much memory the answers of all callers may take together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most bytes of all answers together that are being made or wait for their clients; further requests get a 429.
const MOST_HELD: usize = 96 * 1024 * 1024;
/// Answers of at most this many bytes are not counted: the limits of connections and streams bound their number.
pub(crate) const UNCOUNTED: usize = 16 * 1024;
/// Memory is counted in units of this many bytes, as a semaphore counts with 32 bits.
const UNIT: usize = 1024;

/// Memory for answers, shared by all connections of a listener.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Arc<Semaphore>);

/// The memory that one answer holds, until this is dropped.
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
    /// Makes the permit one for at least this many bytes in all.
    ///
    /// # Errors
    /// [`NoMemory`], without waiting: an answer that waited would hold memory that other answers wait for.
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
