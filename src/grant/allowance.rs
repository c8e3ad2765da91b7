//! How often a grant may be redeemed, and how often it was.

/// Redemptions allowed and made: `1 <= allowed <= 2^31-1` and `made <= allowed`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    allowed: u32,
    made: u32,
}

/// Why two numbers are no allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AllowanceError {
    /// Zero allowed; a grant that can never be redeemed is an operator's mistake.
    #[error("must be at least 1")]
    Zero,
    /// More than a Kubernetes `int32` holds.
    #[error("must be at most {}", Allowance::MAX)]
    TooMany,
    /// Fewer allowed than were made already.
    #[error("must be at least the {made} redemptions already made")]
    BelowMade {
        /// Redemptions already made.
        made: u32,
    },
}

impl Allowance {
    /// The most redemptions one grant can allow.
    pub const MAX: u32 = i32::MAX as u32;

    /// An allowance of `allowed` redemptions of which `made` are used.
    ///
    /// # Errors
    /// [`AllowanceError`] when the numbers break the type's rule.
    pub fn new(allowed: u32, made: u32) -> Result<Self, AllowanceError> {
        if allowed == 0 {
            return Err(AllowanceError::Zero);
        }
        if allowed > Self::MAX {
            return Err(AllowanceError::TooMany);
        }
        if made > allowed {
            return Err(AllowanceError::BelowMade { made });
        }
        Ok(Self { allowed, made })
    }

    /// Redemptions allowed.
    pub fn allowed(self) -> u32 {
        self.allowed
    }

    /// Redemptions made.
    pub fn made(self) -> u32 {
        self.made
    }

    /// Whether none is left.
    pub fn is_used_up(self) -> bool {
        self.made >= self.allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_never_exceeds_allowed() {
        assert_eq!(Allowance::new(1, 2), Err(AllowanceError::BelowMade { made: 2 }));
        assert!(Allowance::new(2, 2).unwrap().is_used_up());
        assert!(!Allowance::new(2, 1).unwrap().is_used_up());
    }

    #[test]
    fn the_bounds_are_one_and_int32() {
        assert_eq!(Allowance::new(0, 0), Err(AllowanceError::Zero));
        assert_eq!(Allowance::new(Allowance::MAX + 1, 0), Err(AllowanceError::TooMany));
    }
}
