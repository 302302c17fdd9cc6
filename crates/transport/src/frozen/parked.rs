//! What a client wants that is not let in yet, as plain data. Whoever goes on with it asks anew who it
//! is. What was passed on to the application (it has neither names nor credentials) is not asked again, since that
//! could do something twice: it is refused.

use std::time::Duration;

use dialect::hub::{Before, Kind, Position};
use dialect::native::{Credentials, Shown};
use dialect::{Except, Older, Speech, Transport, Wait};
use serde::{Deserialize, Serialize};

use super::FrozenStart;
use crate::conn::Parked;

/// A wish to wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FrozenParked {
    names: Vec<String>,
    start: FrozenStart,
    older: Option<FrozenOlder>,
    speech: Option<FrozenSpeech>,
    presence: bool,
    transport: u8,
    bare: bool,
    connection: Option<String>,
    hears_refusals: bool,
    patience_ms: Option<u64>,
    heartbeat_s: Option<u64>,
    compression: bool,
    credentials: Option<FrozenCredentials>,
    head: Vec<u8>,
}

/// A wish for what was said before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FrozenOlder {
    before: FrozenBefore,
    limit: u8,
    warning: Option<String>,
}

/// A wish to say something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FrozenSpeech {
    data: Vec<u8>,
    kind: u8,
    content_type: Option<String>,
    event: Option<String>,
    ttl: Option<u64>,
    key: Option<String>,
    except: Option<String>,
    is_unproven: bool,
    warning: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum FrozenBefore {
    End,
    Place(u64),
    Lost,
}

/// What the client shows of itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FrozenCredentials {
    shown: FrozenShown,
    ambient: bool,
    foreign: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
enum FrozenShown {
    Tokens(Vec<String>),
    Headers(String),
    Signature { path: String, expires: String, user: String, iat: String, signature: String },
}

/// Never shown by accident.
impl std::fmt::Debug for FrozenCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FrozenCredentials(…)")
    }
}

impl FrozenParked {
    pub(super) fn freeze(parked: &Parked) -> Self {
        let Parked { wait, head, ticket: _ } = parked;
        Self {
            names: wait.names.iter().map(|name| name.to_string()).collect(),
            start: FrozenStart::freeze(wait.start),
            presence: wait.presence,
            older: wait.older.as_deref().map(FrozenOlder::freeze),
            speech: wait.speech.as_deref().map(FrozenSpeech::freeze),
            transport: wait.transport as u8,
            bare: wait.bare,
            connection: wait.connection.as_deref().map(str::to_owned),
            hears_refusals: wait.hears_refusals,
            patience_ms: wait.patience.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            heartbeat_s: wait.heartbeat.map(|time| time.as_secs()),
            compression: wait.compression,
            credentials: wait.credentials.as_deref().map(FrozenCredentials::freeze),
            head: head.clone(),
        }
    }

    /// `None`: the data are none of ours.
    pub(super) fn thaw(self) -> Option<Parked> {
        let transports = [Transport::Poll, Transport::Sse, Transport::Stream, Transport::WebSocket];
        let wait = Wait {
            names: self.names.into_iter().map(String::into_boxed_str).collect(),
            start: self.start.thaw(),
            presence: self.presence,
            older: self.older.map(|older| Box::new(older.thaw())),
            speech: self.speech.map(|speech| Box::new(speech.thaw())),
            transport: transports.into_iter().find(|transport| *transport as u8 == self.transport)?,
            bare: self.bare,
            connection: self.connection.map(Into::into),
            hears_refusals: self.hears_refusals,
            patience: self.patience_ms.map(Duration::from_millis),
            heartbeat: self.heartbeat_s.map(Duration::from_secs),
            compression: self.compression,
            head_only: false,
            credentials: self.credentials.map(|credentials| Box::new(credentials.thaw())),
        };
        // Whoever holds it next asks anew, by a ticket of its own.
        Some(Parked { wait, head: self.head, ticket: 0 })
    }
}

impl FrozenOlder {
    fn freeze(older: &Older) -> Self {
        let before = match older.before {
            Before::End => FrozenBefore::End,
            Before::Place(place) => FrozenBefore::Place(place.to_bits()),
            Before::Lost => FrozenBefore::Lost,
        };
        Self { before, limit: older.limit, warning: older.warning.as_deref().map(str::to_owned) }
    }

    fn thaw(self) -> Older {
        let before = match self.before {
            FrozenBefore::End => Before::End,
            FrozenBefore::Place(place) => Before::Place(Position::from_bits(place)),
            FrozenBefore::Lost => Before::Lost,
        };
        Older { before, limit: self.limit, warning: self.warning.map(Into::into) }
    }
}

impl FrozenSpeech {
    fn freeze(speech: &Speech) -> Self {
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        Self {
            data: speech.data.clone(),
            kind: speech.kind as u8,
            content_type: text(&speech.content_type),
            event: text(&speech.event),
            ttl: speech.ttl,
            key: text(&speech.key),
            except: match &speech.except {
                Except::Nobody => None,
                // A request names a connection.
                Except::Sender => Some(String::new()),
                Except::Connection(id) => Some(id.to_string()),
            },
            is_unproven: speech.is_unproven,
            warning: text(&speech.warning),
        }
    }

    fn thaw(self) -> Speech {
        let kinds = [Kind::Either, Kind::Text, Kind::Json, Kind::Binary];
        Speech {
            data: self.data,
            kind: kinds.into_iter().find(|kind| *kind as u8 == self.kind).unwrap_or(Kind::Binary),
            content_type: self.content_type.map(Into::into),
            event: self.event.map(Into::into),
            ttl: self.ttl,
            key: self.key.map(Into::into),
            except: match self.except {
                None => Except::Nobody,
                Some(id) if id.is_empty() => Except::Sender,
                Some(id) => Except::Connection(id.into()),
            },
            is_unproven: self.is_unproven,
            warning: self.warning.map(Into::into),
        }
    }
}

impl FrozenCredentials {
    fn freeze(credentials: &Credentials) -> Self {
        let text = |text: &str| text.to_owned();
        let shown = match &credentials.shown {
            Shown::Tokens(tokens) => FrozenShown::Tokens(tokens.iter().map(|token| text(token)).collect()),
            Shown::Headers(lines) => FrozenShown::Headers(text(lines)),
            Shown::Signature { path, expires, user, iat, signature } => FrozenShown::Signature {
                path: text(path),
                expires: text(expires),
                user: text(user),
                iat: text(iat),
                signature: text(signature),
            },
        };
        Self { shown, ambient: credentials.ambient, foreign: credentials.foreign.as_deref().map(text) }
    }

    fn thaw(self) -> Credentials {
        let shown = match self.shown {
            FrozenShown::Tokens(tokens) => Shown::Tokens(tokens.into_iter().map(Into::into).collect()),
            FrozenShown::Headers(lines) => Shown::Headers(lines.into()),
            FrozenShown::Signature { path, expires, user, iat, signature } => Shown::Signature {
                path: path.into(),
                expires: expires.into(),
                user: user.into(),
                iat: iat.into(),
                signature: signature.into(),
            },
        };
        Credentials { shown, ambient: self.ambient, foreign: self.foreign.map(Into::into) }
    }
}
