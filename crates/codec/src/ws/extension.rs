//! Negotiating compression of messages (RFC 7692, permessage-deflate), without context takeover.

/// The answer to the first of a client's offers that can be taken, as the value of
/// `Sec-WebSocket-Extensions`; `None`: messages are not compressed. `lines` are the values of the request's
/// headers of that name.
///
/// Each message is compressed by itself, in either direction, and once for all who get it: so an offer that asks
/// the server for a smaller window than the usual one is passed over.
pub fn accept_deflate<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<&'static str> {
    lines.filter_map(|line| str::from_utf8(line).ok()).flat_map(|line| line.split(',')).find_map(accept_offer)
}

fn accept_offer(offer: &str) -> Option<&'static str> {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
        return None;
    }
    let mut seen = Vec::new();
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquoted(value.trim_start()))),
            None => (part, None),
        };
        let name = PARAMETERS.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
        let may_be = match (name, value) {
            (CLIENT_BITS, None) => true,
            (CLIENT_BITS, Some(bits)) => matches!(bits, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15"),
            (SERVER_BITS, value) => value == Some("15"),
            (_, value) => value.is_none(),
        };
        if !may_be || seen.contains(&name) {
            return None;
        }
        seen.push(name);
    }
    // Whoever names a window wants it named in the answer (RFC 7692, section 7.1.2.1).
    Some(if seen.contains(&SERVER_BITS) { ANSWER_WITH_BITS } else { ANSWER })
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

const PARAMETERS: [&str; 4] =
    ["server_no_context_takeover", "client_no_context_takeover", SERVER_BITS, CLIENT_BITS];
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const ANSWER_WITH_BITS: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expected: Option<&str>) {
        assert_eq!(accept_deflate(lines.iter().map(|line| line.as_bytes())), expected, "{lines:?}");
    }

    #[test]
    fn what_browsers_offer_is_taken() {
        check(&["permessage-deflate; client_max_window_bits"], Some(ANSWER));
        check(&["permessage-deflate"], Some(ANSWER));
        check(&["x-webkit-deflate-frame, Permessage-Deflate ; client_max_window_bits = 15"], Some(ANSWER));
        check(&["permessage-deflate; client_no_context_takeover; server_no_context_takeover"], Some(ANSWER));
        check(&["permessage-deflate; server_max_window_bits=\"15\""], Some(ANSWER_WITH_BITS));
    }

    #[test]
    fn the_first_offer_that_can_be_kept_counts() {
        check(&["permessage-deflate; server_max_window_bits=10, permessage-deflate"], Some(ANSWER));
        check(&["other", "permessage-deflate"], Some(ANSWER));
        check(&["permessage-deflate; server_max_window_bits=15, permessage-deflate"], Some(ANSWER_WITH_BITS));
    }

    #[test]
    fn an_offer_that_cannot_be_kept_is_passed_over() {
        for offer in [
            "",
            "permessage-bzip2",
            "permessage-deflate; server_max_window_bits=14",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=08",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; something",
            "permessage-deflate;",
        ] {
            check(&[offer], None);
        }
    }
}
