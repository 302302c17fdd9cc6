//! What a request of the WAIT line may want, in no protocol's words.

use std::borrow::Cow;
use std::time::Duration;

use hub::{Before, Start};

use crate::native::Credentials;
use crate::{Problem, Speech};

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Intent {
    /// To wait for messages.
    Wait(Box<Wait>),
    /// An answer that is known at once.
    Answer(Answer),
}

/// A wish to wait.
#[derive(Debug, PartialEq, Eq)]
pub struct Wait {
    /// The channels, checked, each once.
    pub names: Vec<Box<str>>,
    /// From where.
    pub start: Start,
    /// A page of what was said before is wanted, and no wait.
    pub older: Option<Box<Older>>,
    /// This is to be published to them, and there is no wait.
    pub speech: Option<Box<Speech>>,
    /// Who is on the channels is asked for, and who comes and goes.
    pub presence: bool,
    /// How.
    pub transport: Transport,
    /// Whether payloads go bare where the transport has both ways.
    pub bare: bool,
    /// The id that the client says it had, in the form of one.
    pub connection: Option<Box<str>>,
    /// How long a poll waits at most, where the client says it; zero: it is answered at once.
    pub patience: Option<Duration>,
    /// How long a stream is silent at most, where the client says it; a second at least.
    pub heartbeat: Option<Duration>,
    /// Whether what comes may be compressed.
    pub compression: bool,
    /// Only the head is wanted (`HEAD`).
    pub head_only: bool,
    /// A refusal that passes is told by an event, and not by a status.
    pub hears_refusals: bool,
    /// What the client shows of itself.
    pub credentials: Option<Box<Credentials>>,
}

impl Wait {
    /// A wish for a stream of these channels from there on, of which nothing else is said.
    pub fn of(names: Vec<Box<str>>, start: Start) -> Self {
        Self {
            names,
            start,
            older: None,
            speech: None,
            presence: false,
            transport: Transport::Stream,
            bare: false,
            connection: None,
            patience: None,
            heartbeat: None,
            compression: false,
            head_only: false,
            hears_refusals: false,
            credentials: None,
        }
    }
}

/// A wish for a page of what was said before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Older {
    /// From where back.
    pub before: Before,
    /// How many messages at the most.
    pub limit: u8,
    /// What is to be said of its parameters.
    pub warning: Option<Box<str>>,
}

/// How bytes reach a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One answer with all that is due, when something is.
    Poll,
    /// Server-Sent Events.
    Sse,
    /// An endless response, one message a line.
    Stream,
    /// WebSocket.
    WebSocket,
}

/// An answer without waiting.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type of the body; empty: no body at all.
    pub content_type: &'static str,
    /// Who may keep it, and how long: `Cache-Control`.
    pub cache: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

impl Answer {
    /// 200 with a text.
    pub fn ok(content_type: &'static str, body: &'static str) -> Self {
        let body = Cow::Borrowed(body.as_bytes());
        Self { status: 200, content_type, cache: NO_STORE, headers: Vec::new(), body }
    }
}

impl From<web::Answer> for Answer {
    fn from(answer: web::Answer) -> Self {
        let web::Answer { status, content_type, cache, headers, body } = answer;
        Self { status, content_type, cache, headers, body: Cow::Borrowed(body) }
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        // Whoever must upgrade is told to what (RFC 9110, 15.5.22; RFC 6455, 4.2.2).
        let upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")];
        let told = upgrade.into_iter().filter(|_| problem.status == 426);
        // Whoever must show credentials is told of what kind (RFC 9110, 15.5.2).
        let told = told.chain([("WWW-Authenticate", "Bearer")].into_iter().filter(|_| problem.status == 401));
        // Whoever may come back is told when (RFC 9110, 10.2.3), pages of other origins too.
        let later = [("Retry-After", RETRY_AFTER_S), ("Access-Control-Expose-Headers", "Retry-After")];
        let told = told.chain(later.into_iter().filter(|_| matches!(problem.status, 429 | 503)));
        Self {
            status: problem.status,
            content_type: "application/problem+json",
            cache: NO_STORE,
            headers: told.map(|(name, value)| (name, value.to_owned())).collect(),
            body: problem.document().into(),
        }
    }
}

/// After how many seconds to ask again where it cannot be done now.
const RETRY_AFTER_S: &str = "1";

/// What is said with every answer that holds what others wrote, which is nobody's page whatever type they gave it: no
/// browser guesses another type (Fetch, section 3.5), runs it with the rights of this host (Content Security Policy,
/// section 7.2.2), or shows it in a page that may not read it (Fetch, section 3.6).
pub const GUARDS: [(&str, &str); 3] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "sandbox"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

/// What is true at one moment for one client.
pub const NO_STORE: &str = "no-store";
