//! That a user joined a channel or left it, as bytes, and the name of the hidden channel in which that is told.

/// What stands before a channel's name in that of the hidden channel in which its changes are told. No client and no publisher
/// can name one, since names do not begin so.
const HIDDEN: &str = "$presence:";

/// The channel on which every user is that has any connection at all, where those are followed. Nobody can name it, wait on it
/// or publish to it: its record has a roster and nothing else.
pub(crate) const ALL_USERS: &str = "$users";
/// What stands before the name of somebody who follows the order in that of the hidden channel that keeps how far it has come.
const BOOKMARK: &str = "$webhook:";

/// The name of the hidden channel whose last message says how far somebody who follows the order has come: a store keeps it.
pub fn bookmark_name(follower: &str) -> Box<str> {
    [BOOKMARK, follower].concat().into()
}

/// Whether a channel is one of those.
pub(crate) fn is_bookmark(name: &str) -> bool {
    name.starts_with(BOOKMARK)
}

/// Whether users who join this channel and leave it are those who have any connection at all.
pub fn is_of_all_users(channel: &str) -> bool {
    channel == ALL_USERS
}

/// The name of the hidden channel in which is told who joins and leaves this one.
pub fn presence_name(channel: &str) -> Box<str> {
    [HIDDEN, channel].concat().into()
}

/// The channel whose changes are told in this one, where it is hidden.
pub fn presence_of(name: &str) -> Option<&str> {
    name.strip_prefix(HIDDEN)
}

/// That a user joined a channel, or left it: what a message of a hidden channel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement<'a> {
    /// It joined; else it left.
    pub joined: bool,
    /// Its name.
    pub user: &'a str,
    /// What others are told of it besides: JSON.
    pub info: Option<&'a str>,
}

impl<'a> Movement<'a> {
    /// As what stands in the order and in histories, and where the data begins: the kind and the name stand before it.
    pub(crate) fn to_bytes(self) -> (Vec<u8>, u32) {
        let kind = if self.joined { JOINED } else { LEFT };
        let info = self.info.unwrap_or_default();
        let start = u32::try_from(1 + self.user.len()).expect("names of users are short");
        ([&[kind][..], self.user.as_bytes(), info.as_bytes()].concat(), start)
    }

    /// What a message says, where it is one of these.
    pub(crate) fn read(head: &'a [u8], data: &'a [u8]) -> Option<Self> {
        let (kind, user) = head.split_first()?;
        let text = |bytes| str::from_utf8(bytes).ok();
        Some(Self {
            joined: *kind == JOINED,
            user: text(user)?,
            info: text(data).filter(|info| !info.is_empty()),
        })
    }
}

/// What a change begins with, in the log of a store, too.
const JOINED: u8 = b'+';
const LEFT: u8 = b'-';
