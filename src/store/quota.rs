//! How much one namespace may store.

use std::fmt;

/// The quota of each namespace, grants included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The most objects.
    pub objects: u64,
    /// The most bytes that their contents take in the database.
    pub bytes: u64,
}

impl Quota {
    /// 10,000 objects, and 256 MiB.
    pub const DEFAULT: Self = Self { objects: 10_000, bytes: 256 * 1024 * 1024 };
    /// By how many bytes each object may grow beyond the quota, so that a status can be written into every one.
    const STATUS_BYTES: u64 = 4096;

    /// Whether a namespace that uses this much may get one more object of this many bytes.
    ///
    /// # Errors
    /// [`QuotaExceeded`].
    pub(in crate::store) fn check_new(&self, used: Usage, bytes: u64) -> Result<(), QuotaExceeded> {
        self.check_more(used, Usage { objects: 1, bytes })
    }

    /// Whether a namespace that uses this much may get that much more.
    ///
    /// # Errors
    /// [`QuotaExceeded`].
    pub(in crate::store) fn check_more(&self, used: Usage, more: Usage) -> Result<(), QuotaExceeded> {
        check(Counted::Objects, more.objects, used.objects, self.objects)?;
        check(Counted::Bytes, more.bytes, used.bytes, self.bytes)
    }

    /// Whether an object of a namespace that uses this much may grow by this many bytes.
    ///
    /// # Errors
    /// [`QuotaExceeded`]; never when it does not grow.
    pub(in crate::store) fn check_growth(&self, used: Usage, bytes: u64) -> Result<(), QuotaExceeded> {
        let beyond = used.objects.saturating_mul(Self::STATUS_BYTES);
        if bytes == 0 || used.bytes.saturating_add(bytes) <= self.bytes.saturating_add(beyond) {
            return Ok(());
        }
        check(Counted::Bytes, bytes, used.bytes, self.bytes)
    }
}

fn check(counted: Counted, requested: u64, used: u64, limited: u64) -> Result<(), QuotaExceeded> {
    if used.saturating_add(requested) <= limited {
        Ok(())
    } else {
        Err(QuotaExceeded { counted, requested, used, limited })
    }
}

/// What a namespace has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::store) struct Usage {
    pub(in crate::store) objects: u64,
    pub(in crate::store) bytes: u64,
}

/// What a quota limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The number of objects.
    Objects,
    /// The bytes of their contents.
    Bytes,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Objects => "objects",
            Self::Bytes => "bytes",
        })
    }
}

/// A write would make a namespace exceed its quota. The text is that of Kubernetes' quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "exceeded quota: namespace, requested: {counted}={requested}, used: {counted}={used}, limited: {counted}={limited}"
)]
pub struct QuotaExceeded {
    /// What there would be too much of.
    pub counted: Counted,
    /// How much more the write needs.
    pub requested: u64,
    /// How much the namespace has.
    pub used: u64,
    /// How much it may have.
    pub limited: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { objects: 3, bytes: 1000 };

    #[test]
    fn the_last_object_and_the_last_byte_fit() {
        assert_eq!(QUOTA.check_new(Usage { objects: 2, bytes: 900 }, 100), Ok(()));
        let exceeded = QUOTA.check_new(Usage { objects: 3, bytes: 0 }, 1).unwrap_err();
        assert_eq!(exceeded.counted, Counted::Objects);
        let exceeded = QUOTA.check_new(Usage { objects: 2, bytes: 900 }, 101).unwrap_err();
        let text = "exceeded quota: namespace, requested: bytes=101, used: bytes=900, limited: bytes=1000";
        assert_eq!(exceeded.to_string(), text);
    }

    #[test]
    fn a_status_fits_into_every_object_and_what_shrinks_always_does() {
        let full = Usage { objects: 3, bytes: 1000 };
        assert_eq!(QUOTA.check_growth(full, 3 * 4096), Ok(()));
        assert!(QUOTA.check_growth(full, 3 * 4096 + 1).is_err());
        assert_eq!(QUOTA.check_growth(Usage { objects: 9, bytes: 1 << 40 }, 0), Ok(()));
    }
}
