//! Files that an operator writes: a configuration, and documents to apply.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    grantd::cli::fuzzing::configuration(text);
    grantd::cli::fuzzing::documents(text);
});
