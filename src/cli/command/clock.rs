//! `grantd clock accept`: writes the present time where the server keeps the latest one that it has seen.

use std::{fs, io::Write as _, path::Path};

use crate::{
    app::{clock_mark_text, read_clock_mark},
    cli::{data_dir::DataDir, error::CliError, output::Console},
    file::FileError,
    time::{Clock, Timestamp},
};

pub(crate) fn run(data_dir: &Path, console: &mut Console<'_>) -> Result<(), CliError> {
    let file = DataDir::clock_mark_of(data_dir);
    let now = Clock::system().now();
    // A file that holds no time is what this command is for, too.
    let before = read_clock_mark(&file).ok().flatten();
    write_in_place(&file, now)?;
    match before {
        Some(latest) if latest > now => {
            console.line(format_args!("The latest time that the server had seen was {latest}; now it is {now}."))?;
        }
        Some(_) | None => {
            console.line(format_args!("The clock shows {now}, which is not before what the server has seen."))?;
        }
    }
    Ok(())
}

/// Not by a new file, which would belong to the user of this command: the server could not read it.
fn write_in_place(path: &Path, now: Timestamp) -> Result<(), CliError> {
    let write = || {
        let mut file = fs::File::options().write(true).truncate(true).open(path)?;
        file.write_all(clock_mark_text(now).as_bytes())?;
        file.sync_all()
    };
    let failed = |source: std::io::Error| {
        if source.kind() == std::io::ErrorKind::NotFound {
            let message = format!("{} does not exist: no server has kept a time there", path.display());
            CliError::refused(message, "name the server's data directory with --data-dir")
        } else {
            CliError::Write(FileError { action: "write", path: path.to_owned(), source })
        }
    };
    write().map_err(failed)
}
