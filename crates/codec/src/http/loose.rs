//! Heads of HTTP as peers of old send them: line ends of either kind, and perhaps no HTTP at all. What is found here is looked
//! at and not obeyed; whoever acts on a head decodes it strictly ([`super::decode`]).

use memchr::memchr;

/// Whether bytes begin with the request line of an HTTP request; `false` while the line is not whole.
pub fn is_http(bytes: &[u8]) -> bool {
    let line = skip_line_ends(bytes);
    let Some(end) = memchr(b'\n', line) else { return false };
    let mut words = line[..end].trim_ascii_end().split(|byte| *byte == b' ');
    let method =
        words.next().is_some_and(|method| !method.is_empty() && method.iter().copied().all(is_method));
    method && words.next_back().is_some_and(|version| version.starts_with(b"HTTP/1."))
}

/// Whether bytes begin as a request of HTTP does, however little of it has come.
pub fn is_like_http(bytes: &[u8]) -> bool {
    let line = skip_line_ends(bytes);
    let method_len = line.iter().take_while(|byte| is_method(**byte)).count();
    method_len > 0 && line[method_len..].starts_with(b" /")
}

/// How long the head of a request is, the blank line and any empty lines before it included; `None` while
/// it is not whole. Line ends may be of either kind.
pub fn head_len(bytes: &[u8]) -> Option<usize> {
    let line = skip_line_ends(bytes);
    behind_blank_line(line).map(|len| bytes.len() - line.len() + len)
}

/// What follows the first blank line, where there is one: line ends may be of either kind.
pub fn behind_blank_line(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(end) = memchr(b'\n', &bytes[at..]) {
        let line = &bytes[at..at + end];
        at += end + 1;
        if matches!(line, [] | [b'\r']) {
            return Some(at);
        }
    }
    None
}

/// The value of the first header of this name in a head whose line ends are of either kind.
pub fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    headers(head).find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
}

/// Name and value of each line of a head that has both, the first line left out.
pub fn headers(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
        let colon = memchr(b':', line)?;
        Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
    })
}

/// Empty lines before a request are nobody's words (RFC 9112, 2.2).
pub fn skip_line_ends(mut bytes: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// What methods are made of, more or less; `=` and `:` are not.
pub fn is_method(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
