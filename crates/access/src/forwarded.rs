//! What proxies write into a request about where it came from: `X-Forwarded-For`, and `Forwarded` (RFC 7239).
//!
//! A line is read from its end, where the last proxy wrote, and an element only when it is reached: what a client put
//! in front of that says nothing, however broken it is. Quotes mean something in `Forwarded` only; a line of it whose
//! quotes do not pair has no elements that could be told apart, and all of it counts as unreadable.

use std::net::{IpAddr, SocketAddr};

use crate::Way;

/// One step of a request's way, as a proxy wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hop {
    /// It came from this address.
    From(IpAddr),
    /// From where it came is kept secret, or not written as it should be.
    Hidden,
}

/// The steps in these lines, the last first.
pub(crate) fn hops<'a>(
    way: Way,
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = Hop> {
    let read = if way == Way::Forwarded { of_pairs } else { of_address };
    lines.rev().flat_map(move |line| {
        let elements = match way {
            Way::Forwarded => parts(line, b','),
            _ => Some(line.split(|byte| *byte == b',').collect()),
        };
        // What cannot be told apart is one step that cannot be read.
        let elements = elements.unwrap_or_else(|| vec![b"\"" as &[u8]]);
        elements.into_iter().rev().map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()).map(read)
    })
}

/// Lines of this header as they go on to the next reader: all of them, in one, and `from` behind them; where that is not
/// known, `unknown` (RFC 7239, section 6.2), so that nobody takes for ours what stands before it. What of `Forwarded` cannot
/// be read would make that unreadable, too, and is left out.
pub fn forward<'a>(way: Way, lines: impl Iterator<Item = &'a [u8]>, from: Option<IpAddr>) -> Vec<u8> {
    let keeps = |line: &&[u8]| !line.is_empty() && (way != Way::Forwarded || parts(line, b',').is_some());
    let mut whole = lines.map(<[u8]>::trim_ascii).filter(keeps).collect::<Vec<_>>().join(&b", "[..]);
    if !whole.is_empty() {
        whole.extend_from_slice(b", ");
    }
    let from = match (way, from) {
        (Way::Forwarded, Some(IpAddr::V4(from))) => format!("for={from}"),
        (Way::Forwarded, Some(IpAddr::V6(from))) => format!("for=\"[{from}]\""),
        (Way::Forwarded, None) => "for=unknown".to_owned(),
        (_, Some(from)) => from.to_string(),
        (_, None) => "unknown".to_owned(),
    };
    whole.extend_from_slice(from.as_bytes());
    whole
}

/// The parts of a text between marks that stand in no quotes; `None`: its quotes do not pair.
fn parts(text: &[u8], mark: u8) -> Option<Vec<&[u8]>> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|byte| {
        let was_escaped = std::mem::take(&mut escaped);
        match byte {
            b'"' if !was_escaped => quoted = !quoted,
            b'\\' => escaped = quoted && !was_escaped,
            _ => {}
        }
        *byte == mark && !quoted
    });
    let parts = parts.collect();
    (!quoted).then_some(parts)
}

/// An element of `Forwarded`: `for=…;by=…;proto=…`, each once.
fn of_pairs(element: &[u8]) -> Hop {
    let mut found = None;
    for pair in parts(element, b';').unwrap_or_default() {
        let pair = pair.trim_ascii();
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else {
            if pair.is_empty() { continue } else { return Hop::Hidden }
        };
        if pair[..equals].eq_ignore_ascii_case(b"for") && found.replace(&pair[equals + 1..]).is_some() {
            return Hop::Hidden;
        }
    }
    let Some(value) = found else { return Hop::Hidden };
    match (value.strip_prefix(b"\""), value.contains(&b'"')) {
        (None, false) => of_address(value),
        // Nothing in an address needs to be escaped.
        (Some(rest), true) => rest.strip_suffix(b"\"").map_or(Hop::Hidden, of_address),
        _ => Hop::Hidden,
    }
}

/// An address: bare, with a port, in brackets. All other words hide one.
fn of_address(text: &[u8]) -> Hop {
    let Ok(text) = str::from_utf8(text) else { return Hop::Hidden };
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = bare.parse().ok().or_else(with_port);
    address.map_or(Hop::Hidden, |address: IpAddr| Hop::From(address.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `lines` are separated by `|`; the steps by spaces, the last first.
    fn check(way: Way, lines: &str, expected: &str) {
        let told = hops(way, lines.split('|').map(str::as_bytes)).map(|hop| match hop {
            Hop::From(address) => address.to_string(),
            Hop::Hidden => "-".to_owned(),
        });
        assert_eq!(told.collect::<Vec<_>>().join(" "), expected, "{lines}");
    }

    #[test]
    fn an_address_has_many_forms() {
        check(Way::Forwarded, "proto=http;For=\"[2001:db8::17]:4711\";by=x", "2001:db8::17");
        check(Way::Forwarded, "for=\"192.0.2.7:80\", for=192.0.2.8", "192.0.2.8 192.0.2.7");
        for text in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80", " 2001:db8::1 , ,"] {
            check(Way::ForwardedFor, text, "2001:db8::1");
        }
        check(Way::ForwardedFor, "::ffff:192.0.2.7|192.0.2.8:1", "192.0.2.8 192.0.2.7");
    }

    #[test]
    fn what_cannot_be_read_hides_an_address() {
        for text in ["unknown", "x", "\"192.0.2.7\"", "192.0.2.7;", "for=192.0.2.7", "\"", "1.2.3", "\u{e9}"]
        {
            check(Way::ForwardedFor, text, "-");
        }
        for text in
            ["for=unknown", "for=_a", "by=10.0.0.2", "for=\"a,b\"", "192.0.2.7", "for", "for=", "=1.2.3.4"]
        {
            check(Way::Forwarded, text, "-");
        }
        for text in [
            "for=1.2.3.4;for=5.6.7.8",
            "for=\"1.2.3.4",
            "for=1.2.3.4\"",
            "for=\"1.2.3.\\4\"",
            "a;for=1.2.3.4",
        ] {
            check(Way::Forwarded, text, "-");
        }
        check(Way::ForwardedFor, "| ,, ", "");
        check(Way::Forwarded, ";", "-");
    }

    #[test]
    fn what_a_client_writes_in_front_does_not_touch_what_a_proxy_writes() {
        for text in ["\"", "a\"b", "\\", "a,\"b", ";;", "=", "for=\"1.2.3.4", ""] {
            check_last(Way::ForwardedFor, &format!("{text}, 192.0.2.7"), "192.0.2.7");
            check_last(Way::ForwardedFor, &format!("{text}|192.0.2.7"), "192.0.2.7");
            check_last(Way::Forwarded, &format!("{text}|for=192.0.2.7"), "192.0.2.7");
            let is_open = text.contains('"');
            let expected = if is_open { "-" } else { "192.0.2.7" };
            check_last(Way::Forwarded, &format!("{text}, for=192.0.2.7"), expected);
        }
        check_last(Way::Forwarded, "for=\"a, for=\\\"\", for=\"[2001:db8::1]\"", "2001:db8::1");
        check_last(Way::Forwarded, "for=\"\\, for=\"[2001:db8::1]\"", "-");
    }

    fn check_last(way: Way, lines: &str, expected: &str) {
        let last = hops(way, lines.split('|').map(str::as_bytes)).next();
        let told = match last {
            Some(Hop::From(address)) => address.to_string(),
            _ => "-".to_owned(),
        };
        assert_eq!(told, expected, "{lines}");
    }

    #[test]
    fn whoever_reads_next_is_told_all_of_it() {
        let told = |way, lines: &[&str], from: &str| {
            let lines = lines.iter().map(|line| line.as_bytes());
            String::from_utf8(forward(way, lines, from.parse().ok())).unwrap()
        };
        assert_eq!(told(Way::ForwardedFor, &[], "192.0.2.7"), "192.0.2.7");
        assert_eq!(
            told(Way::ForwardedFor, &["1.1.1.1, 2.2.2.2", "", "\""], "::1"),
            "1.1.1.1, 2.2.2.2, \", ::1"
        );
        assert_eq!(
            told(Way::Forwarded, &["for=1.1.1.1", "for=x;by=y"], "::1"),
            "for=1.1.1.1, for=x;by=y, for=\"[::1]\""
        );
        assert_eq!(told(Way::Forwarded, &["for=\"", "for=a"], "192.0.2.7"), "for=a, for=192.0.2.7");
        assert_eq!(told(Way::ForwardedFor, &["1.1.1.1"], ""), "1.1.1.1, unknown");
        assert_eq!(told(Way::Forwarded, &["for=1.1.1.1"], ""), "for=1.1.1.1, for=unknown");
    }
}
