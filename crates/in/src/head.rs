//! Whether a request's head will do, before hyper sees it: hyper closes on most that will not, and takes some of which two
//! readers might say that they end in different places. The judge is the one of the WAIT line, in the same words.

use std::borrow::Cow;

use axum::http::Uri;
use codec::http::{Error, HEADERS_MAX, HeadLimits, decode, decode_framing};
use dialect::{Code, Problem};

use crate::limits::HEAD_LEN_MAX;

/// What is wrong with a whole head. `None`: nothing, or what the service tells itself.
pub(crate) fn judge(head: &[u8]) -> Option<Problem> {
    let mended = with_line_ends(head);
    match decode(&mended, &LIMITS) {
        Ok(_) if is_target_read(head) => None,
        Ok(_) if target(head).len() > TARGET_LEN_MAX => Some(problem(Error::TargetTooLong)),
        Ok(_) => Some(problem(Error::Target)),
        // The service has more to say of these, or takes them; where they end is judged nevertheless.
        Err(Error::HostMissing | Error::HostRepeated | Error::Host) => judge_framing(&mended),
        Err(Error::Target) if is_target_read(head) => judge_framing(&mended),
        Err(error) => Some(problem(error)),
    }
}

fn judge_framing(head: &[u8]) -> Option<Problem> {
    decode_framing(head, &LIMITS).err().map(problem)
}

/// What is wrong with a head that does not end.
pub(crate) fn too_long(head: &[u8]) -> Problem {
    let is_first_line = !head.trim_ascii_start().contains(&b'\n');
    problem(if is_first_line { Error::TargetTooLong } else { Error::HeadTooLong })
}

fn problem(error: Error) -> Problem {
    Problem::new(error.status(), Code::Http, error.to_string())
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

const LIMITS: HeadLimits =
    HeadLimits { head_bytes: HEAD_LEN_MAX + 2 * HEADERS_MAX, headers: HEADERS_MAX, body_bytes: usize::MAX };

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
    fn where_it_ends_is_judged_whatever_else_is_odd() {
        for (target, hosts, version) in [
            ("/pub/a#x", "Host: a\r\n", "1.1"),
            ("a", "Host: a\r\n", "1.1"),
            ("/pub/a", "Host: a\r\nHost: b\r\n", "1.1"),
            ("/pub/a", "Host: a/b\r\n", "1.1"),
            ("/pub/a", "", "1.1"),
            ("/pub/a#x", "Host: a\r\nHost: b\r\n", "1.1"),
            ("/pub/a#x", "", "1.0"),
        ] {
            let chunked = if version == "1.0" { Some(400) } else { None };
            for (lines, expected) in [
                ("Content-Length: 4", None),
                ("Transfer-Encoding: chunked", chunked),
                ("Content-Length: 4\r\nTransfer-Encoding: chunked", Some(400)),
                ("Transfer-Encoding: chunked\r\nContent-Length: 4", Some(400)),
                ("Content-Length: 4\r\nContent-Length: 5", Some(400)),
                ("Content-Length: +4", Some(400)),
                ("Transfer-Encoding: gzip, chunked", chunked.or(Some(501))),
                ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", chunked.or(Some(501))),
            ] {
                check(&format!("POST {target} HTTP/{version}\r\n{hosts}{lines}\r\n\r\n"), expected);
            }
        }
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
