//! A request's head: who asks for what, and where its body ends.
//!
//! The grammar of lines and tokens is httparse's; what may stand in them, and which of several
//! readings is refused, is decided here. Faults are told in the order in which they stand in the
//! bytes, so the answer does not depend on how these arrived.

use super::Error;

/// The most headers any limit allows.
pub const HEADERS_MAX: usize = 64;

/// How long a request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes from the first of the request line to the end of the blank line.
    pub head_bytes: usize,
    /// Header lines; more than [`HEADERS_MAX`] counts as that.
    pub headers: usize,
    /// Bytes of a body whose length is announced; what is longer is refused from its head alone.
    pub body_bytes: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes: 16 << 10, headers: HEADERS_MAX, body_bytes: 1 << 20 }
    }
}

/// A request's head, borrowed from the bytes it came in.
#[derive(Clone, Debug)]
pub struct RequestHead<'a> {
    /// As sent: methods are case-sensitive.
    pub method: &'a str,
    /// As sent, before the `?`: not percent-decoded. `/` where an absolute target had none, `*` for `OPTIONS *`.
    pub path: &'a str,
    /// What follows the first `?`; empty if nothing does.
    pub query: &'a str,
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor: u8,
    /// Where the body ends; see [`super::Body`].
    pub framing: BodyFraming,
    /// Whether the client would send another request on this connection.
    pub keep_alive: bool,
    /// The first `headers_count` are the request's, in their order.
    headers: [httparse::Header<'a>; HEADERS_MAX],
    headers_count: usize,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body.
    None,
    /// So many bytes follow the head.
    Length(u64),
    /// Chunks follow, the last of length 0.
    Chunked,
}

/// Decodes the request head at the front of `bytes`; `None` until all of it is there.
///
/// Also tells the head's length in bytes, the blank line and any empty lines before it included:
/// the body begins there. A line that cannot begin a request is an error as soon as that is seen.
pub fn decode<'a>(bytes: &'a [u8], limits: &HeadLimits) -> Result<Option<(RequestHead<'a>, usize)>, Error> {
    let Some((mut request, target, len)) = parse(bytes, limits)? else { return Ok(None) };
    (request.path, request.query) = split_target(request.method, target)?;
    request.check_host()?;
    request.framing = request.judge_framing(limits)?;
    request.keep_alive = request.judge_keep_alive();
    Ok(Some((request, len)))
}

/// Decodes where the body ends whose request's head is at the front of `bytes`, whatever its target is and for which host;
/// `None` until all of the head is there.
///
/// For a reader of [`decode`]'s errors that takes some of those requests nevertheless.
pub fn decode_framing(bytes: &[u8], limits: &HeadLimits) -> Result<Option<BodyFraming>, Error> {
    parse(bytes, limits)?.map(|(request, _, _)| request.judge_framing(limits)).transpose()
}

/// The lines of a head, its target, and its length; where the body ends is not looked at.
fn parse<'a>(
    bytes: &'a [u8],
    limits: &HeadLimits,
) -> Result<Option<(RequestHead<'a>, &'a str, usize)>, Error> {
    let Some(skipped) = empty_lines(bytes)? else { return Ok(None) };
    let bytes = &bytes[skipped..];
    let window = &bytes[..bytes.len().min(limits.head_bytes)];
    let clean = before_bare_line_feed(window);

    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers[..limits.headers.min(HEADERS_MAX)]);
    let head_len = match parsed.parse(clean) {
        Ok(httparse::Status::Complete(head_len)) => head_len,
        Ok(httparse::Status::Partial) if clean.len() < window.len() => return Err(Error::BareLineFeed),
        Ok(httparse::Status::Partial) if window.len() < limits.head_bytes => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(too_long(window)),
        Err(fault) => return Err(explain(fault, clean)),
    };
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Error::Method);
    };
    let headers_count = parsed.headers.len();

    let (path, query, framing, keep_alive) = ("", "", BodyFraming::None, false);
    let request = RequestHead { method, path, query, minor, framing, keep_alive, headers, headers_count };
    Ok(Some((request, target, skipped + head_len)))
}

impl<'a> RequestHead<'a> {
    /// The value of the first header of that name (in any case), without the spaces around it.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers(name).next()
    }

    /// The values of all headers of that name (in any case), in their order.
    pub fn headers(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.headers[..self.headers_count]
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.trim_ascii())
    }

    /// Names that several headers have, each with all its values in one, as a list is continued (RFC 9110, section 5.3),
    /// or cookies are (RFC 9113, section 8.2.3). Mostly there are none.
    pub fn repeated(&self) -> Vec<(&'a str, Vec<u8>)> {
        let headers = &self.headers[..self.headers_count];
        let mut found: Vec<(&str, Vec<u8>)> = Vec::new();
        for (n, header) in headers.iter().enumerate() {
            let name = header.name;
            let is_same = |other: &httparse::Header<'_>| other.name.eq_ignore_ascii_case(name);
            if headers[n + 1..].iter().any(is_same) && !headers[..n].iter().any(is_same) {
                let between: &[u8] = if name.eq_ignore_ascii_case("cookie") { b"; " } else { b", " };
                found.push((name, self.headers(name).collect::<Vec<_>>().join(between)));
            }
        }
        found
    }

    /// Names and values of all headers, in their order.
    pub fn all_headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.headers[..self.headers_count].iter().map(|header| (header.name, header.value))
    }

    /// Whether `token` (in any case) stands in the comma lists of that header.
    pub fn has_token(&self, header: &str, token: &str) -> bool {
        self.headers(header)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Whether the client asks to change to WebSocket. Key and version are still to be looked at.
    pub fn upgrade_websocket(&self) -> bool {
        self.method == "GET"
            && self.minor == 1
            && self.has_token("connection", "upgrade")
            && self.has_token("upgrade", "websocket")
    }

    /// Whether the client takes an answer in gzip (RFC 9110, section 12.5.3).
    pub fn accepts_gzip(&self) -> bool {
        let items = self.headers("accept-encoding").flat_map(|value| value.split(|byte| *byte == b','));
        items.filter_map(|item| str::from_utf8(item).ok()).any(is_gzip_wanted)
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub fn expect_continue(&self) -> bool {
        self.minor == 1 && self.has_token("expect", "100-continue")
    }

    fn check_host(&self) -> Result<(), Error> {
        let mut hosts = self.headers("host");
        match (hosts.next(), hosts.next()) {
            (None, _) if self.minor == 0 => Ok(()),
            (None, _) => Err(Error::HostMissing),
            (Some(_), Some(_)) => Err(Error::HostRepeated),
            (Some(host), None) if host.iter().all(|byte| is_authority(*byte)) => Ok(()),
            (Some(_), None) => Err(Error::Host),
        }
    }

    fn judge_framing(&self, limits: &HeadLimits) -> Result<BodyFraming, Error> {
        let length = self.content_length()?;
        let mut codings = self.headers("transfer-encoding");
        let Some(coding) = codings.next() else {
            return match length {
                Some(length) if length > limits.body_bytes as u64 => Err(Error::BodyTooLong),
                Some(length) => Ok(BodyFraming::Length(length)),
                None => Ok(BodyFraming::None),
            };
        };
        if length.is_some() {
            return Err(Error::TwoFramings);
        }
        if self.minor == 0 {
            return Err(Error::ChunkedOnHttp10);
        }
        if codings.next().is_some() || !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(Error::TransferCoding);
        }
        Ok(BodyFraming::Chunked)
    }

    fn content_length(&self) -> Result<Option<u64>, Error> {
        let mut lengths = self.headers("content-length");
        let Some(length) = lengths.next() else { return Ok(None) };
        if lengths.next().is_some() {
            return Err(Error::ContentLengthRepeated);
        }
        if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
            return Err(Error::ContentLength);
        }
        let digits = str::from_utf8(length).map_err(|_| Error::ContentLength)?;
        // What fits no u64 is a valid number, and longer than any limit.
        digits.parse().map(Some).map_err(|_| Error::BodyTooLong)
    }

    fn judge_keep_alive(&self) -> bool {
        let close = self.has_token("connection", "close");
        !close && (self.minor == 1 || self.has_token("connection", "keep-alive"))
    }
}

/// The length of the empty lines before a request, which RFC 9112 advises to skip; `None` while
/// nothing else has come.
fn empty_lines(bytes: &[u8]) -> Result<Option<usize>, Error> {
    let mut at = 0;
    for _ in 0..=EMPTY_LINES_MAX {
        match &bytes[at..] {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', ..] => at += 2,
            [b'\r', ..] => return Err(Error::LineEnd),
            [b'\n', ..] => return Err(Error::BareLineFeed),
            _ => return Ok(Some(at)),
        }
    }
    Err(Error::EmptyLines)
}

/// The bytes before the first line feed of the head that no carriage return precedes; all of them
/// if there is none. httparse takes such a line end, other readers do not.
fn before_bare_line_feed(bytes: &[u8]) -> &[u8] {
    for at in memchr::memchr_iter(b'\n', bytes) {
        let line = &bytes[..at];
        if !line.ends_with(b"\r") {
            return line;
        }
        if line.ends_with(b"\r\n\r") {
            break;
        }
    }
    bytes
}

/// Which limit a head of so many bytes without an end has broken.
fn too_long(window: &[u8]) -> Error {
    match memchr::memchr(b'\n', window) {
        Some(_) => Error::HeadTooLong,
        None => Error::TargetTooLong,
    }
}

/// Says in our words what httparse found wrong with `bytes`.
fn explain(fault: httparse::Error, bytes: &[u8]) -> Error {
    let mut words = bytes.split(|byte| *byte == b' ');
    match fault {
        httparse::Error::Token if words.next().is_some_and(is_token) => Error::Target,
        httparse::Error::Token => Error::Method,
        httparse::Error::Version => match words.nth(2) {
            Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', ..]) => Error::Version,
            _ => Error::NotHttp,
        },
        httparse::Error::HeaderName => Error::HeaderName,
        httparse::Error::HeaderValue => Error::HeaderValue,
        httparse::Error::TooManyHeaders => Error::TooManyHeaders,
        httparse::Error::NewLine | httparse::Error::Status => Error::LineEnd,
    }
}

/// Path and query of a target in origin form, absolute form, or `*` of OPTIONS.
fn split_target<'a>(method: &str, target: &'a str) -> Result<(&'a str, &'a str), Error> {
    if target.contains('#') {
        return Err(Error::Target);
    }
    let local = match target {
        "*" if method == "OPTIONS" => return Ok(("*", "")),
        _ if target.starts_with('/') => target,
        _ => after_authority(target).ok_or(Error::Target)?,
    };
    let (path, query) = local.split_once('?').unwrap_or((local, ""));
    Ok((if path.is_empty() { "/" } else { path }, query))
}

/// What follows `http://host` in an absolute target.
fn after_authority(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
    (authority_len > 0 && rest.bytes().take(authority_len).all(is_authority)).then(|| &rest[authority_len..])
}

/// Whether a byte may stand in `host:port`; a user's name and password may not.
fn is_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&byte)
}

fn is_token(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// Old clients end a POST with a line end too many; nobody needs more.
const EMPTY_LINES_MAX: usize = 2;

/// Whether an item of `Accept-Encoding` names gzip, and not with a weight of nothing.
fn is_gzip_wanted(item: &str) -> bool {
    let (name, weight) = item.split_once(';').unwrap_or((item, ""));
    let is_gzip = ["gzip", "x-gzip"].iter().any(|gzip| name.trim().eq_ignore_ascii_case(gzip));
    let weight =
        weight.trim().split_once('=').map_or(1.0, |(_, weight)| weight.trim().parse().unwrap_or(0.0));
    is_gzip && weight > 0.0
}
