//! Faults of the system under a server: a library in C (`tests/spec/faults.c`) that is built by the test, loaded before the
//! system's own, and controlled through a file that both map.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The library, built once for all tests of a run.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec/faults.c");
        let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.so", std::process::id()));
        let compiled = Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
            .args([built.as_path(), source.as_path()])
            .arg("-ldl")
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        built
    })
}

/// The faults of one server, which a restart keeps.
#[derive(Debug)]
pub(crate) struct Faults {
    control: File,
    path: PathBuf,
}

impl Faults {
    /// No fault yet, controlled by this file, which is made.
    pub(crate) fn new(path: PathBuf) -> Self {
        fs::write(&path, [0; 32]).unwrap();
        Self { control: File::options().read(true).write(true).open(&path).unwrap(), path }
    }

    /// The command of the shell that a server is started under.
    pub(crate) fn preload(&self) -> String {
        format!("export LD_PRELOAD='{}' GRANTD_TEST_FAULTS='{}'", library().display(), self.path.display())
    }

    fn set(&self, place: u64, value: i64) {
        self.control.write_all_at(&value.to_ne_bytes(), place * 8).unwrap();
    }

    /// The wall clock is off by so much.
    pub(crate) fn set_clock_off(&self, seconds: i64) {
        self.set(0, seconds);
    }

    /// Syncs of the database fail.
    pub(crate) fn fail_syncs(&self, fail: bool) {
        self.set(1, fail.into());
    }

    /// Writes of the database fail.
    pub(crate) fn fail_writes(&self, fail: bool) {
        self.set(2, fail.into());
    }

    /// How many steps are left until the server kills itself.
    pub(crate) fn steps_left(&self) -> i64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, 3 * 8).unwrap();
        i64::from_ne_bytes(bytes)
    }

    /// The server kills itself at this step from now on, counted from 1; 0 is never.
    pub(crate) fn kill_at(&self, step: i64) {
        self.set(3, step);
    }
}
