//! The `grantd` program.

use std::process::ExitCode;

// Its settings are in `.cargo/config.toml`: it gives the memory of a burst back within seconds, which glibc's allocator does
// not (docs/measurements.md section 6).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    grantd::cli::keep_secrets_in();
    grantd::cli::run(std::env::args_os())
}
