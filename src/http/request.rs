//! Parses the path and headers of a redemption request into types of `grant`. Pure.

use hyper::{HeaderMap, Version, header::TRANSFER_ENCODING};

use crate::{
    grant::{GrantId, LinkName, NameError, PresentedCode, Subject, SubjectError},
    net::has_one_host,
};

/// Why a request is refused before it reaches the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RequestFault {
    /// Not HTTP, or a header section over a limit; hyper has answered 400 or 431 by itself.
    Malformed,
    /// `Host` is missing, there twice, or no host.
    Host,
    /// The body is encoded in a way that is unknown here.
    TransferCoding,
    /// Not POST.
    Method,
    /// The body broke off, or its framing is wrong.
    BodyUnreadable,
    /// The body is longer than any code.
    BodyTooLarge,
    /// It did not arrive in time.
    TooSlow,
    /// The path is not one UUID.
    Path,
    /// A header breaks a rule.
    Header(HeaderFault),
}

/// Which rule a header breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// `name` is there more than once.
    NameRepeated,
    /// `name` cannot name a Secret and Links.
    Name(NameError),
    /// `subject` is there more than once.
    SubjectRepeated,
    /// `subject` cannot be a subject.
    Subject(SubjectError),
    /// A certificate request comes without the code, or with more than one.
    Authorization,
}

/// Checks what HTTP/1.1 asks of every request, and what the HTTP library does not check: one well-formed `Host` (RFC 9112
/// 3.2) and no transfer coding but `chunked` (RFC 9112 6.1). Such a request may have been meant for another server, or be
/// read in another way by a proxy on its way.
pub(super) fn check_head(version: Version, headers: &HeaderMap) -> Result<(), RequestFault> {
    if !has_one_host(version, headers) {
        return Err(RequestFault::Host);
    }
    let codings = headers.get_all(TRANSFER_ENCODING).iter();
    let codings: Vec<&[u8]> =
        codings.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).collect();
    match codings[..] {
        [] => Ok(()),
        [one] if one.eq_ignore_ascii_case(b"chunked") => Ok(()),
        // Never more than once (RFC 9112 7.1).
        _ if codings.iter().all(|coding| coding.eq_ignore_ascii_case(b"chunked")) => Err(RequestFault::BodyUnreadable),
        _ => Err(RequestFault::TransferCoding),
    }
}

/// The grant that a path names: one segment that is a UUID in any case, and at most one slash after it.
///
/// Nothing is percent-decoded. No client encodes a UUID, and a grant has one spelling: what is refused here is never
/// looked up.
pub(super) fn grant_id(path: &str) -> Option<GrantId> {
    let segment = path.strip_prefix('/')?;
    segment.strip_suffix('/').unwrap_or(segment).parse().ok()
}

/// The link name that the values of the `name` headers give; `None` when there is none or it is empty.
pub(super) fn link_name<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<LinkName>, HeaderFault> {
    let Some(value) = single(values, HeaderFault::NameRepeated)? else { return Ok(None) };
    let text = str::from_utf8(value).map_err(|_| HeaderFault::Name(NameError::NotASubdomain))?;
    text.parse().map(Some).map_err(HeaderFault::Name)
}

/// The subject that the values of the `subject` headers give; `None` when there is none or it is empty.
pub(super) fn subject<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<Subject>, HeaderFault> {
    let Some(value) = single(values, HeaderFault::SubjectRepeated)? else { return Ok(None) };
    let text = str::from_utf8(value).map_err(|_| HeaderFault::Subject(SubjectError::NotUtf8))?;
    text.parse().map(Some).map_err(HeaderFault::Subject)
}

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The code. Skupper's clients send no content type, and others send any.
    Code,
    /// A request for a certificate, PKCS#10 in DER (RFC 5967); the code is in the header `authorization`.
    CertificateRequest,
}

/// What the values of the `content-type` headers make of the body. Parameters mean nothing.
pub(super) fn form<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Form {
    let is_request = |value: &[u8]| {
        let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
        media_type.trim_ascii().eq_ignore_ascii_case(b"application/pkcs10")
    };
    if values.into_iter().any(is_request) { Form::CertificateRequest } else { Form::Code }
}

/// The code that the values of the `authorization` headers give, as a bearer token (RFC 6750 section 2.1).
pub(super) fn bearer<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<PresentedCode, HeaderFault> {
    let mut values = values.into_iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(HeaderFault::Authorization) };
    let scheme = value.split_at_checked(b"bearer ".len()).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    let (_, code) = scheme.ok_or(HeaderFault::Authorization)?;
    Ok(PresentedCode::new(code.trim_ascii().to_vec()))
}

/// The one value; `None` when there is none or it is empty. Two values would leave it open what the certificate is for.
fn single<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
    repeated: HeaderFault,
) -> Result<Option<&'a [u8]>, HeaderFault> {
    let mut values = values.into_iter();
    let first = values.next();
    match values.next() {
        Some(_) => Err(repeated),
        None => Ok(first.filter(|value| !value.is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::grant::Code;

    const ID: &str = "87426fa9-5623-49af-a612-47d33b7a4200";

    #[test]
    fn a_path_is_one_uuid_and_perhaps_a_slash() {
        for path in [format!("/{ID}"), format!("/{ID}/"), format!("/{}", ID.to_uppercase())] {
            assert_eq!(grant_id(&path).unwrap().to_string(), ID, "{path}");
        }
        for path in [
            String::new(),
            "/".to_owned(),
            "*".to_owned(),
            ID.to_owned(),
            format!("//{ID}"),
            format!("/{ID}//"),
            format!("/a/{ID}"),
            format!("/{ID}/a"),
            format!("/{}", ID.replace('-', "")),
            format!("/{}", ID.replace('-', "%2D")),
            format!("/%7B{ID}%7D"),
            format!("/{ID}%2F"),
        ] {
            assert_eq!(grant_id(&path), None, "{path}");
        }
    }

    /// The fault of a request with these headers.
    fn fault(version: Version, lines: &[(&'static str, &'static str)]) -> Option<RequestFault> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        check_head(version, &headers).err()
    }

    #[test]
    fn there_is_one_host_and_it_is_well_formed() {
        for host in ["a", "grants.example.com:9090", "127.0.0.1:9090", "[2001:db8::1]:9090", "[::1]", "a:"] {
            assert_eq!(fault(Version::HTTP_11, &[("host", host)]), None, "{host}");
        }
        for host in ["", "a b", "user@a", "a/b", "a:b", "a:99999", "a:+1", "[::1", "::1", "http://a"] {
            assert_eq!(fault(Version::HTTP_11, &[("host", host)]), Some(RequestFault::Host), "{host}");
        }
        assert_eq!(fault(Version::HTTP_11, &[]), Some(RequestFault::Host));
        assert_eq!(fault(Version::HTTP_11, &[("host", "a"), ("host", "a")]), Some(RequestFault::Host));
        assert_eq!(fault(Version::HTTP_10, &[]), None);
        assert_eq!(fault(Version::HTTP_10, &[("host", "a b")]), Some(RequestFault::Host));
    }

    #[test]
    fn chunked_is_the_one_transfer_coding() {
        let fault = |lines: &[&'static str]| {
            let codings = lines.iter().map(|line| ("transfer-encoding", *line));
            fault(Version::HTTP_11, &[("host", "a")].into_iter().chain(codings).collect::<Vec<_>>())
        };
        assert_eq!(fault(&["Chunked"]), None);
        for lines in [&["gzip, chunked"][..], &["gzip", "chunked"], &["identity, chunked"], &["chunked;a=b"], &["x"]] {
            assert_eq!(fault(lines), Some(RequestFault::TransferCoding), "{lines:?}");
        }
        assert_eq!(fault(&["chunked, chunked"]), Some(RequestFault::BodyUnreadable));
    }

    #[test]
    fn an_absent_or_empty_header_says_nothing() {
        assert_eq!(link_name([]), Ok(None));
        assert_eq!(link_name([b"".as_slice()]), Ok(None));
        assert_eq!(subject([]), Ok(None));
        assert_eq!(subject([b"".as_slice()]), Ok(None));
    }

    #[test]
    fn a_header_said_twice_is_refused_even_when_both_say_the_same() {
        assert_eq!(link_name([b"a".as_slice(), b"a"]), Err(HeaderFault::NameRepeated));
        assert_eq!(subject([b"".as_slice(), b"a"]), Err(HeaderFault::SubjectRepeated));
    }

    #[test]
    fn only_the_media_type_of_pkcs10_is_a_certificate_request() {
        for text in ["application/pkcs10", "Application/PKCS10 ; charset=binary"] {
            assert_eq!(form([text.as_bytes()]), Form::CertificateRequest, "{text}");
        }
        for text in
            ["", "application/pkcs10x", "text/plain", "application/x-www-form-urlencoded", "text/application/pkcs10"]
        {
            assert_eq!(form([text.as_bytes()]), Form::Code, "{text}");
        }
        assert_eq!(form([]), Form::Code);
    }

    #[test]
    fn the_code_of_a_certificate_request_is_one_bearer_token() {
        let code: Code = "secret".parse().unwrap();
        for text in ["Bearer secret", "bearer  secret ", "BEARER secret"] {
            assert!(code.matches(&bearer([text.as_bytes()]).unwrap()), "{text}");
        }
        assert!(!code.matches(&bearer([b"Bearer other".as_slice()]).unwrap()));
        for texts in [&[][..], &["Basic c2VjcmV0"], &["Bearer"], &["secret"], &["Bearer secret", "Bearer secret"]] {
            let refused = bearer(texts.iter().map(|text| text.as_bytes()));
            assert_eq!(refused.err(), Some(HeaderFault::Authorization), "{texts:?}");
        }
    }

    #[test]
    fn a_subject_may_be_written_in_any_script() {
        assert_eq!(subject(["Köln".as_bytes()]).unwrap().unwrap().as_str(), "Köln");
        assert_eq!(subject([b"K\xf6ln".as_slice()]), Err(HeaderFault::Subject(SubjectError::NotUtf8)));
        assert_eq!(link_name(["köln".as_bytes()]), Err(HeaderFault::Name(NameError::NotASubdomain)));
        assert_eq!(link_name([b"K\xf6ln".as_slice()]), Err(HeaderFault::Name(NameError::NotASubdomain)));
    }

    proptest! {
        #[test]
        fn no_path_panics_and_only_uuids_are_grants(path in "/?(/|%2F|[-0-9a-fA-F]{36}|[^/]{0,40}){0,3}") {
            if let Some(id) = grant_id(&path) {
                prop_assert!(path.trim_matches('/').eq_ignore_ascii_case(&id.to_string()));
            }
        }

        #[test]
        fn no_header_panics_and_what_is_taken_is_what_was_sent(value in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Some(name)) = link_name([value.as_slice()]) {
                prop_assert_eq!(name.as_str().as_bytes(), value.as_slice());
            }
            if let Ok(Some(subject)) = subject([value.as_slice()]) {
                prop_assert_eq!(subject.as_str().as_bytes(), value.as_slice());
            }
        }
    }
}
