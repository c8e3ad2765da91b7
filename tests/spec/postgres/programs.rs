//! PostgreSQL's own programs, and the account that may run its server.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Where Debian's packages have their programs, a directory for each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The deadline of every program that is waited for, in seconds.
const PATIENCE: &str = "120";

/// The programs of the newest version that is installed. Missing ones are a failure: a test that is skipped tests nothing.
pub(crate) fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
        let entries = fs::read_dir(VERSIONS).into_iter().flatten().flatten().map(|entry| entry.path());
        let complete = entries.filter(|path| path.join("bin/initdb").exists() && path.join("bin/psql").exists());
        let newest = complete.max_by_key(|path| version(path));
        newest.expect("PostgreSQL's programs are missing: install the package postgresql").join("bin")
    })
}

/// A command that runs a program of PostgreSQL with no variable of the caller's environment except PATH.
pub(crate) fn program(name: &str) -> Command {
    bare(directory().join(name).as_os_str())
}

/// The same for a program that is waited for, which has a deadline.
pub(crate) fn bounded(name: &str) -> Command {
    let mut command = bare("timeout".as_ref());
    command.arg(PATIENCE).arg(directory().join(name));
    command
}

fn bare(program: &OsStr) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir("/").stdin(Stdio::null());
    command
}

/// Runs a command that must succeed, and gives what it printed.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The account that runs the server, as PostgreSQL refuses to be run by root.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Account {
    /// That of this process.
    Own,
    /// `postgres`, when this process is root's.
    Other {
        /// The number of the user.
        uid: u32,
        /// The number of its group.
        gid: u32,
    },
}

impl Account {
    /// The account for this process.
    pub(crate) fn of_the_server() -> Self {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            return Self::Own;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let line = users.lines().find(|line| line.starts_with("postgres:"));
        let line = line.expect("the user postgres is missing: install the package postgresql");
        let number = |field: usize| line.split(':').nth(field).unwrap().parse().unwrap();
        Self::Other { uid: number(2), gid: number(3) }
    }

    /// Gives a file to the account.
    pub(crate) fn own(self, path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        match self {
            Self::Own => {}
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid)).unwrap(),
        }
    }

    /// Lets the account run a command.
    pub(crate) fn as_user(self, command: &mut Command) -> &mut Command {
        match self {
            Self::Own => command,
            Self::Other { uid, gid } => command.uid(uid).gid(gid),
        }
    }
}
