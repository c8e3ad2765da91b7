//! How a batch that failed is divided.

use super::{batch::MAX_BATCH, failure::Failure};

/// How many failed transactions of a batch are tried again in halves: enough to find one bad operation in it, or two.
const MOST_SPLITS: u32 = 2 * MAX_BATCH.ilog2();

/// The transactions of a batch that the database could not carry out.
#[derive(Debug, Default)]
pub(super) struct FailedTransactions(u32);

impl FailedTransactions {
    /// Whether the two halves of what this transaction held are to be tried. On a full disk each of them fails, so that is
    /// done a few times only; a row that breaks a rule makes only the transactions fail that it is in.
    pub(super) fn may_be_split<T>(&mut self, result: &Result<T, Failure>) -> bool {
        match result {
            Err(Failure::Row(_)) => true,
            Err(Failure::Transaction(_)) => {
                self.0 += 1;
                self.0 <= MOST_SPLITS
            }
            Ok(_) | Err(Failure::Database(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{DatabaseError, StoreFailure};

    #[test]
    fn a_failing_database_is_tried_often_enough_to_find_two_operations_and_a_bad_row_always() {
        let mut failed = FailedTransactions::default();
        let of_the_database = || DatabaseError::new(sqlx::Error::PoolClosed);
        let transaction = |failed: &mut FailedTransactions| {
            failed.may_be_split(&Err::<(), _>(Failure::Transaction(of_the_database())))
        };

        assert_eq!((0..1000).filter(|_| transaction(&mut failed)).count(), 16);

        assert!(failed.may_be_split(&Err::<(), _>(Failure::rule("a grant"))));
        assert!(!failed.may_be_split(&Ok(())));
        let database = Failure::Database(StoreFailure::Database(of_the_database()));
        assert!(!FailedTransactions::default().may_be_split(&Err::<(), _>(database)));
    }
}
