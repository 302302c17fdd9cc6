//! Who a connection or a publish is, and what it may do: asked in one place, `may()`.

use crate::{Glob, Millis};

/// What somebody may want to do with a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Right {
    /// Wait for messages.
    Listen,
    /// Send messages.
    Publish,
    /// Ask who is online.
    Presence,
    /// Read what was said.
    History,
    /// Delete, disconnect, configure.
    Administer,
}

impl Right {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Listen, Self::Publish, Self::Presence, Self::History, Self::Administer];

    /// Its name in settings and tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Publish => "publish",
            Self::Presence => "presence",
            Self::History => "history",
            Self::Administer => "administer",
        }
    }

    /// The right of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.name() == name)
    }
}

/// A set of rights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// Every right.
    pub const ALL: Self = Self((1 << Right::ALL.len()) - 1);

    /// Whether it is one of them.
    pub fn has(self, right: Right) -> bool {
        self.0 & 1 << right as u8 != 0
    }

    /// As plain data.
    pub fn to_bits(self) -> u8 {
        self.0
    }

    /// As it was in plain data.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// Those of the set, in one order.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |set, right| set | 1 << right as u8))
    }
}

/// Some rights on some channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What may be done.
    pub rights: Rights,
    /// On which channels.
    pub names: Glob,
}

/// Who may listen to a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Door {
    /// Whoever knows its name, as in 2009.
    #[default]
    Open,
    /// Who has a token for it.
    Token,
}

/// Who a connection or a publish is: user, grants, expiry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// The user's name, when somebody vouched for it.
    pub user: Option<Box<str>>,
    /// When all grants end; `None`: never.
    pub expires: Option<Millis>,
    grants: Grants,
}

impl Session {
    /// The session of whoever comes without credentials where none are asked for.
    pub const OPEN: Self = Self { user: None, expires: None, grants: Grants::Open };
    /// The session of whoever comes without credentials where some are.
    pub const NOBODY: Self = Self { user: None, expires: None, grants: Grants::Only(Vec::new()) };

    /// A session with these grants and no others.
    pub fn new(user: Option<Box<str>>, expires: Option<Millis>, mut grants: Vec<Grant>) -> Self {
        // Many sessions have one grant, and a list that grew has room for four.
        grants.shrink_to_fit();
        Self { user, expires, grants: Grants::Only(grants) }
    }

    /// What it was given; `None`: everything.
    pub fn grants(&self) -> Option<&[Grant]> {
        match &self.grants {
            Grants::Open => None,
            Grants::Only(grants) => Some(grants),
        }
    }

    /// Whether this session may do `right` on the channel of this name, at `now`.
    pub fn may(&self, right: Right, name: &str, now: Millis) -> bool {
        self.is_live(now) && self.has(right, |names| names.matches(name))
    }

    /// Whether it may do `right` on every channel there can be: for what is about no single one.
    pub fn may_everywhere(&self, right: Right, now: Millis) -> bool {
        self.is_live(now) && self.has(right, Glob::is_everything)
    }

    /// Whether it may do `right` on some channel.
    pub fn may_somewhere(&self, right: Right, now: Millis) -> bool {
        self.is_live(now) && self.has(right, |_| true)
    }

    fn is_live(&self, now: Millis) -> bool {
        self.expires.is_none_or(|end| now < end)
    }

    fn has(&self, right: Right, fits: impl Fn(&Glob) -> bool) -> bool {
        match &self.grants {
            Grants::Open => true,
            Grants::Only(grants) => grants.iter().any(|grant| grant.rights.has(right) && fits(&grant.names)),
        }
    }
}

/// What a session was given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Grants {
    /// Everything, as in 2009: names are the secret.
    #[default]
    Open,
    /// These.
    Only(Vec<Grant>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(rights: &[Right], names: &str) -> Grant {
        Grant { rights: rights.iter().copied().collect(), names: Glob::new(names).unwrap() }
    }

    #[test]
    fn a_session_may_what_it_was_given_and_no_more() {
        let session = Session::new(
            None,
            Some(100),
            vec![grant(&[Right::Listen, Right::History], "user.*"), grant(&[Right::Publish], "chat")],
        );
        let table = [
            (Right::Listen, "user.1", 99, true),
            (Right::History, "user.1", 0, true),
            (Right::Publish, "user.1", 0, false),
            (Right::Publish, "chat", 0, true),
            (Right::Listen, "chat", 0, false),
            (Right::Administer, "user.1", 0, false),
            (Right::Listen, "users", 0, false),
            (Right::Listen, "user.1", 100, false),
        ];
        for (right, name, now, expected) in table {
            assert_eq!(session.may(right, name, now), expected, "{right:?} {name} {now}");
        }
        assert!(session.may_somewhere(Right::Listen, 0) && !session.may_everywhere(Right::Listen, 0));
        assert!(!session.may_somewhere(Right::Listen, 100));
    }

    #[test]
    fn whoever_comes_without_credentials_may_all_or_nothing() {
        for right in Right::ALL {
            assert!(Session::OPEN.may(right, "a", 0) && Session::OPEN.may_everywhere(right, 0));
            assert!(!Session::NOBODY.may(right, "a", 0) && !Session::NOBODY.may_somewhere(right, 0));
            assert_eq!(Right::named(right.name()), Some(right));
        }
    }

    #[test]
    fn all_channels_are_a_star_and_nothing_less() {
        let session = |names| Session::new(None, None, vec![grant(&Right::ALL, names)]);
        assert!(session("*").may_everywhere(Right::Administer, 0));
        assert!(!session("a*").may_everywhere(Right::Administer, 0));
        assert!(Rights::ALL.iter().eq(Right::ALL));
    }
}
