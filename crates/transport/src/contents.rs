//! What a waiting client is told, as data that framings write.

use dialect::hub::{Position, PresentList, Visible};

/// The beginning of a wait.
#[derive(Debug)]
pub struct Opening<'a> {
    /// Up to here the client is owed nothing.
    pub cursor: Position,
    /// The id of the connection.
    pub connection: &'a str,
    /// Channels of which something it was owed is gone.
    pub gaps: &'a [&'a str],
    /// A list of users follows: who breaks off before it is owed it when it comes back.
    pub lists: bool,
    /// After how many milliseconds a browser that lost its connection should come back.
    pub retry_ms: u32,
}

/// A message with its matches: indices into its targets.
#[derive(Debug)]
pub struct Part<'a> {
    /// The message, which the client may see.
    pub message: Visible<'a>,
    /// The targets this client listens to.
    pub matches: &'a [usize],
    /// Among bare payloads: it came by no channel that the client asked for.
    pub beside: bool,
}

/// What the answer to a long poll tells besides its messages.
#[derive(Debug, Clone, Copy, Default)]
pub struct PollEnd<'a> {
    /// Up to here the client is then owed nothing.
    pub cursor: Position,
    /// The id of the connection, where it is told. A raw poll has no word for it.
    pub connection: Option<&'a str>,
    /// Something it was owed is gone.
    pub gap: bool,
    /// A channel that was deleted while the client waited. A raw poll has no word for it.
    pub deleted: Option<&'a str>,
    /// Why the application ended the wait. A raw poll has no word for it.
    pub ended: Option<&'a str>,
    /// Who is on its channels at that place.
    pub present: &'a [PresentList],
    /// A list of them is owed, and comes with a later answer.
    pub lists: bool,
    /// It is a page, and more is there: behind it, or of what was said before, further back.
    pub more: bool,
}

impl PollEnd<'_> {
    /// Nothing but this cursor.
    pub fn at(cursor: Position) -> Self {
        Self { cursor, ..Self::default() }
    }
}
