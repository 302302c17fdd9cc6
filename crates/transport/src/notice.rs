//! What a waiting client is told beside messages.

use dialect::Problem;
use dialect::hub::{Cursors, Position, PresentList, WallTime};
use dialect::native::PageEnd;
use serde_json::value::RawValue;

use crate::{Coder, Coding, Opening, Part};

/// Something that a client is told. A shape that has no words for it says nothing.
#[derive(Debug)]
pub enum Notice<'a> {
    /// The wait begins: the first words behind a head.
    Opening(&'a Opening<'a>),
    /// Messages of these channels are gone.
    Gap(&'a [&'a str]),
    /// Who is on these channels, at this place: behind all that is older.
    Present {
        /// The channels' users.
        lists: &'a [PresentList],
        /// Where that is true.
        at: Position,
    },
    /// The connection lives, and its client is owed nothing up to here.
    Heartbeat(Position),
    /// The channel was deleted, and is listened to no longer.
    Deleted(&'a str),
    /// The time of the credentials is over; the end follows.
    Expired,
    /// The application ends the connection, for this reason; the end follows.
    Ended(&'a str),
    /// A page of the backlog of channels that were added, and their names with the first.
    Subscribed {
        /// The channels.
        names: &'a [Box<str>],
        /// The messages.
        parts: &'a [Part<'a>],
        /// What follows the page.
        end: PageEnd,
        /// The id of the command.
        id: Option<&'a RawValue>,
    },
    /// These channels are listened to no longer, as was asked for.
    Unsubscribed {
        /// The channels.
        names: &'a [Box<str>],
        /// The id of the command.
        id: Option<&'a RawValue>,
    },
    /// What the client said to others has its place.
    Published {
        /// To which channel.
        name: &'a str,
        /// Its place.
        at: Position,
        /// The id of the command.
        id: Option<&'a RawValue>,
    },
    /// These channels are listened to, too, as the application wants it.
    Joined(&'a [Box<str>]),
    /// These are listened to no longer, as the application wants it.
    Left(&'a [Box<str>]),
    /// The connection goes on by another token.
    Renewed {
        /// When that ends.
        expires: Option<WallTime>,
        /// The id of the command.
        id: Option<&'a RawValue>,
    },
    /// The answer to `ping`.
    Pong {
        /// What the client said.
        value: &'a RawValue,
        /// What its command is called, where it is called anything.
        id: Option<&'a RawValue>,
    },
    /// Something could not be done.
    Error {
        /// What, and what would be right.
        problem: &'a Problem,
        /// The id of the command.
        id: Option<&'a RawValue>,
    },
    /// The last words before the server ends the connection.
    End {
        /// A code of RFC 6455, section 7.4.
        code: u16,
        /// Why.
        reason: &'a str,
    },
}

/// How a client is told: what matters beside its shape.
#[derive(Debug, Clone, Copy)]
pub struct Tone {
    /// In which form.
    pub coding: Coding,
    /// What its cursors are written by.
    pub cursors: Cursors,
}

impl Tone {
    /// Appends to a stream what is short, or for this client alone.
    pub(crate) fn stored(self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        Coder::stored(self.coding).stream(out, write);
    }
}

impl Opening<'_> {
    /// What its cursor is written by.
    pub(crate) fn cursors(&self, tone: Tone) -> Cursors {
        if self.lists { tone.cursors.unlisted() } else { tone.cursors }
    }
}
