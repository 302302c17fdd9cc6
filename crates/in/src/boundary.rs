//! Where a request ends in the bytes of a connection: its head at an empty line, its body where the service, which has
//! read the head, says that it does.
//!
//! This judges no request. A body that it cannot follow is lost, and so is all that comes behind: nobody knows where the
//! next request begins.

use codec::http::{Body, BodyFraming};

/// The place of the next byte in a request.
#[derive(Debug)]
pub(crate) enum Boundary {
    /// In a head, or before one.
    HeadScan(HeadScan),
    Body(Body),
    /// Nobody knows.
    Lost,
}

/// How much of a head has come.
#[derive(Debug)]
pub(crate) struct HeadScan {
    /// Whether there was anything but empty lines, which may stand before a request (RFC 9112, section 2.2).
    has_begun: bool,
    is_empty_line: bool,
    has_ended: bool,
}

impl Boundary {
    /// Before the first request.
    pub(crate) fn new() -> Self {
        Self::HeadScan(HeadScan::NEW)
    }

    /// The service has read a head, and this is what comes behind it.
    pub(crate) fn begin_body(&mut self, framing: BodyFraming) {
        if !matches!(self, Self::Lost) {
            *self = Self::Body(Body::new(framing));
        }
        self.end_body();
    }

    /// Takes what of these bytes belongs to the same head or body: one of them at least, if there are any.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = match self {
            Self::HeadScan(head) => Some(head.take(bytes)),
            Self::Body(body) => body.skip(bytes).ok(),
            Self::Lost => Some(bytes.len()),
        };
        if taken.is_none() {
            *self = Self::Lost;
        }
        self.end_body();
        taken.unwrap_or(bytes.len())
    }

    /// Whether nothing has come of the next request, and nothing is to come of the last.
    pub(crate) fn is_between(&self) -> bool {
        matches!(self, Self::HeadScan(head) if !head.has_begun)
    }

    /// Whether a head has come to its end, of which the service has not said what follows.
    pub(crate) fn is_head_whole(&self) -> bool {
        matches!(self, Self::HeadScan(head) if head.has_ended)
    }

    /// Whether what comes behind a head is no body, so that nobody knows where it ends.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost)
    }

    /// Whether something is to come of a body.
    pub(crate) fn is_in_body(&self) -> bool {
        !matches!(self, Self::HeadScan(_))
    }

    fn end_body(&mut self) {
        if matches!(self, Self::Body(body) if body.is_done()) {
            *self = Self::new();
        }
    }
}

impl HeadScan {
    const NEW: Self = Self { has_begun: false, is_empty_line: true, has_ended: false };

    fn take(&mut self, bytes: &[u8]) -> usize {
        if self.has_ended {
            *self = Self::NEW;
        }
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' if self.is_empty_line && self.has_begun => {
                    self.has_ended = true;
                    return at + 1;
                }
                b'\n' => self.is_empty_line = true,
                b'\r' if self.is_empty_line => {}
                _ => (self.has_begun, self.is_empty_line) = (true, false),
            }
        }
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the pieces are in which it comes, it ends between these: heads, each with what it says of the body that is
    /// behind it, and bodies.
    fn check(parts: &[(&str, BodyFraming)]) {
        let all: String = parts.iter().map(|(part, _)| *part).collect();
        for len in 1..=all.len() {
            let (mut boundary, mut rest) = (Boundary::new(), all.as_bytes());
            for (part, framing) in parts {
                let mut left = part.len();
                while left > 0 {
                    let taken = boundary.take(&rest[..len.min(rest.len())]);
                    assert!(taken > 0 && taken <= left, "{part:?} in pieces of {len}");
                    (left, rest) = (left - taken, &rest[taken..]);
                }
                if *framing != NONE {
                    boundary.begin_body(*framing);
                }
                assert_eq!(boundary.is_in_body(), *framing != NONE, "{part:?} in pieces of {len}");
            }
        }
    }

    const NONE: BodyFraming = BodyFraming::None;

    #[test]
    fn a_request_ends_with_its_body() {
        check(&[
            ("\r\n\nPOST / HTTP/1.1\r\nContent-Length: 7\r\n\r\n", BodyFraming::Length(7)),
            ("abc\r\n\r\n", NONE),
            ("POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n", BodyFraming::Chunked),
            ("3;x=y\r\n\r\n\r\r\n1\r\na\r\n0\r\nX: y\r\n\r\n", NONE),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", BodyFraming::Length(1)),
            ("x", NONE),
        ]);
    }

    #[test]
    fn without_a_body_it_ends_with_its_head() {
        let mut boundary = Boundary::new();
        assert_eq!(boundary.take(b"GET / HTTP/1.1\r\n\r\nGET"), 18);
        assert!(!boundary.is_between(), "the service has not read it yet");
        boundary.begin_body(BodyFraming::Length(0));
        assert!(boundary.is_between() && !boundary.is_in_body());
        assert_eq!(boundary.take(b"GET"), 3);
        assert!(!boundary.is_between(), "the next one has begun");
    }

    #[test]
    fn what_cannot_be_followed_is_lost_and_all_behind_it() {
        let mut boundary = Boundary::new();
        boundary.take(b"POST / HTTP/1.1\r\n\r\n");
        boundary.begin_body(BodyFraming::Chunked);
        assert_eq!(boundary.take(b"nonsense\r\n\r\nGET /"), 17);
        boundary.begin_body(BodyFraming::Length(0));
        assert!(boundary.is_lost() && boundary.is_in_body() && !boundary.is_between());
        assert_eq!(boundary.take(b"x"), 1);
        assert!(boundary.is_lost());
    }
}
