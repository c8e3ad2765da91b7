//! The URL of a database, from a command line, a variable or a file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| grantd::cli::fuzzing::database_url(text));
