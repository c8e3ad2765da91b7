//! The data directory: whom it belongs to, and who may read what is in it.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::cli::{findings::Finding, output::shell_word};

/// Directories within it are not deeper than this.
const DEEPEST: usize = 4;

pub(super) fn check(data_dir: &Path) -> Vec<Finding> {
    const CHECK: &str = "data directory";
    let metadata = match fs::metadata(data_dir) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            return vec![Finding::fail(CHECK, format!("{} is no directory", data_dir.display()), "remove the file")];
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return vec![Finding::ok(CHECK, format!("{} is not there yet; the server makes it", data_dir.display()))];
        }
        Err(error) => {
            let message = format!("cannot look at {}: {error}", data_dir.display());
            return vec![Finding::fail(CHECK, message, "run this as the user that grantd runs as, or as root")];
        }
    };
    let mut open = Vec::new();
    let mut others = Vec::new();
    look_at(data_dir, metadata.uid(), DEEPEST, &mut open, &mut others);
    let mut findings = Vec::new();
    if metadata.permissions().mode() & 0o077 == 0 {
        findings.push(Finding::ok(CHECK, format!("{} is its owner's alone", data_dir.display())));
    } else {
        let message = format!("others may enter {} (mode {:04o})", data_dir.display(), metadata.mode() & 0o7777);
        findings.push(Finding::fail(CHECK, message, format!("chmod 700 {}", shell_word(data_dir))));
    }
    findings.extend(open.iter().map(|(path, mode)| {
        let message = format!("others may read or change {} (mode {mode:04o})", path.display());
        Finding::fail("file modes", message, format!("chmod 600 {}", shell_word(path)))
    }));
    findings.extend(others.iter().map(|path| {
        let message = format!("{} belongs to another user than the data directory", path.display());
        let remedy = format!("chown {}:{} {}", metadata.uid(), metadata.gid(), shell_word(path));
        Finding::fail("file owners", message, remedy)
    }));
    if open.is_empty() && others.is_empty() {
        findings.push(Finding::ok("file modes", "keys and database are their owner's alone"));
    }
    findings
}

/// Finds secret files that others may read, and files of other users.
fn look_at(directory: &Path, owner: u32, depth: usize, open: &mut Vec<(PathBuf, u32)>, others: &mut Vec<PathBuf>) {
    // What cannot be read is reported where it is needed.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else { continue };
        if metadata.uid() != owner {
            others.push(path.clone());
        }
        if metadata.is_dir() && depth > 0 {
            look_at(&path, owner, depth - 1, open, others);
        } else if metadata.is_file() && is_secret(&path) && metadata.permissions().mode() & 0o077 != 0 {
            open.push((path, metadata.permissions().mode() & 0o777));
        }
    }
}

/// Keys, and the database with its log. Certificates are not secret.
fn is_secret(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".key") || name.starts_with("grantd.db")
}
