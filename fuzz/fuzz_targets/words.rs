//! The parsers of single values that clients send: names, codes, windows, URLs, times.
#![no_main]

use grantd::{
    grant::{Code, ExpirationWindow, GrantId, LinkName, Namespace, Subject},
    link::{Host, Port, PublicUrl},
    time::Timestamp,
};
use libfuzzer_sys::fuzz_target;

fn survives<T: std::str::FromStr + std::fmt::Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let written = value.to_string();
        assert!(written.parse::<T>().is_ok(), "{written:?} is written but not read");
    }
}

fuzz_target!(|text: &str| {
    survives::<GrantId>(text);
    survives::<LinkName>(text);
    survives::<Namespace>(text);
    survives::<Subject>(text);
    survives::<ExpirationWindow>(text);
    survives::<Host>(text);
    survives::<Port>(text);
    survives::<PublicUrl>(text);
    survives::<Timestamp>(text);
    if let Ok(code) = text.parse::<Code>() {
        assert_eq!(code.expose(), text);
    }
});
