//! What the process forbids itself before it touches a secret.

use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, setrlimit, umask},
};

/// New files are the owner's alone, and a crash writes no memory to the disk.
pub fn keep_secrets_in() {
    umask(Mode::from_raw_mode(0o077));
    // Lowering a limit of one's own cannot be refused; if it were, there is nothing better to do than to go on.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}
