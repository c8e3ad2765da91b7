//! `grantd backup create`: copies the database as it is at one moment, while the server runs or not.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use super::{
    Workplace,
    files::{self, DATABASE, SEALING_KEY},
    summary,
};
use crate::{
    archive::{self, Entry, EntryPath, Header},
    cli::{
        args::BackupCreateArgs,
        backup_error::BackupError,
        data_dir::DataDir,
        error::CliError,
        files::{check_file, existing},
        output::{Console, shell_word},
    },
    file, store,
    time::Clock,
};

pub(crate) async fn run(args: &BackupCreateArgs, data_dir: &Path, console: &mut Console<'_>) -> Result<(), CliError> {
    let existing = existing(args.force);
    check_file(&args.file, existing, "backup file name", "an older backup")?;
    refuse_other_database(data_dir)?;
    let database = data_dir.join(DATABASE);
    if !database.is_file() {
        return Err(CliError::Backup(BackupError::NoDatabase(data_dir.to_owned())));
    }
    let parent = args.file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if parent.to_str().is_none() {
        return Err(CliError::refused(
            format!("the database cannot be copied to {}: the name of the directory is not UTF-8", parent.display()),
            "write the backup to another directory, and move it then",
        ));
    }
    let workplace = Workplace::within(parent)?;
    let copy = workplace.path().join(DATABASE);
    let failed = |error| CliError::Backup(BackupError::Database(error));
    console.wait("the copy of the database", store::copy_database(&database, &copy)).await.map_err(failed)?;
    let found = store::check_database(&copy, &data_dir.join(SEALING_KEY)).await.map_err(failed)?;

    let header = header(data_dir, &copy)?;
    let backup = workplace.path().join("backup");
    let mut to = files::create(&backup).map_err(files::failed("write", &args.file))?;
    let open = |path: &EntryPath| {
        if path.as_str() == DATABASE { File::open(&copy) } else { File::open(data_dir.join(path.as_str())) }
    };
    archive::write(&mut to, &header, open)
        .map_err(|source| CliError::Backup(BackupError::Archive { file: args.file.clone(), source }))?;
    to.flush().map_err(files::failed("write", &args.file))?;
    file::move_into_place(&backup, &args.file, existing).map_err(CliError::Write)?;
    console.line(format_args!("Backup of {} written to {}", data_dir.display(), args.file.display()))?;
    console.line(format_args!("It was {}.", summary(&header, found)))?;
    console.note("\nIt is a secret: it holds the keys of this server. Check it with 'grantd backup verify'.");
    Ok(())
}

/// A backup is of one directory; a store in PostgreSQL is not in it.
fn refuse_other_database(data_dir: &Path) -> Result<(), CliError> {
    let noted = DataDir::database_url_of(data_dir);
    if !noted.exists() {
        return Ok(());
    }
    let url = file::read(&noted).map_err(CliError::Read)?;
    let url = String::from_utf8_lossy(&url);
    let url = url.trim();
    let message = format!("the store of {} is in {url}, and 'grantd backup' is for SQLite", data_dir.display());
    let hint = format!(
        "use 'pg_dump --format=custom --file=grantd.dump {}', and keep a copy of {} with it: the dump cannot be read \
         without {SEALING_KEY}",
        shell_word(Path::new(url)),
        data_dir.display()
    );
    Err(CliError::refused(message, hint))
}

/// The database's copy first, then the other files.
fn header(data_dir: &Path, copy: &Path) -> Result<Header, CliError> {
    let size = fs::metadata(copy).map_err(files::failed("look at", copy))?.len();
    let mut entries = files::beside_the_database(data_dir)?;
    let database: Option<EntryPath> = DATABASE.parse().ok();
    entries.splice(0..0, database.map(|path| Entry { path, size }));
    if !entries.iter().any(|entry| entry.path.as_str() == SEALING_KEY) {
        return Err(CliError::Backup(BackupError::Incomplete(SEALING_KEY)));
    }
    Ok(Header { created: Clock::system().now(), version: env!("CARGO_PKG_VERSION").to_owned(), entries })
}
