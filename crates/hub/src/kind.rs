//! In whose words a message came, and what its data is.

use serde::{Deserialize, Serialize};

/// The dialect a message was published in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// `POST /pub/…` and all that is modern.
    Native,
    /// Another dialect's, whose message is the whole input: its clients are given all of that, the others what is data in it.
    /// One dialect makes such, and knows them by this.
    WholeInput,
    /// Another dialect's, whose message is the body: its clients are given that as it came. One dialect makes such, too.
    VerbatimBody,
    /// Nobody's: it is no message of anybody, but says in a hidden channel that a user joined or left (people.rs).
    Presence,
    /// Nobody's: it is no message, but says that an earlier one was taken back from its only channel.
    Removal,
}

impl Origin {
    /// Whether its clients are given the whole input, and not its data alone.
    pub fn is_given_whole(self) -> bool {
        self == Self::WholeInput
    }
}

/// What data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Audience, Payload, trial};

    #[test]
    fn an_input_which_is_given_whole_is_never_limited() {
        assert!(!Origin::Native.is_given_whole() && Origin::WholeInput.is_given_whole());
        let payload = Payload { origin: Origin::WholeInput, ..trial::publish("a", 4, None).payload };
        std::panic::catch_unwind(|| payload.limited_to(Audience::Only("ann"))).unwrap_err();
    }
}
