//! The header by which a proxy says whose connection it passes on: the PROXY protocol, versions 1 and 2, as
//! HAProxy's `doc/proxy-protocol.txt` has it.
//!
//! It stands before anything else on a connection, once. What its address is worth depends on who sent it,
//! which is not known here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The most bytes a header may have: of version 1 by its text, of version 2 by what is allowed here.
pub const HEADER_BYTES_MAX: usize = 16 + 2_048;

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are the beginning of something else.
    #[error("the connection does not begin with a header of the PROXY protocol; let the proxy send one")]
    None,
    /// A line of version 1 that is not right.
    #[error("the PROXY line is not `PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT` within 107 bytes")]
    Line,
    /// A header of version 2 that is not right.
    #[error("the binary PROXY header has a version, command or length that there is not")]
    Binary,
}

/// Decodes the header at the front of `bytes`: the client's address, if the proxy knows one (`LOCAL`,
/// `UNKNOWN` and sockets that are no TCP have none), and the header's length. `None` until all of it is there.
pub fn decode(bytes: &[u8]) -> Result<Option<(Option<SocketAddr>, usize)>, Error> {
    if begins(bytes, SIGNATURE) {
        return decode_binary(bytes);
    }
    if begins(bytes, LINE_START) {
        return decode_line(bytes);
    }
    Err(Error::None)
}

/// Writes a header of version 1, as a proxy does.
pub fn encode(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    let family = if source.is_ipv4() && destination.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    let line = format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port());
    out.extend_from_slice(line.as_bytes());
}

/// Whether `bytes`, which may be incomplete, begin like `start`.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    let len = bytes.len().min(start.len());
    bytes[..len] == start[..len]
}

fn decode_line(bytes: &[u8]) -> Result<Option<(Option<SocketAddr>, usize)>, Error> {
    let window = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if window.len() < LINE_BYTES_MAX { Ok(None) } else { Err(Error::Line) };
    };
    let text = str::from_utf8(&window[LINE_START.len()..end]).map_err(|_| Error::Line)?;
    let mut words = text.split(' ');
    let family = words.next();
    // What follows UNKNOWN is to be ignored.
    if family == Some("UNKNOWN") {
        return Ok(Some((None, end + 2)));
    }
    let (Some(source), Some(destination), Some(port), Some(to_port), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Error::Line);
    };
    let source = match family {
        Some("TCP4") => both::<Ipv4Addr>(source, destination).map(IpAddr::V4),
        Some("TCP6") => both::<Ipv6Addr>(source, destination).map(IpAddr::V6),
        _ => None,
    };
    let ports = decimal(port).zip(decimal(to_port));
    let (address, (port, _)) = source.zip(ports).ok_or(Error::Line)?;
    Ok(Some((Some(SocketAddr::new(address, port)), end + 2)))
}

/// The first of two addresses that must both be of this kind.
fn both<A: std::str::FromStr>(first: &str, second: &str) -> Option<A> {
    second.parse::<A>().ok()?;
    first.parse().ok()
}

/// A port as it must be written: digits, and no zero before them.
fn decimal(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| digits)
}

fn decode_binary(bytes: &[u8]) -> Result<Option<(Option<SocketAddr>, usize)>, Error> {
    let Some((head, rest)) = bytes.split_first_chunk::<16>() else { return Ok(None) };
    let (version_command, family) = (head[12], head[13]);
    let len = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if version_command >> 4 != 2 || version_command & 15 > 1 || 16 + len > HEADER_BYTES_MAX {
        return Err(Error::Binary);
    }
    let Some(body) = rest.get(..len) else { return Ok(None) };
    let is_local = version_command & 15 == 0;
    let source = match family {
        _ if is_local => None,
        TCP4 => Some(source::<4, 12>(body)?),
        TCP6 => Some(source::<16, 36>(body)?),
        // Datagrams, local sockets and what is unspecified: there is no address to go by.
        _ => None,
    };
    Ok(Some((source, 16 + len)))
}

/// The source of an address block: two addresses of `A` bytes, two ports, `ALL` bytes together; what follows
/// is other facts of the proxy.
fn source<const A: usize, const ALL: usize>(body: &[u8]) -> Result<SocketAddr, Error>
where
    IpAddr: From<[u8; A]>,
{
    let block = body.first_chunk::<ALL>().ok_or(Error::Binary)?;
    let address: [u8; A] = *block.first_chunk().ok_or(Error::Binary)?;
    Ok(SocketAddr::new(address.into(), u16::from_be_bytes([block[2 * A], block[2 * A + 1]])))
}

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const LINE_START: &[u8] = b"PROXY ";
/// Bytes of a line of version 1, its end included.
const LINE_BYTES_MAX: usize = 107;
/// Family and protocol of version 2.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: the address, or `-`; and how many bytes the header has. At every cut before, it waits.
    fn check(bytes: &[u8], expected: Result<(&str, usize), Error>) {
        let told = decode(bytes).map(|fact| fact.expect("the header is whole"));
        let address =
            |source: Option<SocketAddr>| source.map_or_else(|| "-".to_owned(), |source| source.to_string());
        let told = told.map(|(source, len)| (address(source), len));
        assert_eq!(told, expected.map(|(source, len)| (source.to_owned(), len)), "{bytes:?}");
        if let Ok((_, len)) = expected {
            for cut in 0..len {
                assert_eq!(decode(&bytes[..cut]), Ok(None), "cut at {cut} of {bytes:?}");
            }
        }
    }

    fn binary(version_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len()).expect("it is short").to_be_bytes();
        [SIGNATURE, &[version_command, family], &len, body, b"GET /"].concat()
    }

    #[test]
    fn a_line_tells_the_client() {
        check(b"PROXY TCP4 10.1.2.3 10.0.0.1 5000 80\r\nGET /", Ok(("10.1.2.3:5000", 38)));
        check(b"PROXY TCP6 2001:db8::7 ::1 65535 0\r\n", Ok(("[2001:db8::7]:65535", 36)));
        check(b"PROXY UNKNOWN\r\nx", Ok(("-", 15)));
        check(b"PROXY UNKNOWN ffff::1 whatever\r\n", Ok(("-", 32)));
    }

    #[test]
    fn a_line_that_is_not_right_is_refused() {
        for line in [
            "PROXY TCP4 10.1.2.3 10.0.0.1 5000\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 5000 80 1\r\n",
            "PROXY TCP4 10.1.2 10.0.0.1 5000 80\r\n",
            "PROXY TCP4 ::1 ::1 5000 80\r\n",
            "PROXY TCP6 10.1.2.3 10.0.0.1 5000 80\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 05000 80\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 +500 80\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 65536 80\r\n",
            "PROXY TCP4  10.1.2.3 10.0.0.1 5000 80\r\n",
            "PROXY SCTP 10.1.2.3 10.0.0.1 5000 80\r\n",
        ] {
            check(line.as_bytes(), Err(Error::Line));
        }
        check(format!("PROXY UNKNOWN {}", "x".repeat(100)).as_bytes(), Err(Error::Line));
        check(b"GET / HTTP/1.1\r\n", Err(Error::None));
        check(b"PROXX", Err(Error::None));
    }

    #[test]
    fn a_binary_header_tells_the_client() {
        let four = [10, 1, 2, 3, 10, 0, 0, 1, 0x13, 0x88, 0, 80];
        check(&binary(0x21, TCP4, &four), Ok(("10.1.2.3:5000", 28)));
        check(&binary(0x21, TCP4, &[&four[..], b"\x04\0\x02ab"].concat()), Ok(("10.1.2.3:5000", 33)));
        let mut six = [0; 36];
        (six[15], six[31], six[33]) = (9, 1, 7);
        check(&binary(0x21, TCP6, &six), Ok(("[::9]:7", 52)));
        check(&binary(0x20, TCP4, &four), Ok(("-", 28)));
        check(&binary(0x21, 0, &[]), Ok(("-", 16)));
        check(&binary(0x21, 0x31, &[0; 216]), Ok(("-", 232)));
    }

    #[test]
    fn a_binary_header_that_is_not_right_is_refused() {
        check(&binary(0x11, TCP4, &[0; 12]), Err(Error::Binary));
        check(&binary(0x22, TCP4, &[0; 12]), Err(Error::Binary));
        check(&binary(0x21, TCP4, &[0; 11]), Err(Error::Binary));
        check(&binary(0x21, TCP6, &[0; 35]), Err(Error::Binary));
        check(&binary(0x21, TCP4, &[0; 2_049]), Err(Error::Binary));
        check(b"\r\n\r\n\0\r\nQUIX", Err(Error::None));
    }

    #[test]
    fn what_is_written_is_read() {
        for source in ["127.0.0.1:1", "[2001:db8::1]:9"] {
            let (source, mut out) = (source.parse::<SocketAddr>().unwrap(), Vec::new());
            let to = if source.is_ipv4() { "10.0.0.1:80" } else { "[::1]:80" };
            encode(source, to.parse().unwrap(), &mut out);
            assert_eq!(decode(&out), Ok(Some((Some(source), out.len()))));
        }
    }
}
