//! Who a connection or a publish is, and what it may do: asked in one place, `may()`.

use crate::Millis;

/// What somebody may want to do with a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// The session of whoever comes without credentials.
    pub const OPEN: Self = Self { user: None, expires: None, grants: Grants::Open };

    /// Whether this session may do `right` on the channel of this name, at `now`.
    pub fn may(&self, _right: Right, _name: &str, now: Millis) -> bool {
        match self.grants {
            Grants::Open => self.expires.is_none_or(|end| now < end),
        }
    }
}

/// What a session was given. Today everything is open, as it was in 2009: names are the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Grants {
    #[default]
    Open,
}
