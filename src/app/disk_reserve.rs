//! Space on the disk that is kept for redemptions.

use std::path::PathBuf;

use crate::{
    file,
    store::{StoreError, StoreFailure},
};

/// The space below which only redemptions, and what the controllers make of them, are written.
#[derive(Debug, Clone)]
pub struct DiskReserve {
    /// The directory of the store.
    pub directory: PathBuf,
    /// How many bytes are kept free.
    pub bytes: u64,
}

impl DiskReserve {
    /// Whether something may be written that is no redemption.
    ///
    /// # Errors
    /// [`StoreFailure::DiskReserve`] in a [`StoreError`], when less is free. When the system does not tell how much is free,
    /// the write is left to succeed or fail.
    pub(super) fn check(&self, action: &'static str) -> Result<(), StoreError> {
        match file::free_bytes(&self.directory) {
            Ok(free) if free < self.bytes => {
                let source = StoreFailure::DiskReserve { free, reserve: self.bytes };
                Err(StoreError::Unavailable { action, source })
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_the_reserve_refuses_and_an_unknown_disk_does_not() {
        let refused = |directory: PathBuf, bytes| DiskReserve { directory, bytes }.check("store a grant").is_err();
        assert!(refused(std::env::temp_dir(), u64::MAX));
        assert!(!refused(std::env::temp_dir(), 0));
        assert!(!refused("/nonexistent".into(), u64::MAX));
    }
}
