//! One request over one connection, and exactly what came back, and when.
//!
//! By hand, since what is looked at is what a client library hides: when the first byte came, how the answer
//! is framed, whether an upgrade went through, when a silent connection was closed.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::finding::{Finding, Level};
use crate::limits::{ANSWER_LEN_MAX, CONNECT_MAX, FIRST_WORD_MAX};
use crate::link::{ProbeLink, ProbeTls};

/// Where a WAIT line is to be reached.
#[derive(Debug, Clone)]
pub(crate) struct LineAddress {
    host: String,
    /// Host and port, to connect to.
    address: String,
    /// What stands before `/sub/`, without its last slash.
    prefix: String,
    tls: Option<ProbeTls>,
}

impl LineAddress {
    /// Reads a URL; `authorities` is a file of those whose certificates are trusted.
    pub(crate) fn read(url: &str, authorities: Option<&Path>) -> anyhow::Result<Self> {
        let is_tls = url.starts_with("https://");
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() || host.contains('@') || url.contains(['?', '#', ' ', '\r', '\n']) {
            bail!("the URL is {url:?}; give that of a WAIT line, such as http://push.example:8088");
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let port = if is_tls { 443 } else { 80 };
        let address = if has_port { host.to_owned() } else { format!("{host}:{port}") };
        let path = path.trim_end_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("/{path}") };
        let name = if has_port { host.rsplit_once(':').map_or(host, |(name, _)| name) } else { host };
        let tls = is_tls.then(|| ProbeTls::new(name, authorities)).transpose()?;
        Ok(Self { host: host.to_owned(), address, prefix, tls })
    }

    /// The address as a browser names it: scheme, host, and port where it is not the usual one.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.host)
    }

    /// What is to be said about TLS once somebody was asked over it.
    pub(crate) fn tls_findings(&self) -> Vec<Finding> {
        let Some(tls) = &self.tls else { return Vec::new() };
        let link = self.connect(&[b"h2", b"http/1.1"]);
        let http2 = link.is_ok_and(|link| link.protocol() == Some(b"h2"));
        let text = if http2 {
            "HTTP/2: spoken with browsers, so the waiting tabs of one share a connection; looked at with HTTP/1.1, as \
             WebSockets are"
        } else {
            "HTTP/2: not spoken, so a browser has at most six tabs that wait, WebSockets apart"
        };
        vec![tls.certificate(), Finding::new("http2", Level::Note, text)]
    }

    /// Asks for `/sub/` with `query`, and reads until `enough` says so, the end, or `patience` is over.
    pub(crate) fn ask(
        &self,
        query: &str,
        headers: &str,
        patience: Duration,
        enough: impl Fn(&ProbeAnswer) -> bool,
    ) -> anyhow::Result<ProbeAnswer> {
        let mut dialogue = self.begin(query, headers)?;
        dialogue.read(patience, enough);
        Ok(dialogue.answer)
    }

    /// Connects and asks for the channel of a doctor.
    pub(crate) fn begin(&self, query: &str, headers: &str) -> anyhow::Result<Dialogue> {
        self.begin_at(&format!("{CHANNEL}{query}"), headers)
    }

    /// Connects and asks for what stands behind `/sub/`.
    pub(crate) fn begin_at(&self, names: &str, headers: &str) -> anyhow::Result<Dialogue> {
        // A refusal is wanted as what it is.
        let mark = if names.contains('?') { '&' } else { '?' };
        self.begin_path(&format!("/sub/{names}{mark}errors=status"), headers)
    }

    /// Connects and asks for what is at this path of the server.
    pub(crate) fn begin_path(&self, path: &str, headers: &str) -> anyhow::Result<Dialogue> {
        let mut link = self.connect(&[b"http/1.1"])?;
        let (prefix, host) = (&self.prefix, &self.host);
        let request = format!("GET {prefix}{path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        let start = Instant::now();
        // If the server closes at once, reading says so.
        let _ = link.write_all(request.as_bytes());
        Ok(Dialogue { link, start, answer: ProbeAnswer::default() })
    }

    fn connect(&self, protocols: &[&[u8]]) -> anyhow::Result<ProbeLink> {
        let addresses = self.address.to_socket_addrs();
        let mut addresses = addresses.with_context(|| format!("there is no host {}", self.host))?;
        let address = addresses.next().with_context(|| format!("there is no host {}", self.host))?;
        let stream = TcpStream::connect_timeout(&address, CONNECT_MAX)
            .with_context(|| format!("nobody answers at {}", self.address))?;
        let Some(tls) = &self.tls else { return Ok(ProbeLink::Plain(stream)) };
        stream.set_read_timeout(Some(FIRST_WORD_MAX))?;
        tls.begin(stream, protocols).with_context(|| format!("https://{}", self.host))
    }
}

/// A connection, and what came over it so far.
#[derive(Debug)]
pub(crate) struct Dialogue {
    link: ProbeLink,
    start: Instant,
    pub(crate) answer: ProbeAnswer,
}

impl Dialogue {
    /// Reads on; `patience` begins now.
    pub(crate) fn read(&mut self, patience: Duration, enough: impl Fn(&ProbeAnswer) -> bool) {
        let end = Instant::now() + patience;
        let mut piece = [0; 4_096];
        while !self.answer.ended && !enough(&self.answer) && self.answer.raw.len() < ANSWER_LEN_MAX {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.link.set_read_timeout(left).is_err() {
                return;
            }
            match self.link.read(&mut piece) {
                Ok(0) => self.answer.ended = true,
                Ok(len) => self.answer.raw.extend_from_slice(&piece[..len]),
                Err(error) if is_silence(&error) => continue,
                Err(_) => self.answer.ended = true,
            }
            self.answer.time = self.start.elapsed();
            self.answer.parse();
        }
    }

    /// Whether the other side is at the address from which it was connected to, as where both are one machine.
    pub(crate) fn is_at_home(&self) -> bool {
        self.link.addresses().is_some_and(|(here, there)| here == there)
    }

    /// Says something more, as after an upgrade.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let _ = self.link.write_all(bytes);
    }
}

/// What came back.
#[derive(Debug, Default, Clone)]
pub(crate) struct ProbeAnswer {
    raw: Vec<u8>,
    /// Nothing more comes: the other side closed, or a body with a length is complete.
    pub(crate) ended: bool,
    /// When the last piece came, or the end.
    pub(crate) time: Duration,
    /// 0 as long as the head is not complete.
    pub(crate) status: u16,
    /// Whether it speaks HTTP/1.1.
    pub(crate) modern: bool,
    pub(crate) headers: Vec<(String, String)>,
    /// As far as it came, without its framing.
    pub(crate) body: Vec<u8>,
}

impl ProbeAnswer {
    /// The values of a header, joined as if it were one.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| &**value).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub(crate) fn says(&self, text: &str) -> bool {
        self.body.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// What a refusal of the server itself says; `None` where it is somebody else's.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.header("content-type")? != "application/problem+json" {
            return None;
        }
        let problem: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        problem["detail"].as_str().map(str::to_owned)
    }

    /// Reads all that came from its beginning again; it is little.
    fn parse(&mut self) {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(len)) = response.parse(&self.raw) else { return };
        self.status = response.code.unwrap_or_default();
        self.modern = response.version == Some(1);
        let text = |value: &[u8]| String::from_utf8_lossy(value).trim().to_owned();
        self.headers = response
            .headers
            .iter()
            .map(|header| (header.name.to_ascii_lowercase(), text(header.value)))
            .collect();
        let rest = &self.raw[len..];
        let chunked = self.header("transfer-encoding").is_some_and(|value| value.contains("chunked"));
        let length = self.header("content-length").and_then(|value| value.parse::<usize>().ok());
        let (body, complete) = match length {
            _ if chunked => dechunk(rest),
            Some(length) => (rest[..length.min(rest.len())].to_vec(), rest.len() >= length),
            None => (rest.to_vec(), false),
        };
        self.body = body;
        self.ended |= complete;
    }

    #[cfg(test)]
    pub(crate) fn of(raw: &str, ended: bool) -> Self {
        let mut answer =
            Self { raw: raw.as_bytes().to_vec(), ended, time: Duration::from_millis(3), ..Self::default() };
        answer.parse();
        answer
    }
}

/// The data of as many chunks as came, and whether the last one did.
fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Ok(httparse::Status::Complete((at, len))) = httparse::parse_chunk_size(rest) {
        if len == 0 {
            return (body, true);
        }
        let data = &rest[at..];
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        body.extend_from_slice(&data[..len.min(data.len())]);
        match len.checked_add(2).and_then(|len| data.get(len..)) {
            Some(next) => rest = next,
            None => break,
        }
    }
    (body, false)
}

fn is_silence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

/// The channel that a doctor waits on.
pub(crate) const CHANNEL: &str = "multiplexor.doctor";
/// What asks for Server-Sent Events.
pub(crate) const SSE_HEADERS: &str = "Accept: text/event-stream\r\n";
/// What asks for a WebSocket, with the key that is the example of RFC 6455. Nothing is secret about it.
pub(crate) const WS_HEADERS: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_url() {
        let place = |url: &str| LineAddress::read(url, None).map(|place| (place.address, place.prefix));
        assert_eq!(place("http://a").unwrap(), ("a:80".to_owned(), String::new()));
        assert_eq!(place("http://[::1]:81/x/y/").unwrap(), ("[::1]:81".to_owned(), "/x/y".to_owned()));
        for bad in ["", "a:1", "http://", "http:///x", "http://a/?b", "http://a b", "http://u@a"] {
            assert!(place(bad).unwrap_err().to_string().contains("give that of a WAIT line"), "{bad}");
        }
        assert_eq!(place("https://a/x").unwrap(), ("a:443".to_owned(), "/x".to_owned()));
        assert_eq!(place("https://[::1]:81").unwrap().0, "[::1]:81");
        let told = LineAddress::read("https://a", Some(Path::new("/dev/null"))).unwrap_err().to_string();
        assert!(told.contains("BEGIN CERTIFICATE"), "{told}");
    }

    #[test]
    fn an_answer_is_read_at_every_cut() {
        let raw = "HTTP/1.1 200 OK\r\nA: 1\r\nA: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        for cut in 0..raw.len() {
            let answer = ProbeAnswer::of(&raw[..cut], false);
            assert!(b"abcde".starts_with(&answer.body[..]), "{cut}");
        }
        let answer = ProbeAnswer::of(raw, false);
        assert_eq!((&answer.body[..], answer.ended, answer.status), (&b"abcde"[..], true, 200));
        assert_eq!(answer.header("a").as_deref(), Some("1, 2"));
    }

    #[test]
    fn a_length_ends_a_body() {
        let answer = |body: &str| {
            ProbeAnswer::of(&format!("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{body}"), false)
        };
        assert_eq!((answer("a").ended, answer("ab").ended, answer("").modern), (false, true, false));
    }
}
