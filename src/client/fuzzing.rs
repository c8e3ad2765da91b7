//! Entry points for fuzzers, which reach public items only, and for property tests. Not part of the program.

use hyper::StatusCode;

use super::{
    admin::lines::LineBuffer,
    admin_error::Status,
    router_name::{covers, names},
    router_trust::client_config,
};
use crate::link::{Host, TlsSecret};

/// Reads an answer of the admin API: as lines that come in pieces, and as a refusal.
pub fn answer(bytes: &[u8]) {
    const LIMIT: usize = 64 * 1024;
    let (size, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let (mut buffer, mut lines) = (LineBuffer::new(LIMIT), Vec::new());
    for chunk in bytes.chunks(usize::from(*size) + 1) {
        buffer.push(chunk);
        while let Ok(Some(line)) = buffer.take() {
            lines.push(line.to_vec());
        }
    }
    let mut whole: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    whole.pop();
    assert!(bytes.len() > LIMIT || lines == whole, "cuts make no difference");

    let refusal = Status::read(StatusCode::CONFLICT, bytes);
    assert_eq!(refusal.code, 409, "the code is that of the answer");
    let _ = refusal.to_string();
    if let Ok(event) = serde_json::from_slice(bytes) {
        let _ = Status::of_event(&event);
    }
    if let Ok((_, certificate)) = x509_parser::parse_x509_certificate(bytes) {
        let _ = names(&certificate);
    }
    let text = String::from_utf8_lossy(bytes);
    let (pattern, host) = text.split_once('\n').unwrap_or((&text, &text));
    let _ = covers(pattern, host);
    assert!(pattern.contains('*') || covers(pattern, pattern), "a name covers itself");
}

/// Takes credentials for a link as a router does, whatever they hold.
pub fn credentials(secret: &TlsSecret, host: &Host) {
    let _ = client_config(secret, host);
    for pem in x509_parser::pem::Pem::iter_from_buffer(secret.certificate_pem.as_bytes()).flatten() {
        if let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&pem.contents) {
            let _ = names(&certificate).into_iter().filter(|name| covers(name, host.as_str())).count();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_answer_panics(
            size in any::<u8>(), text in "\\{\"kind\":\"Status\",\"(code|reason|message|details)\":.{0,20}\\}|(.{0,9}\n){0,9}"
        ) {
            answer(&[&[size], text.as_bytes()].concat());
        }
    }
}
