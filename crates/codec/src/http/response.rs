//! Response heads, written straight into the connection's output.
//!
//! Nothing that is put into a header can end it: line ends and NUL become spaces.

use std::io::Write;

/// A response head in the making: the status line first, then headers, then [`Head::end`].
#[derive(Debug)]
#[must_use = "a head without its end is not complete"]
pub struct Head<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Head<'a> {
    /// Writes the status line.
    pub fn new(out: &'a mut Vec<u8>, status: u16) -> Self {
        out.extend_from_slice(status_line(status).as_bytes());
        Self { out }
    }

    /// Writes a header. CR, LF and NUL in the value become spaces; the name is our own, a token.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        debug_assert!(is_name(name), "not a header name: {name:?}");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        self.out.extend(value.as_ref().iter().map(|byte| match byte {
            b'\r' | b'\n' | b'\0' => b' ',
            byte => *byte,
        }));
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Writes a header whose value is a number, such as a Content-Length.
    pub fn number(self, name: &str, value: u64) -> Self {
        debug_assert!(is_name(name), "not a header name: {name:?}");
        write!(self.out, "{name}: {value}\r\n").expect("a Vec takes whatever is written");
        self
    }

    /// Writes the blank line; the body follows.
    pub fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Makes what `out` holds from `start` on a chunk of a body (RFC 9112, section 7.1); nothing stays nothing, since an
/// empty chunk would be the last.
pub fn enclose_chunk(start: usize, out: &mut Vec<u8>) {
    let len = out.len() - start;
    if len > 0 {
        out.splice(start..start, format!("{len:x}\r\n").into_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// The last chunk: the body is complete, and has no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The words for a status; those of 500 for a status that is not in our table.
pub fn reason(status: u16) -> &'static str {
    status_line(status).trim_end().get("HTTP/1.1 200 ".len()..).unwrap_or("")
}

/// The whole first line of an answer, line end included; that of 500 for a status that is not in our table.
pub fn status_line(status: u16) -> &'static str {
    match status {
        100 => "HTTP/1.1 100 Continue\r\n",
        101 => "HTTP/1.1 101 Switching Protocols\r\n",
        200 => "HTTP/1.1 200 OK\r\n",
        201 => "HTTP/1.1 201 Created\r\n",
        202 => "HTTP/1.1 202 Accepted\r\n",
        204 => "HTTP/1.1 204 No Content\r\n",
        206 => "HTTP/1.1 206 Partial Content\r\n",
        301 => "HTTP/1.1 301 Moved Permanently\r\n",
        302 => "HTTP/1.1 302 Found\r\n",
        303 => "HTTP/1.1 303 See Other\r\n",
        304 => "HTTP/1.1 304 Not Modified\r\n",
        307 => "HTTP/1.1 307 Temporary Redirect\r\n",
        308 => "HTTP/1.1 308 Permanent Redirect\r\n",
        400 => "HTTP/1.1 400 Bad Request\r\n",
        401 => "HTTP/1.1 401 Unauthorized\r\n",
        403 => "HTTP/1.1 403 Forbidden\r\n",
        404 => "HTTP/1.1 404 Not Found\r\n",
        405 => "HTTP/1.1 405 Method Not Allowed\r\n",
        406 => "HTTP/1.1 406 Not Acceptable\r\n",
        408 => "HTTP/1.1 408 Request Timeout\r\n",
        409 => "HTTP/1.1 409 Conflict\r\n",
        410 => "HTTP/1.1 410 Gone\r\n",
        411 => "HTTP/1.1 411 Length Required\r\n",
        412 => "HTTP/1.1 412 Precondition Failed\r\n",
        413 => "HTTP/1.1 413 Content Too Large\r\n",
        414 => "HTTP/1.1 414 URI Too Long\r\n",
        415 => "HTTP/1.1 415 Unsupported Media Type\r\n",
        417 => "HTTP/1.1 417 Expectation Failed\r\n",
        421 => "HTTP/1.1 421 Misdirected Request\r\n",
        422 => "HTTP/1.1 422 Unprocessable Content\r\n",
        426 => "HTTP/1.1 426 Upgrade Required\r\n",
        429 => "HTTP/1.1 429 Too Many Requests\r\n",
        431 => "HTTP/1.1 431 Request Header Fields Too Large\r\n",
        501 => "HTTP/1.1 501 Not Implemented\r\n",
        502 => "HTTP/1.1 502 Bad Gateway\r\n",
        503 => "HTTP/1.1 503 Service Unavailable\r\n",
        504 => "HTTP/1.1 504 Gateway Timeout\r\n",
        505 => "HTTP/1.1 505 HTTP Version Not Supported\r\n",
        507 => "HTTP/1.1 507 Insufficient Storage\r\n",
        _ => "HTTP/1.1 500 Internal Server Error\r\n",
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_read_as_what_was_enclosed() {
        let (mut out, mut expected) = (b"head".to_vec(), Vec::new());
        for text in [&b"data: x\n\n"[..], b"", &[b'y'; 300]] {
            let start = out.len();
            out.extend_from_slice(text);
            expected.extend_from_slice(text);
            enclose_chunk(start, &mut out);
        }
        assert!(out.starts_with(b"head9\r\ndata: x\n\n\r\n12c\r\nyyy"), "{}", out.escape_ascii());
        out.extend_from_slice(LAST_CHUNK);
        let (mut body, mut got) = (super::super::Body::new(super::super::BodyFraming::Chunked), Vec::new());
        assert_eq!(body.decode(&out[4..], &mut got, 1_000), Ok((out.len() - 4, true)));
        assert_eq!(got, expected);
    }

    #[test]
    fn a_head_is_written_line_by_line() {
        let mut out = b"before ".to_vec();
        Head::new(&mut out, 200).header("Content-Type", "text/plain").number("Content-Length", 5).end();
        assert_eq!(out, b"before HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n");
    }

    #[test]
    fn no_value_ends_its_line() {
        let mut out = Vec::new();
        Head::new(&mut out, 204).header("X", "a\r\nSet-Cookie: b\0c").end();
        assert_eq!(out, b"HTTP/1.1 204 No Content\r\nX: a  Set-Cookie: b c\r\n\r\n");
    }

    #[test]
    fn every_status_line_is_well_formed() {
        for status in (0..=999).step_by(if cfg!(miri) { 7 } else { 1 }) {
            let line = status_line(status);
            let told = line[9..12].parse::<u16>().unwrap();
            assert!(told == status || told == 500, "{line}");
            assert!(line.starts_with("HTTP/1.1 ") && line.ends_with("\r\n"), "{line}");
            assert!(!reason(status).is_empty() && line.contains(reason(status)), "{line}");
        }
        assert_eq!(reason(404), "Not Found");
        assert_eq!(reason(299), "Internal Server Error");
    }
}
