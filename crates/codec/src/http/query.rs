//! Percent-encoding and query strings.
//!
//! Lenient, as browsers are (WHATWG URL, application/x-www-form-urlencoded): a `%` that two
//! hexadecimal digits do not follow stands for itself. Nothing is lost and nothing fails; what a
//! name may hold is checked by whoever knows the name's rules.

use std::borrow::Cow;

/// Decodes `%41` to `A`; a `%` without two hexadecimal digits stays. `+` stays too: it is a space
/// in queries only. Borrows what needs no change.
pub fn percent_decode(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'%', bytes) else { return Cow::Borrowed(bytes) };
    let mut out = Vec::with_capacity(bytes.len());
    out.extend_from_slice(&bytes[..first]);
    let mut rest = &bytes[first..];
    while let [byte, tail @ ..] = rest {
        if let Some((decoded, tail)) = escape(rest) {
            out.push(decoded);
            rest = tail;
        } else {
            out.push(*byte);
            rest = tail;
        }
    }
    Cow::Owned(out)
}

/// The pairs `key=value` of a query, in order, both decoded, with `+` a space.
///
/// A pair without `=` has an empty value; empty pairs (`a=1&&b=2`) are passed over.
pub fn query_pairs(query: &str) -> QueryPairs<'_> {
    QueryPairs { rest: query }
}

/// The iterator of [`query_pairs`].
#[derive(Clone, Debug)]
pub struct QueryPairs<'a> {
    rest: &'a str,
}

impl<'a> Iterator for QueryPairs<'a> {
    type Item = (Cow<'a, [u8]>, Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (pair, rest) = self.rest.split_once('&').unwrap_or((self.rest, ""));
            self.rest = rest;
            if !pair.is_empty() {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                return Some((form_decode(key), form_decode(value)));
            }
        }
        None
    }
}

fn form_decode(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('+') {
        return percent_decode(text.as_bytes());
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode(spaced.as_bytes()).into_owned())
}

/// The byte that an escape at the front stands for, and what follows it.
fn escape(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, tail @ ..] = bytes else { return None };
    Some((hex(*high)? << 4 | hex(*low)?, tail))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str, expected: &[u8]) {
        assert_eq!(&*percent_decode(text.as_bytes()), expected, "{text}");
    }

    fn pairs(query: &str, expected: &[(&str, &str)]) {
        let told: Vec<_> = query_pairs(query)
            .map(|(key, value)| {
                (String::from_utf8_lossy(&key).into_owned(), String::from_utf8_lossy(&value).into_owned())
            })
            .collect();
        let told: Vec<_> = told.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(told, expected, "{query}");
    }

    #[test]
    fn escapes_are_decoded() {
        decoded("", b"");
        decoded("plain", b"plain");
        decoded("%41%42c", b"ABc");
        decoded("a%2Cb%2cc", b"a,b,c");
        decoded("%c3%A9", "é".as_bytes());
        decoded("%00%ff", b"\0\xff");
        decoded("%2541", b"%41");
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        decoded("%", b"%");
        decoded("%4", b"%4");
        decoded("%zz%41", b"%zzA");
        decoded("%%41", b"%A");
        decoded("100%", b"100%");
        decoded("a+b", b"a+b");
    }

    #[test]
    fn what_needs_no_change_is_borrowed() {
        assert!(matches!(percent_decode(b"news.user-42"), Cow::Borrowed(_)));
        assert!(matches!(query_pairs("a=b").next(), Some((Cow::Borrowed(_), Cow::Borrowed(_)))));
    }

    #[test]
    fn a_query_is_a_list_of_pairs() {
        pairs("", &[]);
        pairs("&&", &[]);
        pairs("since=0&tail=5", &[("since", "0"), ("tail", "5")]);
        pairs("raw", &[("raw", "")]);
        pairs("=x", &[("", "x")]);
        pairs("a=1&&b=2&", &[("a", "1"), ("b", "2")]);
        pairs("a=b=c", &[("a", "b=c")]);
        pairs("a=1&a=2", &[("a", "1"), ("a", "2")]);
        pairs("a?b=1", &[("a?b", "1")]);
    }

    #[test]
    fn a_plus_is_a_space_and_an_escaped_plus_is_a_plus() {
        pairs("q=a+b%2Bc&k+k=1", &[("q", "a b+c"), ("k k", "1")]);
        pairs("q=%26%3D%25", &[("q", "&=%")]);
    }
}
