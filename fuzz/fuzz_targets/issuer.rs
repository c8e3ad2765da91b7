//! Certificates and keys from untrusted files: a real CA with some bytes changed.
#![no_main]

use std::sync::OnceLock;

use grantd::{
    pki::{CaKeyType, Issuer, SelfMadeCa, make_ca},
    time::Timestamp,
};
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_800_000_000;

fn ca() -> &'static SelfMadeCa {
    static CA: OnceLock<SelfMadeCa> = OnceLock::new();
    CA.get_or_init(|| {
        make_ca("fuzz site CA", CaKeyType::EcdsaP256, Timestamp::from_unix_seconds(NOW)).expect("a CA is made")
    })
}

fuzz_target!(|changes: Vec<(bool, u16, u8)>| {
    let mut certificate = ca().certificate_pem.clone().into_bytes();
    let mut key = ca().key.expose().as_bytes().to_vec();
    for (in_key, place, byte) in &changes {
        let file = if *in_key { &mut key } else { &mut certificate };
        let place = usize::from(*place) % file.len();
        file[place] = *byte;
    }
    let now = Timestamp::from_unix_seconds(NOW);
    if let Ok(issuer) = Issuer::from_pem(&certificate, &key, now) {
        // What was loaded is handed out as it is.
        assert_eq!(issuer.ca_pem().as_bytes(), certificate);
    }
});
