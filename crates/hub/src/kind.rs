//! In whose words a message came, and what its data is.

/// The dialect a message was published in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `POST /pub/…` and all that is modern.
    Native,
    /// dklab_multiplexor, 2009: the whole input is the message.
    Dklab,
    /// Dklab_Realplexor: the body is the message.
    Realplexor,
    /// Nobody's: it is no message of anybody, but says in a hidden channel that a user joined or left (people.rs).
    Presence,
    /// Nobody's: it is no message, but says that an earlier one was taken back from its only channel.
    Removal,
}

impl Origin {
    /// Whether its clients are given the whole input, and not its data alone.
    pub fn is_given_whole(self) -> bool {
        self == Self::Dklab
    }
}

/// What data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// JSON where it is valid JSON, else text: its publisher did not say.
    Either,
    /// Text, whatever it looks like. It is UTF-8.
    Text,
    /// Valid JSON.
    Json,
    /// Bytes, to be treated as such and not as text.
    Binary,
}
