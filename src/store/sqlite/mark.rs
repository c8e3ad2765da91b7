//! The greatest revision of the store, in a file beside the database: a database that was put back alone is behind it.
//!
//! It is written every few seconds while the revision moves, and not with each commit, which would cost redemptions a second
//! sync. So after a crash it is behind what was committed in the last seconds, and what was put back from exactly these
//! seconds is not noticed.

use std::{
    io,
    path::{Path, PathBuf},
    str::FromStr as _,
    sync::{Mutex, PoisonError},
};

use crate::{
    file::{self, Access, Existing, FileError},
    grant::Revision,
    store::OpenError,
};

/// The file, and what it holds.
#[derive(Debug)]
pub(super) struct RevisionMark {
    path: PathBuf,
    /// Held while the file is written.
    kept: Mutex<Option<Revision>>,
}

impl RevisionMark {
    /// The mark of this database. Its name does not begin with that of the database, so that `cp grantd.db*` leaves it alone.
    pub(super) fn beside(database: &Path) -> Result<Self, OpenError> {
        let path = database.with_file_name("revision.mark");
        let kept = match file::read(&path) {
            Ok(text) => {
                let text = std::str::from_utf8(&text).unwrap_or_default();
                let Ok(revision) = u64::from_str(text.trim_end()) else { return Err(OpenError::Mark { mark: path }) };
                Some(Revision(revision))
            }
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(OpenError::File(error)),
        };
        Ok(Self { path, kept: Mutex::new(kept) })
    }

    /// The revision in the file, `None` when there is no file.
    pub(super) fn kept(&self) -> Option<Revision> {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the revision, unless it is there already.
    pub(super) fn keep(&self, revision: Revision) -> Result<(), FileError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none_or(|kept| kept < revision) {
            let text = format!("{}\n", revision.0);
            file::write(&self.path, text.as_bytes(), Access::Private, Existing::Replace)?;
            *kept = Some(revision);
        }
        Ok(())
    }
}
