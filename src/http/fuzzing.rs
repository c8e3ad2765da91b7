//! Entry points for fuzzers, which can call public items only. Built with `--cfg fuzzing` only.

use super::request::{grant_id, link_name, subject};

/// Reads the parts of a redemption request as the redeem listener does.
pub fn request(path: &str, name: &[u8], wanted: &[u8]) {
    if let Some(id) = grant_id(path) {
        assert_eq!(grant_id(&format!("/{id}")), Some(id), "an id that is written is read");
    }
    if let Ok(Some(name)) = link_name([name]) {
        assert_eq!(link_name([name.as_str().as_bytes()]), Ok(Some(name)));
    }
    if let Ok(Some(wanted)) = subject([wanted]) {
        assert!(!wanted.as_str().chars().any(char::is_control));
    }
    assert!(link_name([name, name]).is_err() || name.is_empty(), "two names are none");
}
