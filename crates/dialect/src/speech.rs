//! What a client says to others, in no protocol's words.

use hub::{Kind, Millis};

/// What a client says to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    /// The data.
    pub data: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The media type as the client said it.
    pub content_type: Option<Box<str>>,
    /// The name of its event.
    pub event: Option<Box<str>>,
    /// How long it is kept.
    pub ttl: Option<Millis>,
    /// Under which a repeat is known as such.
    pub key: Option<Box<str>>,
    /// Who is not given it.
    pub except: Except,
    /// A browser sent a cookie with it, and did not say which page asked.
    pub is_unproven: bool,
    /// What is to be said of its parameters.
    pub warning: Option<Box<str>>,
}

/// Who is not given what a client says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Except {
    /// Nobody.
    #[default]
    Nobody,
    /// The connection that says it.
    Sender,
    /// The connection of this id, as it was sent.
    Connection(Box<str>),
}
