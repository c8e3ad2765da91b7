//! `grantd backup restore`: puts a backup into a data directory, and ends the time of the grants that could be redeemed again.

use std::{fs, path::Path};

use super::{
    Workplace, extract,
    files::{self, DATABASE, SEALING_KEY},
    summary,
};
use crate::{
    cli::{args::BackupRestoreArgs, backup_error::BackupError, data_dir::DataDir, error::CliError, output::Console},
    store::{self, StoreLock},
    time::{Clock, Timestamp},
};

/// What stays where it is: the lock, which this command holds, and what a file system has of its own.
const STAYS: [&str; 2] = ["grantd.lock", "lost+found"];

pub(crate) async fn run(args: &BackupRestoreArgs, data_dir: &Path, console: &mut Console<'_>) -> Result<(), CliError> {
    let now = Clock::system().now();
    let directory = DataDir::open(data_dir).map_err(CliError::Write)?;
    let there = in_the_way(data_dir)?;
    if !there.is_empty() && !args.force {
        let message = format!("{} is not empty", data_dir.display());
        let hint = "restore into another directory (--data-dir), or with --force, which moves aside what is there";
        return Err(CliError::refused(message, hint));
    }
    let _lock = StoreLock::take(&directory.lock()).map_err(|error| CliError::Backup(BackupError::Served(error)))?;
    let workplace = Workplace::within(data_dir)?;
    let (header, found) = extract(&args.file, workplace.path()).await?;
    let expired = store::expire_open_grants(&workplace.path().join(DATABASE), now).await;
    let expired = expired.map_err(|error| CliError::Backup(BackupError::Database(error)))?;

    let aside = set_aside(data_dir, there, now)?;
    move_in(workplace.path(), data_dir)?;
    console.line(format_args!("Restored {}, {}.", data_dir.display(), summary(&header, found)))?;
    if let Some(aside) = aside {
        console.line(format_args!("What was there before is in {aside}."))?;
    }
    console.line(format_args!(
        "{expired} open grants have been expired: whether they were redeemed after the backup was made is not known. Make \
         new ones where they are needed."
    ))?;
    Ok(())
}

/// The names in the data directory that a restored file could have.
fn in_the_way(data_dir: &Path) -> Result<Vec<String>, CliError> {
    let names = files::names(data_dir)?.into_iter();
    Ok(names.filter(|name| !STAYS.contains(&name.as_str()) && !name.starts_with(files::BEFORE_RESTORE)).collect())
}

/// Moves what is there into a directory of its own; answers its name.
fn set_aside(data_dir: &Path, there: Vec<String>, now: Timestamp) -> Result<Option<String>, CliError> {
    if there.is_empty() {
        return Ok(None);
    }
    let name = format!("{}{now}", files::BEFORE_RESTORE).replace(':', "");
    let aside = data_dir.join(&name);
    fs::create_dir(&aside).map_err(files::failed("create", &aside))?;
    for name in there {
        let from = data_dir.join(&name);
        fs::rename(&from, aside.join(&name)).map_err(files::failed("move", &from))?;
    }
    files::sync_directory(data_dir)?;
    Ok(Some(name))
}

/// Moves the extracted files to their places: the database first and its key last, so that a server does not start on a part
/// of them.
fn move_in(from: &Path, data_dir: &Path) -> Result<(), CliError> {
    let mut names = files::names(from)?;
    names.sort_by_key(|name| (name != DATABASE, name == SEALING_KEY));
    for name in names {
        let path = from.join(&name);
        fs::rename(&path, data_dir.join(&name)).map_err(files::failed("move", &path))?;
        files::sync_directory(data_dir)?;
    }
    Ok(())
}
