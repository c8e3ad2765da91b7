//! The host: its clock and the free space of its disk.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use crate::{
    app::{ClockBehind, ClockMarkError, chain, read_clock_mark},
    cli::{config::ServeConfig, data_dir::DataDir, findings::Finding},
    file,
    time::Timestamp,
};

/// A file is not written in the future; a difference of seconds comes from file systems on other hosts.
const TOLERATED_SECONDS: i64 = 60;
const MIB: u64 = 1024 * 1024;

pub(super) fn check(config: &ServeConfig, now: Timestamp) -> Vec<Finding> {
    vec![clock(&config.data_dir, now), disk(&config.data_dir, config.disk_reserve)]
}

fn clock(data_dir: &Path, now: Timestamp) -> Finding {
    const CHECK: &str = "clock";
    match read_clock_mark(&DataDir::clock_mark_of(data_dir)) {
        Ok(latest) => {
            if let Err(behind) = ClockBehind::check(now, latest.unwrap_or(now)) {
                let message = format!("it shows {now}, and the server has seen {}; it redeems nothing", behind.latest);
                return Finding::fail(CHECK, message, "set the clock, or run 'grantd clock accept' if it is right now");
            }
        }
        Err(fault @ ClockMarkError::File(_)) => {
            return Finding::fail(CHECK, chain(&fault), "run this as the user that grantd runs as");
        }
        Err(ClockMarkError::Malformed(file)) => {
            let message = format!("{} holds no time, so the server does not start", file.display());
            return Finding::fail(CHECK, message, "run 'grantd clock accept' when the clock is right");
        }
    }
    let database = DataDir::at(data_dir).database();
    let log = database.with_extension("db-wal");
    let written =
        [&database, &log].into_iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.mtime()).max();
    match written.filter(|written| *written > now.unix_seconds() + TOLERATED_SECONDS) {
        None => Finding::ok(CHECK, now.to_string()),
        Some(written) => Finding::fail(
            CHECK,
            format!("it shows {now}, and the database was written at {}", Timestamp::from_unix_seconds(written)),
            "set the clock, and run a time service (chrony, systemd-timesyncd)",
        ),
    }
}

fn disk(data_dir: &Path, reserve: u64) -> Finding {
    const CHECK: &str = "disk";
    let there = data_dir.ancestors().find(|path| path.exists() && !path.as_os_str().is_empty());
    let free = match file::free_bytes(there.unwrap_or(Path::new("."))) {
        Ok(free) => free,
        Err(fault) => return Finding::fail(CHECK, chain(&fault), "see that the file system is mounted"),
    };
    let message = format!("{} MiB are free; {} MiB are kept for redemptions", free / MIB, reserve / MIB);
    let remedy = "free some space on the file system of the data directory";
    if free < reserve {
        Finding::fail(CHECK, format!("{message}, and nothing else is written"), remedy)
    } else if free < reserve.saturating_mul(4) {
        Finding::warn(CHECK, message, remedy)
    } else {
        Finding::ok(CHECK, message)
    }
}
