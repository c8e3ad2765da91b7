//! What SQLite's error codes concern: <https://www.sqlite.org/rescode.html>.

use crate::store::sql::failure::Concern;

/// The low byte of every extended code of a broken constraint.
const SQLITE_CONSTRAINT: u32 = 19;
/// No space: on the disk, or below the limit of pages.
const SQLITE_FULL: u32 = 13;
/// A page holds what it cannot hold. The low byte.
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOMEM: u32 = 7;
const SQLITE_TOOBIG: u32 = 18;
const SQLITE_IOERR_READ: u32 = 266;
const SQLITE_IOERR_SHORT_READ: u32 = 522;
/// Also a limit on the size of files. Nothing is committed: the frame of the commit is written last, and synced after that.
const SQLITE_IOERR_WRITE: u32 = 778;

/// What else fails when a statement fails with this extended code.
///
/// A failed sync concerns the database: whether the transaction is in the log is not known then, so it must not be tried
/// again in parts.
pub(super) fn concern(code: u32) -> Concern {
    match (code & 0xff, code) {
        (SQLITE_CONSTRAINT, _) => Concern::Row,
        (SQLITE_FULL | SQLITE_CORRUPT | SQLITE_NOMEM | SQLITE_TOOBIG, _)
        | (_, SQLITE_IOERR_READ | SQLITE_IOERR_SHORT_READ | SQLITE_IOERR_WRITE) => Concern::Transaction,
        (_, _) => Concern::Database,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_concerns_no_more_than_it_has_to() {
        for (code, expected) in [
            // SQLITE_CONSTRAINT_UNIQUE, SQLITE_CORRUPT_INDEX
            (2067, Concern::Row),
            (779, Concern::Transaction),
            (SQLITE_FULL, Concern::Transaction),
            (SQLITE_IOERR_WRITE, Concern::Transaction),
            // SQLITE_BUSY, SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_IOERR_FSYNC
            (5, Concern::Database),
            (8, Concern::Database),
            (14, Concern::Database),
            (1034, Concern::Database),
        ] {
            assert_eq!(concern(code), expected, "{code}");
        }
    }
}
