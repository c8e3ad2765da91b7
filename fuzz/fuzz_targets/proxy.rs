//! The header with which a load balancer begins a connection.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    grantd::net::fuzzing::proxy_header(stream);
});
