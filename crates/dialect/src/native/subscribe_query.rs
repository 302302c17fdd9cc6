//! How a client asks to wait: by which transport, from where on, and in what form.

use std::borrow::Cow;
use std::time::Duration;

use hub::{Start, excerpt};

use super::context::Context;
use super::paths::WaitPath;
use super::since::{is_last_event_id, last_event_id, since};
use crate::{Code, Problem, Request, Transport};

/// The parameters of a subscription.
#[derive(Default)]
pub(super) struct SubscribeQuery<'a> {
    pub(super) transport: Option<Cow<'a, str>>,
    /// Libraries that cannot set headers say the last id so.
    pub(super) last_id: Option<Cow<'a, str>>,
    since: Option<Cow<'a, str>>,
    tail: Option<u32>,
    /// The id that the client's connection had.
    pub(super) connection: Option<Box<str>>,
    pub(super) wait: Option<u32>,
    pub(super) heartbeat: Option<Duration>,
    pub(super) raw: bool,
    pub(super) envelope: bool,
    /// Who is on the channels is asked for, and who comes and goes.
    pub(super) presence: bool,
    /// Refusals of event streams are wanted as what they are (`errors=status`).
    pub(super) by_status: bool,
    /// Nothing is to be compressed, whatever `Accept-Encoding` says (`compression=off`).
    pub(super) uncompressed: bool,
}

impl<'a> SubscribeQuery<'a> {
    /// Unknown parameters are left alone: sites add their own against caches.
    pub(super) fn read(query: &'a str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            asked.take(&key, value)?;
        }
        Ok(asked)
    }

    /// The same of a query that is the application's, too: what would be wrong here may be right there, and is passed over.
    pub(super) fn read_of_page(query: &'a str) -> Self {
        let mut asked = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            // Whatever it is, what else the client asks for stands.
            let _ = asked.take(&key, value);
        }
        asked
    }

    fn take(&mut self, key: &str, value: Cow<'a, str>) -> Result<(), Problem> {
        match key {
            "transport" => self.transport = Some(value),
            // A client's template has nothing to put there before its first answer.
            "since" | "tail" | "wait" | "heartbeat" | "connection" if value.is_empty() => {}
            name if is_last_event_id(name) => self.last_id = Some(value).filter(|id| !id.is_empty()),
            "since" => self.since = Some(value),
            "tail" => self.tail = Some(number("tail", &value)?),
            "connection" => self.connection = Some(connection(&value)?),
            "wait" => self.wait = Some(number("wait", &value)?),
            "heartbeat" => self.heartbeat = Some(heartbeat(&value)?),
            "join" => return Err(Problem::bad(Code::Join, JOIN)),
            "raw" => self.raw = flag("raw", &value)?,
            "presence" => self.presence = flag("presence", &value)?,
            "envelope" => self.envelope = flag("envelope", &value)?,
            "errors" => self.by_status = errors(&value)?,
            "compression" => self.uncompressed = is_off(&value)?,
            _ => {}
        }
        Ok(())
    }

    /// `Last-Event-ID` beats the same in the query, that beats `since`, and `since` beats `tail`.
    pub(super) fn start(&self, request: &Request<'_>, context: Context<'_>) -> Result<Start, Problem> {
        let header = (request.header)("last-event-id").filter(|id| !id.is_empty());
        if let Some(id) = header.or_else(|| self.last_id.as_deref().map(str::as_bytes)) {
            return Ok(last_event_id(id, context.cursors));
        }
        match (&self.since, self.tail) {
            (Some(text), _) => since(text, context.cursors, context.now),
            (None, Some(tail)) => Ok(Start::Tail(tail)),
            (None, None) => Ok(Start::Now),
        }
    }
}

/// What the address is for, or what `?transport=` says, or what `Upgrade` and `Accept` ask for.
pub(super) fn transport(
    request: &Request<'_>,
    address: WaitPath,
    asked: Option<&str>,
) -> Result<Transport, Problem> {
    let asked = match asked {
        None => None,
        Some("poll") => Some(Transport::Poll),
        Some("sse") => Some(Transport::Sse),
        Some("stream") => Some(Transport::Stream),
        Some("ws") => Some(Transport::WebSocket),
        Some(other) => {
            let detail = format!("transport is {:?}; give sse, ws, stream or poll", excerpt(other));
            return Err(Problem::bad(Code::Transport, detail));
        }
    };
    if let (Some(told), Some(asked)) = (address.transport, asked)
        && told != asked
    {
        let (path, told, asked) = (address.path, name_of(told), word_of(asked));
        let detail = format!(
            "{path} is for {told}, and transport is {asked}; leave transport out, or say /{asked}/ in place of {path}"
        );
        return Err(Problem::bad(Code::Transport, detail));
    }
    let has_key = (request.header)("sec-websocket-key").is_some();
    match address.transport.or(asked) {
        Some(Transport::WebSocket) if request.upgrade => Ok(Transport::WebSocket),
        Some(Transport::WebSocket) => Err(upgrade_missing(has_key)),
        // A key is what no other client sends, whatever proxies add to each request.
        Some(told) if address.transport.is_some() && request.upgrade && has_key => {
            let (path, told) = (address.path, name_of(told));
            let detail = format!(
                "{path} is for {told}, and this is a WebSocket handshake; say /ws/ in place of {path}"
            );
            Err(Problem::bad(Code::Transport, detail))
        }
        Some(told) => Ok(told),
        None if request.upgrade => Ok(Transport::WebSocket),
        // Whoever sent it waits for the answer to a handshake, and for no message.
        None if has_key => Err(upgrade_missing(true)),
        None => Ok(accepted(request)),
    }
}

/// What `Accept` asks for.
fn accepted(request: &Request<'_>) -> Transport {
    let accept = (request.header)("accept").unwrap_or_default().to_ascii_lowercase();
    let accepts = |kind: &[u8]| accept.windows(kind.len()).any(|window| window == kind);
    if accepts(b"text/event-stream") {
        Transport::Sse
    } else if accepts(b"application/x-ndjson") {
        Transport::Stream
    } else {
        Transport::Poll
    }
}

/// A handshake is none (RFC 6455, section 4.2.1).
fn upgrade_missing(has_key: bool) -> Problem {
    let detail = if has_key {
        "this WebSocket handshake is none: it has come without `Upgrade: websocket` and `Connection: Upgrade`, or not by GET \
         in HTTP/1.1; where a proxy on the way made it so, let it pass WebSockets on, or wait by Server-Sent Events"
    } else {
        "a WebSocket needs a handshake: Upgrade: websocket, Connection: Upgrade, Sec-WebSocket-Version: 13 and a \
         Sec-WebSocket-Key; a proxy may have removed them"
    };
    Problem::new(426, Code::Upgrade, detail)
}

/// How a transport is called in `?transport=` and in the path.
fn word_of(transport: Transport) -> &'static str {
    match transport {
        Transport::Poll => "poll",
        Transport::Sse => "sse",
        Transport::Stream => "stream",
        Transport::WebSocket => "ws",
    }
}

/// How it is called in a sentence.
fn name_of(transport: Transport) -> &'static str {
    match transport {
        Transport::Poll => "long polls",
        Transport::Sse => "Server-Sent Events",
        Transport::Stream => "HTTP streams",
        Transport::WebSocket => "WebSockets",
    }
}

fn flag(name: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "1" | "true" | "" => Ok(true),
        "0" | "false" => Ok(false),
        other => Err(Problem::bad(Code::Flag, format!("{name} is {:?}; give 1 or 0", excerpt(other)))),
    }
}

fn errors(value: &str) -> Result<bool, Problem> {
    match value {
        "status" => Ok(true),
        "event" | "" => Ok(false),
        other => {
            Err(Problem::bad(Code::Errors, format!("errors is {:?}; give status or event", excerpt(other))))
        }
    }
}

fn is_off(value: &str) -> Result<bool, Problem> {
    match value {
        "off" => Ok(true),
        "on" | "" => Ok(false),
        other => {
            let detail = format!("compression is {:?}; give off or on", excerpt(other));
            Err(Problem::bad(Code::Compression, detail))
        }
    }
}

/// An id of a connection has the form of one; whether it ever was one, whoever made it knows.
fn connection(value: &str) -> Result<Box<str>, Problem> {
    let is_one = value.len() == CONNECTION_LEN
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_one {
        return Ok(value.into());
    }
    let detail = format!(
        "connection is {:?}; give the id of the last connection as you got it, or leave it out",
        excerpt(value)
    );
    Err(Problem::bad(Code::Connection, detail))
}

/// Reads a `heartbeat`: after how many seconds of silence at the latest a stream says that it lives.
pub fn heartbeat(value: &str) -> Result<Duration, Problem> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // More than can be counted is more than the server's own.
    let seconds = is_number.then(|| value.parse::<u32>().unwrap_or(u32::MAX)).filter(|seconds| *seconds > 0);
    let seconds = seconds.ok_or_else(|| {
        let value = excerpt(value);
        let detail = format!(
            "heartbeat is {value:?}; give whole seconds, 1 at least, such as 5; what is more than the server's own \
             counts as that"
        );
        Problem::bad(Code::Heartbeat, detail)
    })?;
    Ok(Duration::from_secs(seconds.into()))
}

fn number(name: &str, value: &str) -> Result<u32, Problem> {
    value.parse().map_err(|_| {
        let value = excerpt(value);
        Problem::bad(Code::Number, format!("{name} is {value:?}; give a whole number from 0 to 4294967295"))
    })
}

/// Characters of a connection's id.
const CONNECTION_LEN: usize = 22;
/// What is told to who says `join` itself.
const JOIN: &str = "`join` is for the application to say: in a token, in what the hook says, or by POST /users/USER/channels; name the \
    channels in the path";
