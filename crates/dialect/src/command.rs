//! What a client asks for on a connection that is up, in no protocol's words, and how a dialect hears it.

use std::any::Any;
use std::fmt::Debug;

use hub::{Cursors, Millis, Start};
use serde_json::value::RawValue;

use crate::{Problem, Speech};

/// A command of the client.
pub enum Command {
    /// Listen to these channels too.
    Subscribe {
        /// Checked names, each once.
        names: Vec<Box<str>>,
        /// From where.
        start: Start,
        /// Who is on them is asked for, and who comes and goes.
        presence: bool,
        /// To be repeated in the answer.
        id: Option<Box<RawValue>>,
    },
    /// Listen to these no longer.
    Unsubscribe {
        /// Checked names, each once.
        names: Vec<Box<str>>,
        /// To be repeated in the answer.
        id: Option<Box<RawValue>>,
    },
    /// Say this to others.
    Publish {
        /// The checked name of the channel.
        name: Box<str>,
        /// What.
        speech: Box<Speech>,
        /// To be repeated in the answer.
        id: Option<Box<RawValue>>,
    },
    /// Go on by this token.
    Renew {
        /// As it was sent.
        token: Box<str>,
        /// To be repeated in the answer.
        id: Option<Box<RawValue>>,
    },
    /// To be answered with the same value.
    Ping {
        /// The value.
        value: Box<RawValue>,
        /// To be repeated in the answer.
        id: Option<Box<RawValue>>,
    },
}

/// What a client said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// A whole message of text, where the framing has messages.
    Text(&'a str),
    /// A whole message of bytes.
    Binary(&'a [u8]),
    /// All that came and was not taken, where it has none.
    Bytes(&'a [u8]),
}

/// What a dialect makes of it.
#[derive(Debug)]
pub enum Heard {
    /// More bytes tell. Of messages there are none but whole ones.
    More,
    /// Nothing is to be done about what was taken.
    Nothing,
    /// This is wanted.
    Command(Command),
    /// It is no command, and why; and the id by which its client knows it.
    Refused(Problem, Option<Box<RawValue>>),
    /// This is the answer, as bytes of the framing.
    Answer(Vec<u8>),
    /// These are the last words, and the connection ends.
    End(Vec<u8>),
}

/// What input is read against.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Reads and writes cursors of this order.
    pub cursors: Cursors,
    /// The time now.
    pub now: Millis,
}

/// What a dialect keeps of a connection that is up. Whoever holds the connection holds it, and does not look into it.
pub trait State: Any + Debug + Send {}

impl<T: Any + Debug + Send> State for T {}

impl dyn State {
    /// The state of this dialect; `None`: it is another one's.
    pub fn of<T: State>(&mut self) -> Option<&mut T> {
        (self as &mut dyn Any).downcast_mut()
    }

    /// The same, to be looked at.
    pub fn seen_as<T: State>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}

/// Without the token.
impl Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Subscribe { .. } => "Subscribe",
            Self::Unsubscribe { .. } => "Unsubscribe",
            Self::Publish { .. } => "Publish",
            Self::Renew { .. } => "Renew",
            Self::Ping { .. } => "Ping",
        })
    }
}

impl Command {
    /// What the answer repeats.
    pub fn id(&self) -> Option<&RawValue> {
        match self {
            Self::Subscribe { id, .. }
            | Self::Unsubscribe { id, .. }
            | Self::Publish { id, .. }
            | Self::Renew { id, .. }
            | Self::Ping { id, .. } => id.as_deref(),
        }
    }

    /// The channels it is about.
    pub fn names(&self) -> &[Box<str>] {
        match self {
            Self::Subscribe { names, .. } | Self::Unsubscribe { names, .. } => names,
            Self::Publish { name, .. } => std::slice::from_ref(name),
            Self::Renew { .. } | Self::Ping { .. } => &[],
        }
    }
}

impl Input<'_> {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
