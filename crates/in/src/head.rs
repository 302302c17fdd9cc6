//! Whether a request's head will do, before hyper sees it: hyper closes on most that will not, and takes some of which two
//! readers might say that they end in different places. The judge is the one of the WAIT line, in the same words.

use std::borrow::Cow;

use axum::http::Uri;
use codec::http::{Error, HEADERS_MAX, Limits, decode};
use dialect::Problem;

use crate::limits::HEAD_LEN_MAX;

/// What is wrong with a whole head. `None`: nothing, or what the service tells itself.
pub(crate) fn judge(head: &[u8]) -> Option<Problem> {
    match decode(&with_line_ends(head), &LIMITS) {
        Ok(_) if is_target_read(head) => None,
        Ok(_) if target(head).len() > TARGET_LEN_MAX => Some(problem(Error::TargetTooLong)),
        Ok(_) => Some(problem(Error::Target)),
        // The service has more to say of these.
        Err(Error::HostMissing | Error::HostRepeated | Error::Host) => None,
        Err(Error::Target) if is_target_read(head) => None,
        Err(error) => Some(problem(error)),
    }
}

/// What is wrong with a head that does not end.
pub(crate) fn too_long(head: &[u8]) -> Problem {
    let is_first_line = !head.trim_ascii_start().contains(&b'\n');
    problem(if is_first_line { Error::TargetTooLong } else { Error::HeadTooLong })
}

fn problem(error: Error) -> Problem {
    Problem::new(error.status(), "http", error.to_string())
}

/// The head with CR LF where a line ends in LF alone, as scripts write it that speak HTTP by hand.
fn with_line_ends(head: &[u8]) -> Cow<'_, [u8]> {
    let is_bare = |at: usize| head[at] == b'\n' && (at == 0 || head[at - 1] != b'\r');
    let mut bare = (0..head.len()).filter(|at| is_bare(*at)).peekable();
    if bare.peek().is_none() {
        return Cow::Borrowed(head);
    }
    let (mut mended, mut from) = (Vec::with_capacity(head.len() + HEADERS_MAX), 0);
    for at in bare {
        mended.extend_from_slice(&head[from..at]);
        mended.push(b'\r');
        from = at;
    }
    mended.extend_from_slice(&head[from..]);
    Cow::Owned(mended)
}

/// Whether the service can read the target.
fn is_target_read(head: &[u8]) -> bool {
    Uri::try_from(target(head)).is_ok()
}

fn target(head: &[u8]) -> &[u8] {
    head.trim_ascii_start().split(|byte| *byte == b' ').nth(1).unwrap_or_default()
}

/// Bytes of a target that the service reads.
const TARGET_LEN_MAX: usize = 65_534;

const LIMITS: Limits =
    Limits { head_bytes: HEAD_LEN_MAX + 2 * HEADERS_MAX, headers: HEADERS_MAX, body_bytes: usize::MAX };

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: Option<u16>) {
        assert_eq!(judge(head.as_bytes()).map(|problem| problem.status), expected, "{head}");
    }

    #[test]
    fn what_is_no_head_is_told() {
        for lines in [
            "no colon",
            "Host : b",
            " folded: x",
            "Content-Length: abc",
            "Content-Length: 1\r\nContent-Length: 1",
        ] {
            check(&format!("POST /pub/a HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n"), Some(400));
        }
        check("POST /pub/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Some(501));
        check("POST /pub/a HTTP/1.1\nHost: a\nTransfer-Encoding: gzip, chunked\n\n", Some(501));
        check(
            "POST /pub/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            Some(400),
        );
        check("GET /st ats HTTP/1.1\r\nHost: a\r\n\r\n", Some(400));
        check("GET /stats HTTP/3.7\r\nHost: a\r\n\r\n", Some(505));
        check("GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n", Some(400));
        check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(HEADERS_MAX)), Some(431));
        check(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(TARGET_LEN_MAX)), Some(414));
        assert_eq!(too_long(b"\r\nGET /aaaa").status, 414);
        assert_eq!(too_long(b"GET / HTTP/1.1\r\nX: ").status, 431);
    }

    #[test]
    fn what_will_do_is_the_services() {
        for head in [
            "GET /stats HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /stats HTTP/1.1\nHost: a\n\n",
            "\r\nGET http://a/stats HTTP/1.0\r\n\r\n",
            "GET /stats HTTP/1.1\r\n\r\n",
            "GET /stats HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /pub/a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
        ] {
            check(head, None);
        }
    }
}
