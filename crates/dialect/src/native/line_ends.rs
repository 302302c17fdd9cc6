//! JSON on what everybody takes for one line: what Unicode calls a line end besides CR and LF, and some libraries cut at
//! (`str.splitlines` of Python, `iter_lines` of httpx), is written as an escape.

use std::borrow::Cow;

use hub::{Kind, Said};
use memchr::memchr2_iter;

use super::object::is_json_text;

/// Escapes U+0085, U+2028 and U+2029 in the JSON text that `out` has behind `from`. They stand in strings only: anywhere
/// else it would be no JSON (RFC 8259, section 2).
pub(crate) fn escape_line_ends(from: usize, out: &mut Vec<u8>) {
    let Some(first) = first_line_end(&out[from..]) else { return };
    let text = out.split_off(from + first);
    let mut done = 0;
    for at in memchr2_iter(FIRST_BYTES[0], FIRST_BYTES[1], &text) {
        if let Some((len, escape)) = line_end(&text[at..]) {
            out.extend_from_slice(&text[done..at]);
            out.extend_from_slice(escape);
            done = at + len;
        }
    }
    out.extend_from_slice(&text[done..]);
}

/// The data of a payload for a stream that has no objects around it: as it was published, but for such line ends in JSON.
pub fn bare_data(payload: Said<'_>) -> Cow<'_, [u8]> {
    let data = payload.data();
    if first_line_end(data).is_none() || !is_json(payload) {
        return Cow::Borrowed(data);
    }
    let mut out = data.to_vec();
    escape_line_ends(0, &mut out);
    Cow::Owned(out)
}

/// Whether data is JSON: because its publisher says so, or because it is, where he says nothing.
pub(crate) fn is_json(payload: Said<'_>) -> bool {
    match payload.kind {
        Kind::Json => true,
        Kind::Either => simdutf8::basic::from_utf8(payload.data()).is_ok_and(is_json_text),
        Kind::Text | Kind::Binary => false,
    }
}

fn first_line_end(text: &[u8]) -> Option<usize> {
    memchr2_iter(FIRST_BYTES[0], FIRST_BYTES[1], text).find(|at| line_end(&text[*at..]).is_some())
}

/// The length of a line end at the beginning of a text, and its escape.
fn line_end(text: &[u8]) -> Option<(usize, &'static [u8])> {
    match text {
        [0xc2, 0x85, ..] => Some((2, b"\\u0085")),
        [0xe2, 0x80, 0xa8, ..] => Some((3, b"\\u2028")),
        [0xe2, 0x80, 0xa9, ..] => Some((3, b"\\u2029")),
        _ => None,
    }
}

/// With which their UTF-8 begins.
const FIRST_BYTES: [u8; 2] = [0xc2, 0xe2];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_escaped_and_nothing_else_is() {
        let check = |text: &str, expected: &str| {
            let mut out = b"before\xe2\x80\xa8".to_vec();
            let from = out.len();
            out.extend_from_slice(text.as_bytes());
            escape_line_ends(from, &mut out);
            assert_eq!(str::from_utf8(&out[from..]).unwrap(), expected);
            assert_eq!(out[..from], *b"before\xe2\x80\xa8");
        };
        check("\"\u{85}a\u{2028}\u{2029}\u{85}\"", r#""\u0085a\u2028\u2029\u0085""#);
        check("\"\u{84}\u{2027}\u{202a}\u{a0}—é\u{e285}\"", "\"\u{84}\u{2027}\u{202a}\u{a0}—é\u{e285}\"");
        check("", "");
        check("\"\\\\\u{2028}\"", r#""\\\u2028""#);
    }
}
