//! A token file from anywhere: read or refused, and what was read is written and read back the same.
#![no_main]

use grantd::link::AccessToken;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(token) = AccessToken::read(text) {
        let again = AccessToken::read(&token.write()).expect("what we write we read");
        assert_eq!(
            (again.name, again.url, again.ca, again.link_cost),
            (token.name, token.url, token.ca, token.link_cost)
        );
        assert!(again.code.is_same_as(&token.code));
    }
});
