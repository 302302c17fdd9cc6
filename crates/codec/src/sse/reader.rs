//! An event stream as a client reads it: for our own tools and tests.
//!
//! What the WHATWG algorithm tells a program, this tells, however the stream was cut. There is no
//! reconnecting here: the caller keeps `last_id` and `retry_ms` and uses them.

/// The reader of one event stream.
#[derive(Clone, Debug)]
pub struct SseReader {
    /// The line that is not complete yet.
    line: Vec<u8>,
    /// The last byte was a CR: a LF that follows belongs to it.
    after_cr: bool,
    /// No line was complete yet: a byte order mark may stand in front.
    at_start: bool,
    /// Fields of the event that is not dispatched yet. Each line of data ends with LF.
    data: Vec<u8>,
    event: String,
    /// The id of the last block that ended, and the one that the next end makes valid.
    last_id: String,
    next_id: String,
    retry_ms: Option<u64>,
    limit: usize,
}

/// An event as a program is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatched {
    /// Its name; `message` if it had none.
    pub event: String,
    /// Its data, lines joined by LF. Bytes, since a test wants to see what a browser would replace.
    pub data: Vec<u8>,
    /// The id that is valid since this event or an earlier block; empty if there was none.
    pub last_id: String,
}

/// A stream that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An event over the reader's limit.
    #[error("the event is longer than {0} bytes")]
    TooLong(usize),
}

impl SseReader {
    /// A reader at the beginning of a stream, which refuses an event or a line longer than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            after_cr: false,
            at_start: true,
            data: Vec::new(),
            event: String::new(),
            last_id: String::new(),
            next_id: String::new(),
            retry_ms: None,
            limit,
        }
    }

    /// Takes all of `bytes` and appends the events they complete to `out`. An error is final.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Dispatched>) -> Result<(), Error> {
        let mut rest = bytes;
        while let Some((first, tail)) = rest.split_first() {
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                rest = tail;
                continue;
            }
            let Some(end) = memchr::memchr2(b'\r', b'\n', rest) else { return self.keep(rest) };
            self.keep(&rest[..end])?;
            self.after_cr = rest[end] == b'\r';
            self.end_line(out)?;
            rest = &rest[end + 1..];
        }
        Ok(())
    }

    /// The id of the last block that ended, as a client would send it back; empty if there was none.
    pub fn last_id(&self) -> &str {
        &self.last_id
    }

    /// How long the server asked to wait before reconnecting.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.line.len() + self.data.len() + bytes.len() > self.limit {
            return Err(Error::TooLong(self.limit));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, out: &mut Vec<Dispatched>) -> Result<(), Error> {
        let line = std::mem::take(&mut self.line);
        let text = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(text) if self.at_start => text,
            _ => &line,
        };
        self.at_start = false;
        match memchr::memchr(b':', text) {
            None if text.is_empty() => self.dispatch(out),
            None => self.field(text, b""),
            Some(0) => {}
            Some(colon) => {
                let value = &text[colon + 1..];
                self.field(&text[..colon], value.strip_prefix(b" ").unwrap_or(value));
            }
        }
        // The line's memory serves the next one.
        self.line = line;
        self.line.clear();
        if self.data.len() > self.limit { Err(Error::TooLong(self.limit)) } else { Ok(()) }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => self.event = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&b'\0') => self.next_id = String::from_utf8_lossy(value).into_owned(),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let digits = str::from_utf8(value).unwrap_or_default();
                self.retry_ms = digits.parse().ok().or(self.retry_ms);
            }
            _ => {}
        }
    }

    /// A blank line: the id is valid from here on; an event is told only if it has data.
    fn dispatch(&mut self, out: &mut Vec<Dispatched>) {
        self.last_id.clone_from(&self.next_id);
        let event = std::mem::take(&mut self.event);
        let mut data = std::mem::take(&mut self.data);
        if data.pop().is_some() {
            let event = if event.is_empty() { "message".to_owned() } else { event };
            out.push(Dispatched { event, data, last_id: self.last_id.clone() });
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
