use super::*;

#[test]
fn a_failing_database_is_tried_often_enough_to_find_two_operations_and_a_bad_row_always() {
    let mut failed = FailedTransactions::default();
    let of_the_database = || DatabaseError::new(sqlx::Error::PoolClosed);
    let transaction =
        |failed: &mut FailedTransactions| failed.may_be_split(&Err::<(), _>(Failure::Transaction(of_the_database())));

    assert_eq!((0..1000).filter(|_| transaction(&mut failed)).count(), 16);

    assert!(failed.may_be_split(&Err::<(), _>(Failure::rule("a grant"))));
    assert!(!failed.may_be_split(&Ok(())));
    let database = Failure::Database(StoreFailure::Database(of_the_database()));
    assert!(!FailedTransactions::default().may_be_split(&Err::<(), _>(database)));
}
