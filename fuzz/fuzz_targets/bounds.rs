//! Long bodies of small values: what they become in memory.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| grantd::kube::fuzzing::bounds(bytes));
