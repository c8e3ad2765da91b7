//! The header of the PROXY protocol, versions 1 and 2, by which a load balancer says for whom it opens a connection:
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. Pure: bytes in, decision out.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// The longest header that is read, in bytes: in version 2 the 16 that each has, and 520 for addresses and extensions.
pub(super) const LONGEST: usize = 536;
/// The longest line of version 1, with its end (section 2.1).
const LONGEST_LINE: usize = 107;
/// Every header has this many bytes at least: the shortest is a line `PROXY UNKNOWN`.
const SHORTEST: usize = 15;
const LINE: &[u8] = b"PROXY ";
const LINE_END: &[u8] = b"\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The part of version 2 that says how long the rest is.
const FIXED: usize = 16;

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The load balancer's own (a health check), or one for which it gives no address.
    Proxy,
    /// A client at this address.
    Client(SocketAddr),
}

/// What the bytes are that were read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// The beginning of a header, to which at least this many bytes more belong. Whoever reads no more than these never reads
    /// a byte of what comes after the header.
    Partial(usize),
    /// A complete header.
    Complete(Origin),
}

/// Why the bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    /// They begin as neither version does.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// It is longer than [`LONGEST`], or than a line of version 1 may be.
    #[error("the PROXY header is too long")]
    TooLong,
    /// Neither of the two commands of version 2.
    #[error("the PROXY header has an unknown version or command")]
    Command,
    /// Not a protocol over TCP.
    #[error("the PROXY header is for another protocol than TCP")]
    Protocol,
    /// The addresses are not those of the protocol that it names.
    #[error("the PROXY header has malformed addresses")]
    Addresses,
}

/// Reads a header from `bytes`, all that was received so far: no more than the header, see [`Header::Partial`].
///
/// # Errors
/// [`HeaderError`], as soon as the bytes show it.
pub(super) fn parse(bytes: &[u8]) -> Result<Header, HeaderError> {
    let may_begin = |with: &[u8]| bytes.iter().zip(with).all(|(byte, wanted)| byte == wanted);
    if !may_begin(LINE) && !may_begin(SIGNATURE) {
        return Err(HeaderError::Missing);
    }
    match bytes.len() {
        short @ ..SHORTEST => Ok(Header::Partial(SHORTEST - short)),
        _ if may_begin(LINE) => version_1(bytes),
        _ => version_2(bytes),
    }
}

fn version_2(bytes: &[u8]) -> Result<Header, HeaderError> {
    let Some((&[.., version_and_command, protocol, high, low], rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(Header::Partial(FIXED - bytes.len()));
    };
    if !matches!(version_and_command, 0x20 | 0x21) {
        return Err(HeaderError::Command);
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > LONGEST {
        return Err(HeaderError::TooLong);
    }
    if rest.len() < length {
        return Ok(Header::Partial(length - rest.len()));
    }
    let origin = if version_and_command == 0x20 { Origin::Proxy } else { addresses(protocol, rest)? };
    Ok(Header::Complete(origin))
}

fn addresses(protocol: u8, rest: &[u8]) -> Result<Origin, HeaderError> {
    match protocol {
        // No address is given, or those of Unix sockets.
        0x00 | 0x31 => Ok(Origin::Proxy),
        // Source, destination, and their ports.
        0x11 => match *rest {
            [a, b, c, d, _, _, _, _, high, low, _, _, ..] => Ok(client(Ipv4Addr::new(a, b, c, d), [high, low])),
            _ => Err(HeaderError::Addresses),
        },
        0x21 => match (rest.first_chunk::<16>(), rest.get(32..36)) {
            (Some(address), Some(&[high, low, _, _])) => Ok(client(Ipv6Addr::from(*address), [high, low])),
            _ => Err(HeaderError::Addresses),
        },
        _ => Err(HeaderError::Protocol),
    }
}

fn client(address: impl Into<IpAddr>, port: [u8; 2]) -> Origin {
    Origin::Client(SocketAddr::new(address.into(), u16::from_be_bytes(port)))
}

fn version_1(bytes: &[u8]) -> Result<Header, HeaderError> {
    let Some(line) = bytes.strip_suffix(LINE_END) else {
        let missing = if bytes.ends_with(b"\r") { 1 } else { LINE_END.len() };
        let whole = bytes.len() + missing <= LONGEST_LINE;
        return if whole { Ok(Header::Partial(missing)) } else { Err(HeaderError::TooLong) };
    };
    let line = str::from_utf8(line).map_err(|_| HeaderError::Addresses)?;
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    let client = match words[..] {
        // What follows is not to be looked at (section 2.1).
        ["UNKNOWN", ..] => return Ok(Header::Complete(Origin::Proxy)),
        ["TCP4", source, destination, port, other_port] => ends::<Ipv4Addr>([source, destination], [port, other_port]),
        ["TCP6", source, destination, port, other_port] => ends::<Ipv6Addr>([source, destination], [port, other_port]),
        ["TCP4" | "TCP6", ..] => None,
        _ => return Err(HeaderError::Protocol),
    };
    client.map(|client| Header::Complete(Origin::Client(client))).ok_or(HeaderError::Addresses)
}

/// The source, if both ends are well-formed.
fn ends<A: FromStr + Into<IpAddr>>(addresses: [&str; 2], ports: [&str; 2]) -> Option<SocketAddr> {
    let [source, _] = [addresses[0].parse::<A>().ok()?, addresses[1].parse::<A>().ok()?];
    let [port, _] = [number(ports[0])?, number(ports[1])?];
    Some(SocketAddr::new(source.into(), port))
}

/// A port in decimal digits, without a sign or zeros before it (section 2.1).
fn number(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads as the listener does: never more than is missing. Returns how much was read.
    fn read(stream: &[u8]) -> (Result<Option<Origin>, HeaderError>, usize) {
        let mut end = 0;
        loop {
            match parse(&stream[..end]) {
                Ok(Header::Partial(missing)) if end + missing <= stream.len() => {
                    assert!(missing > 0);
                    end += missing;
                }
                Ok(Header::Partial(_)) => return (Ok(None), end),
                Ok(Header::Complete(origin)) => return (Ok(Some(origin)), end),
                Err(error) => return (Err(error), end),
            }
        }
    }

    fn version_2(command: u8, protocol: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, protocol], &length, rest].concat()
    }

    fn client(text: &str) -> Result<Option<Origin>, HeaderError> {
        Ok(Some(Origin::Client(text.parse().unwrap())))
    }

    #[test]
    fn a_line_names_the_client() {
        for (line, wanted) in [
            ("PROXY TCP4 192.0.2.7 198.51.100.1 40000 9090\r\n", client("192.0.2.7:40000")),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 0 1\r\n", client("1.1.1.1:0")),
            ("PROXY TCP6 2001:db8::7 ::1 65535 9090\r\n", client("[2001:db8::7]:65535")),
            ("PROXY UNKNOWN\r\n", Ok(Some(Origin::Proxy))),
            ("PROXY UNKNOWN ffff::1 any thing 1\r\n", Ok(Some(Origin::Proxy))),
        ] {
            let stream = format!("{line}\x16\x03\x01");
            assert_eq!(read(stream.as_bytes()), (wanted, line.len()), "{line}");
        }
    }

    #[test]
    fn a_line_is_taken_to_the_letter() {
        for line in [
            "PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 40000 9090 1\r\n",
            "PROXY TCP4 192.0.2.7  198.51.100.1 40000 9090\r\n",
            "PROXY TCP4 192.0.2.07 198.51.100.1 40000 9090\r\n",
            "PROXY TCP4 2001:db8::7 ::1 40000 9090\r\n",
            "PROXY TCP6 192.0.2.7 198.51.100.1 40000 9090\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 65536 9090\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 +1 9090\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 01 9090\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 1 9090 \r\n",
            "PROXY TCP4 \u{e4} 198.51.100.1 1 9090\r\n",
        ] {
            assert_eq!(read(line.as_bytes()).0, Err(HeaderError::Addresses), "{line}");
        }
        assert_eq!(read(b"PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n").0, Err(HeaderError::Protocol));
        assert_eq!(read(b"PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n").0, Err(HeaderError::Protocol));
    }

    #[test]
    fn the_binary_form_names_the_client_and_its_extensions_are_skipped() {
        let ipv4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 0x23, 0x82];
        let mut ipv6 = [0; 36];
        ipv6[..2].copy_from_slice(&[0x20, 0x01]);
        ipv6[15] = 7;
        ipv6[32..34].copy_from_slice(&[0x9c, 0x40]);
        for (header, wanted) in [
            (version_2(0x21, 0x11, &ipv4), client("192.0.2.7:40000")),
            (version_2(0x21, 0x11, &[&ipv4[..], &[4, 1, 0xf4], &[0; 500]].concat()), client("192.0.2.7:40000")),
            (version_2(0x21, 0x21, &ipv6), client("[2001::7]:40000")),
            (version_2(0x21, 0x00, &[]), Ok(Some(Origin::Proxy))),
            (version_2(0x21, 0x31, &[0; 216]), Ok(Some(Origin::Proxy))),
            (version_2(0x20, 0x11, &ipv4), Ok(Some(Origin::Proxy))),
            (version_2(0x20, 0x00, &[1, 2, 3]), Ok(Some(Origin::Proxy))),
            (version_2(0x21, 0x11, &ipv4[..11]), Err(HeaderError::Addresses)),
            (version_2(0x21, 0x21, &ipv6[..35]), Err(HeaderError::Addresses)),
            (version_2(0x21, 0x12, &ipv4), Err(HeaderError::Protocol)),
        ] {
            let stream = [&header[..], b"\x16\x03\x01"].concat();
            assert_eq!(read(&stream), (wanted, header.len()), "{header:?}");
        }
        for command in [0x00, 0x11, 0x22, 0x31] {
            assert_eq!(read(&version_2(command, 0x11, &ipv4)), (Err(HeaderError::Command), FIXED));
        }
    }

    #[test]
    fn a_header_that_is_too_long_is_not_read_to_its_end() {
        assert_eq!(read(&version_2(0x21, 0x00, &[0; LONGEST - FIXED])), (Ok(Some(Origin::Proxy)), LONGEST));
        assert_eq!(read(&version_2(0x21, 0x00, &[0; LONGEST - FIXED + 1])), (Err(HeaderError::TooLong), FIXED));

        let line = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16));
        assert_eq!(read(line(LONGEST_LINE).as_bytes()), (Ok(Some(Origin::Proxy)), LONGEST_LINE));
        let (outcome, end) = read(line(LONGEST_LINE + 1).as_bytes());
        assert_eq!(outcome, Err(HeaderError::TooLong));
        assert!(end <= LONGEST_LINE, "{end}");
    }

    #[test]
    fn anything_else_is_no_header() {
        for stream in
            [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..], b"GET / HTTP/1.1\r\n\r\n", b"PROXY\tTCP4 ", b"proxy TCP4"]
        {
            assert_eq!(parse(stream), Err(HeaderError::Missing));
        }
        assert_eq!(parse(b""), Ok(Header::Partial(SHORTEST)));
        assert_eq!(parse(b"\r\n"), Ok(Header::Partial(SHORTEST - 2)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_more_is_read_than_a_header_may_have(
            beginning in prop_oneof![
                Just(Vec::new()), Just(LINE.to_vec()), Just(b"PROXY TCP4 ".to_vec()), Just(SIGNATURE.to_vec()),
                Just([SIGNATURE, &[0x21, 0x11]].concat()), Just([SIGNATURE, &[0x21, 0x21, 0]].concat()),
            ],
            rest in proptest::collection::vec(any::<u8>(), 0..700),
        ) {
            let (_, end) = read(&[beginning, rest].concat());
            prop_assert!(end <= LONGEST);
        }

        #[test]
        fn what_a_proxy_writes_is_read(address in any::<[u8; 16]>(), four in any::<[u8; 4]>(), port in any::<u16>()) {
            for address in [IpAddr::from(address), IpAddr::from(four)] {
                let wanted = SocketAddr::new(address, port);
                let (name, protocol) = if address.is_ipv4() { ("TCP4", 0x11) } else { ("TCP6", 0x21) };
                let line = format!("PROXY {name} {address} {address} {port} 9090\r\n");
                let bytes = match address {
                    IpAddr::V4(address) => [address.octets(), address.octets()].concat(),
                    IpAddr::V6(address) => [address.octets(), address.octets()].concat(),
                };
                let binary = version_2(0x21, protocol, &[&bytes[..], &port.to_be_bytes(), &[0, 1]].concat());
                for header in [line.into_bytes(), binary] {
                    prop_assert_eq!(read(&header), (Ok(Some(Origin::Client(wanted))), header.len()));
                    for end in 0..header.len() {
                        prop_assert!(matches!(parse(&header[..end]), Ok(Header::Partial(_))));
                    }
                }
            }
        }
    }
}
