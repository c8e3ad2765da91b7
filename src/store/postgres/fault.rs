//! What PostgreSQL's errors concern: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use sqlx::Error;

use crate::store::sql::failure::Concern;

/// A rule of the schema: a constraint, or a trigger that refuses.
const INTEGRITY: &str = "23";
/// A value that the type of its column cannot hold, such as a text with a zero byte.
const DATA: &str = "22";
/// Two transactions wait for each other, or cannot both be done.
const ROLLED_BACK: &str = "40";
/// No space on the disk, no memory. Other codes of this class concern the server.
const DISK_FULL: &str = "53100";
const OUT_OF_MEMORY: &str = "53200";
/// A statement that is too large.
const PROGRAM_LIMIT: &str = "54";
/// A damaged page or index.
const CORRUPTED: &str = "XX";
/// The connection itself.
const CONNECTION: &str = "08";
/// The server ends connections: it is stopped, restarts after a crash, or an operator ends this one.
const SHUTDOWN: [&str; 4] = ["57P01", "57P02", "57P03", "57P05"];

/// What else fails when a statement fails with this error.
///
/// A statement that took too long, or waited too long for the lock, concerns the database: in parts it would wait again.
pub(super) fn concern(error: &Error) -> Concern {
    code(error).map_or(Concern::Database, |code| concern_of(&code))
}

fn concern_of(code: &str) -> Concern {
    let is_of = |classes: &[&str]| classes.iter().any(|class| code.starts_with(class));
    if is_of(&[INTEGRITY, DATA]) {
        Concern::Row
    } else if is_of(&[ROLLED_BACK, PROGRAM_LIMIT, CORRUPTED, DISK_FULL, OUT_OF_MEMORY]) {
        Concern::Transaction
    } else {
        Concern::Database
    }
}

/// Whether the connection is of no use after this error. What was sent on it last may have been done, or may still be.
pub(super) fn is_lost(error: &Error) -> bool {
    match code(error) {
        Some(code) => code.starts_with(CONNECTION) || SHUTDOWN.contains(&&*code),
        // Whatever the driver did not expect leaves the connection in a state that is not known. What it cannot decode is
        // of an answer that was read to its end.
        None => !matches!(
            error,
            Error::RowNotFound
                | Error::ColumnDecode { .. }
                | Error::Decode(_)
                | Error::PoolTimedOut
                | Error::PoolClosed
        ),
    }
}

/// The SQLSTATE of an error that the server sent.
pub(super) fn code(error: &Error) -> Option<String> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_concerns_no_more_than_it_has_to() {
        for (code, expected) in [
            // unique_violation, check_violation, restrict_violation, untranslatable_character
            ("23505", Concern::Row),
            ("23514", Concern::Row),
            ("23001", Concern::Row),
            ("22P05", Concern::Row),
            // deadlock_detected, disk_full, out_of_memory, index_corrupted
            ("40P01", Concern::Transaction),
            ("53100", Concern::Transaction),
            ("53200", Concern::Transaction),
            ("XX002", Concern::Transaction),
            // too_many_connections, query_canceled, lock_not_available, insufficient_privilege, read_only_sql_transaction
            ("53300", Concern::Database),
            ("57014", Concern::Database),
            ("55P03", Concern::Database),
            ("42501", Concern::Database),
            ("25006", Concern::Database),
        ] {
            assert_eq!(concern_of(code), expected, "{code}");
        }
    }

    #[test]
    fn what_was_read_to_its_end_leaves_the_connection_usable() {
        assert!(!is_lost(&Error::RowNotFound));
        assert!(!is_lost(&Error::Decode("not a number".into())));
        assert!(is_lost(&Error::Io(std::io::ErrorKind::ConnectionReset.into())));
        assert!(is_lost(&Error::Protocol("an unexpected message".into())));
    }
}
