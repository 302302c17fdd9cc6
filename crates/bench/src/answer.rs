//! An HTTP answer as a client reads it: its status, and where it ends.

use codec::http::{Body, BodyFraming};

use crate::compression::PackedCoding;

/// The head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnswerHead {
    pub(crate) status: u16,
    /// Bytes of the head, the blank line included.
    pub(crate) len: usize,
    /// How the body ends; `None`: with the connection.
    pub(crate) framing: Option<BodyFraming>,
    /// Whether another request may follow on the connection.
    pub(crate) keep_alive: bool,
    /// What of it is compressed.
    pub(crate) coding: PackedCoding,
}

/// What is no HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbled;

/// Reads the head at the front of `bytes`; `None` until all of it is there.
pub(crate) fn decode_head(bytes: &[u8]) -> Result<Option<AnswerHead>, Garbled> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut headers);
    let len = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_LEN_MAX => return Ok(None),
        _ => return Err(Garbled),
    };
    let (Some(status), Some(minor)) = (parsed.code, parsed.version) else { return Err(Garbled) };
    let mut head =
        AnswerHead { status, len, framing: None, keep_alive: minor == 1, coding: PackedCoding::Plain };
    if status < 200 || status == 204 || status == 304 {
        head.framing = Some(BodyFraming::None);
    }
    for header in parsed.headers.iter() {
        let value = str::from_utf8(header.value).map_err(|_| Garbled)?.trim();
        if header.name.eq_ignore_ascii_case("content-length") && head.framing.is_none() {
            head.framing = Some(BodyFraming::Length(value.parse().map_err(|_| Garbled)?));
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") && head.framing.is_none() {
            head.framing = value.eq_ignore_ascii_case("chunked").then_some(BodyFraming::Chunked);
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.keep_alive = !value.eq_ignore_ascii_case("close");
        } else if header.name.eq_ignore_ascii_case("multiplexor-status") {
            // A refusal that passes, told by an event.
            head.status = value.parse().map_err(|_| Garbled)?;
        } else if header.name.eq_ignore_ascii_case("content-encoding") && value == "gzip" {
            head.coding = PackedCoding::Gzip;
        } else if header.name.eq_ignore_ascii_case("sec-websocket-extensions") {
            head.coding = PackedCoding::Frames;
        }
    }
    head.keep_alive &= head.framing.is_some();
    Ok(Some(head))
}

/// Reads a whole answer at the front of `bytes`, and tells its length; `None` until all of it is there.
/// One that ends with its connection is never whole.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<(AnswerHead, usize)>, Garbled> {
    let Some(head) = decode_head(bytes)? else { return Ok(None) };
    let Some(framing) = head.framing else { return Ok(None) };
    let (mut data, mut body) = (Vec::new(), Body::new(framing));
    if body.is_done() {
        return Ok(Some((head, head.len)));
    }
    if let BodyFraming::Length(len) = framing {
        let len = head.len + usize::try_from(len).map_err(|_| Garbled)?;
        return Ok((bytes.len() >= len).then_some((head, len)));
    }
    let (taken, done) = body.decode(&bytes[head.len..], &mut data, usize::MAX).map_err(|_| Garbled)?;
    Ok(done.then_some((head, head.len + taken)))
}

const HEADERS_MAX: usize = 64;
const HEAD_LEN_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer is whole with its last byte, and not before.
    fn check(wire: &str, status: u16, keep_alive: bool) {
        for cut in 0..wire.len() {
            assert_eq!(decode(&wire.as_bytes()[..cut]), Ok(None), "{wire:?} cut at {cut}");
        }
        let (head, len) = decode(format!("{wire}HTTP/1.1").as_bytes()).unwrap().unwrap();
        assert_eq!((head.status, head.keep_alive, len), (status, keep_alive, wire.len()), "{wire:?}");
    }

    #[test]
    fn an_answer_ends_where_it_says() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, true);
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, true);
        check("HTTP/1.1 204 No Content\r\n\r\n", 204, true);
        check("HTTP/1.1 503 X\r\nConnection: close\r\nContent-Length: 1\r\n\r\n!", 503, false);
        check("HTTP/1.1 200 OK\r\nMultiplexor-Status: 503\r\nContent-Length: 1\r\n\r\n!", 503, true);
        check("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n!", 200, false);
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200, true);
    }

    #[test]
    fn one_without_an_end_is_never_whole() {
        assert_eq!(decode(b"HTTP/1.1 200 OK\r\n\r\ndata: x\n\n"), Ok(None));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        assert_eq!(decode(b"SSH-2.0\r\n"), Err(Garbled));
        assert_eq!(decode(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"), Err(Garbled));
    }
}
