//! A dialect: what is asked of one by whoever holds the connections.

use std::fmt::Debug;

use hub::{After, Decimal, Millis, Position};

use crate::due::Reply;
use crate::held::{Held, HeldError};
use crate::native::Paths;
use crate::{Claim, Heard, Input, Moment, State, Tag, Wait};

/// The WAIT half of a dialect. What it has itself is what was set about it; what it keeps of a connection is a [`State`].
pub trait Dialect: Debug + Send + Sync {
    /// Whose words begin with these bytes; `None` until they tell. Once they told, no further byte changes it.
    fn claims(&self, bytes: &[u8], ours: Ours<'_>) -> Option<Claim>;

    /// What bytes of theirs want. `ended`: they are a whole request; a first line longer than `limit` is none of HTTP.
    fn wants(&self, bytes: &[u8], ended: bool, limit: usize) -> Wants;

    /// Whether who was too slow for a request is told so in HTTP. Others could not read it.
    fn is_told_late(&self, input: &[u8], ours: Ours<'_>) -> bool;

    /// The last words to whom there was nothing for.
    fn nothing(&self) -> &'static [u8] {
        b""
    }

    /// What a client says on a connection that is up: of how much of it this is said, and what it wants. To be called again with
    /// the rest until that says [`Heard::More`]; where it says anything else, something was taken. How the network cut the bytes
    /// changes nothing. `state` is that of the connection, where it began with one.
    fn command(&self, _state: Option<&mut dyn State>, input: Input<'_>, _: Moment) -> (usize, Heard) {
        (input.len(), Heard::Nothing)
    }

    /// A connection that began with this state has ended. No command comes any more; it is told once.
    fn ended(&self, _: Box<dyn State>) {}

    /// Whether what its connections do is told in the connection log ([`crate::CONNECTION_LOG`]).
    fn is_logged(&self) -> bool {
        false
    }

    /// What is given in the place of what is listened to, where something is.
    fn substitute(&self, _: &Listen) -> Option<Substitute> {
        None
    }

    /// Appends what a listener gets at once; `mark`: from where on it now listens, as text.
    fn write_head(&self, _: &Listen, _mark: &[u8], _out: &mut Vec<u8>) {}

    /// Appends all that is due, which ends the wait. The tag goes into cursors of the server.
    fn write_reply(&self, _: &Reply<'_>, _: Option<Tag>, _out: &mut Vec<u8>) {}

    /// What a connection of theirs has besides others, as bytes for whoever goes on with it. Whose dialect has anything
    /// begins with a version of its own format, for [`Self::thaw`].
    fn freeze(&self, _: &Held, _: Option<&dyn State>) -> Vec<u8> {
        Vec::new()
    }

    /// What the bytes of a connection say that was frozen: none where it had nothing.
    fn thaw(&self, bytes: &[u8]) -> Result<(Held, Option<Box<dyn State>>), HeldError> {
        if bytes.is_empty() { Ok((Held::default(), None)) } else { Err(HeldError::Malformed) }
    }
}

/// What is never theirs.
#[derive(Debug, Clone, Copy)]
pub struct Ours<'a> {
    /// Our paths.
    pub paths: &'a Paths,
    /// How the paths begin that are the application's, where some are.
    pub application: Option<&'a str>,
}

/// What the first words of a foreign dialect want.
#[derive(Debug)]
pub enum Wants {
    /// More bytes tell.
    Undecided,
    /// Nothing: they name nothing to wait for, so they may be a request of HTTP.
    Nothing,
    /// The next message of this channel's queue.
    Take(Box<str>),
    /// To listen until something is due.
    Listen(Box<Listen>),
    /// A connection that stays up.
    Up(Box<Up>),
    /// This answer, and the end.
    Answer(&'static [u8]),
}

/// A wish for a connection on which its client goes on to say what it wants ([`Dialect::command`]).
#[derive(Debug)]
pub struct Up {
    /// How many bytes said so. What is behind them is said on the connection.
    pub taken: usize,
    /// What it waits for from the beginning; no names: it has named none yet.
    pub wait: Wait,
    /// What the dialect keeps of it.
    pub state: Option<Box<dyn State>>,
}

/// A wish to listen by external cursors.
#[derive(Debug, PartialEq, Eq)]
pub struct Listen {
    /// The ids, each once, and from where on; nothing: there was no id in the list.
    pub wishes: Vec<(Box<str>, After)>,
    /// The client speaks HTTP, and takes more than one of old does.
    pub http: bool,
    /// Only the head of the answer is wanted.
    pub head_only: bool,
    /// Of a page: the tags of those that the client has already.
    pub has: Box<[u8]>,
}

/// An answer in place of messages.
#[derive(Debug)]
pub struct Substitute {
    /// The whole answer.
    pub bytes: Vec<u8>,
    /// What the connection log says of it.
    pub told: &'static str,
}

/// The cursor that stands for a place at this time, as text.
pub fn mark(time: Millis, position: Position) -> Vec<u8> {
    let mut text = Vec::with_capacity(32);
    Decimal::write_mark(time, position, &mut text);
    text
}
