//! Whether a router's certificate names a host, by the rules of routers (docs/protocol.md section 3.3).

use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

/// The names in a certificate that routers compare: every dNSName, then every common name of the subject. They ignore
/// every iPAddress.
pub(super) fn names<'a>(certificate: &'a X509Certificate<'_>) -> Vec<&'a str> {
    let alternatives = match certificate.subject_alternative_name() {
        Ok(Some(extension)) => extension.value.general_names.as_slice(),
        Ok(None) | Err(_) => &[],
    };
    let dns =
        alternatives.iter().filter_map(|name| if let GeneralName::DNSName(name) = name { Some(*name) } else { None });
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    dns.chain(common).filter(|name| !name.is_empty()).collect()
}

/// Whether a certificate's name covers `host`: label by label, in any case, where a `*` matches any part of one label.
/// An address is text like any other host.
pub(super) fn covers(pattern: &str, host: &str) -> bool {
    let (mut wanted, mut labels) = (pattern.split('.'), host.split('.'));
    loop {
        match (wanted.next(), labels.next()) {
            (None, None) => return true,
            (Some(wanted), Some(label)) if covers_label(wanted, label) => {}
            (Some(_), Some(_)) | (None, Some(_)) | (Some(_), None) => return false,
        }
    }
}

fn covers_label(wanted: &str, label: &str) -> bool {
    let Some((before, after)) = wanted.split_once('*') else { return wanted.eq_ignore_ascii_case(label) };
    // As bytes: a certificate may hold any text, and a cut by length could be inside a character.
    let (before, after, label) = (before.as_bytes(), after.as_bytes(), label.as_bytes());
    !label.is_empty()
        && label.len() >= before.len() + after.len()
        && label[..before.len()].eq_ignore_ascii_case(before)
        && label[label.len() - after.len()..].eq_ignore_ascii_case(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_compared_label_by_label() {
        for (pattern, host, covered) in [
            ("west.example.com", "west.example.com", true),
            ("West.EXAMPLE.com", "west.example.com", true),
            ("*.example.com", "west.example.com", true),
            ("west.*.com", "west.example.com", true),
            ("w*t.example.com", "west.example.com", true),
            ("*.example.com", "a.west.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*", "west", true),
            ("*", "west.example.com", false),
            ("ab*ba.com", "aba.com", false),
            ("west.example.com", "west.example.com.", false),
            ("10.1.1.1", "10.1.1.1", true),
            ("::1", "::1", true),
            ("", "west", false),
        ] {
            assert_eq!(covers(pattern, host), covered, "{pattern} for {host}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(pattern in ".{0,40}", host in ".{0,40}") {
            let _ = covers(&pattern, &host);
        }

        #[test]
        fn a_star_matches_within_one_label_wherever_it_is(
            labels in proptest::collection::vec("[a-z0-9]{1,9}", 1..6),
            starred in any::<prop::sample::Index>(),
            more in "[a-z0-9]{1,9}",
        ) {
            let host = labels.join(".");
            let mut pattern = labels.clone();
            pattern[starred.index(labels.len())] = "*".to_owned();
            let pattern = pattern.join(".");

            prop_assert!(covers(&host, &host) && covers(&host.to_ascii_uppercase(), &host));
            prop_assert!(covers(&pattern, &host));
            let (longer, longer_still) = (format!("{host}.{more}"), format!("{more}.{host}"));
            prop_assert!(!covers(&pattern, &longer) && !covers(&pattern, &longer_still));
        }

        #[test]
        fn without_a_star_only_the_name_itself_is_covered(pattern in "[a-c.]{1,5}", host in "[a-c.]{1,5}") {
            prop_assert_eq!(covers(&pattern, &host), pattern == host);
        }
    }
}
