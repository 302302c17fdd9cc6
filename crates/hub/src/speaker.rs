//! Who said a message: a publisher of the IN line, or a client, and which user that one is.
//!
//! Most messages are a publisher's, and have nothing more for it. That a client said another one stands behind its data, in
//! the same bytes: the name of its user, and a last byte for whether it has one.

use crate::{Message, Origin, Payload, Said};

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker<'a> {
    /// Whoever may publish on the IN line.
    Publisher,
    /// A client of the WAIT line that has shown no user.
    Anonymous,
    /// A client that has shown that it is this user.
    User(&'a str),
}

impl<'a> Speaker<'a> {
    /// A client with this user.
    pub fn client(user: Option<&'a str>) -> Self {
        user.map_or(Self::Anonymous, Self::User)
    }

    /// The user's name, where a client said it that has one.
    pub fn user(self) -> Option<&'a str> {
        match self {
            Self::User(user) => Some(user),
            Self::Publisher | Self::Anonymous => None,
        }
    }
}

impl Message {
    /// Whether it is something that an application is told of: that a user joined or left, or what a client said.
    #[inline]
    pub fn is_event(&self) -> bool {
        let said = self.payload();
        said.origin == Origin::Presence || said.speaker() != Speaker::Publisher
    }
}

impl Payload {
    /// Bytes that are all data, in our own words, of a client that has this user: as [`Self::new`].
    pub fn of_client(data: &[u8], user: Option<&str>, kind: crate::Kind) -> Self {
        let name = user.unwrap_or_default().as_bytes();
        let mark = if user.is_some() { NAMED } else { NAMELESS };
        let bytes = [data, name, &[mark]].concat();
        let end = u32::try_from(data.len()).expect("the lines' limits are far below 4 GiB");
        Self { data: 0..end, ..Self::new(bytes, kind) }
    }
}

impl<'a> Said<'a> {
    /// Who said it.
    #[inline]
    pub fn speaker(self) -> Speaker<'a> {
        match self.behind() {
            [user @ .., mark] if self.origin == Origin::Native => {
                let user = (*mark == NAMED).then(|| str::from_utf8(user).ok()).flatten();
                Speaker::client(user)
            }
            _ => Speaker::Publisher,
        }
    }
}

/// The last byte behind data: a name stands before it.
const NAMED: u8 = 1;
/// The same: none does.
const NAMELESS: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Audience, Kind, Position, Target};

    fn check(payload: Payload, expected: Speaker<'_>) {
        for audience in [Audience::All, Audience::Only("bob"), Audience::AnyOf("a,b")] {
            let payload = payload.clone().limited_to(audience);
            let targets = [Target { name: "a".into(), alias: None }].into_iter().collect();
            let message = Message::new(Position::from_bits(1), 1, None, targets, payload);
            assert_eq!((message.payload().speaker(), message.payload().data()), (expected, &b"data"[..]));
            assert_eq!(message.audience(), audience);
        }
    }

    #[test]
    fn a_message_says_which_client_said_it() {
        check(Payload::new(*b"data", Kind::Text), Speaker::Publisher);
        for user in [None, Some(""), Some("ann"), Some("\u{e9}\u{0}\u{1}")] {
            let expected = Speaker::client(user);
            check(Payload::of_client(b"data", user, Kind::Text), expected);
            assert_eq!(expected.user(), user);
        }
    }

    #[test]
    fn what_is_no_message_is_nobodys() {
        for origin in [Origin::Presence, Origin::Removal] {
            let payload = Payload { origin, ..Payload::of_client(b"data", Some("ann"), Kind::Text) };
            assert_eq!(payload.said().speaker(), Speaker::Publisher, "{origin:?}");
        }
    }
}
