//! Objects of every type: what is read is shown as it was written, in each version of its type and as a table.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    grantd::kube::fuzzing::objects(bytes);
});
