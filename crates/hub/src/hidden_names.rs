//! Channels that nobody listens to by name: that of a user, whose messages reach all its connections, and that of everybody.
//!
//! Nobody is registered on them, so a message of one goes to all shards, each of which knows who is there. They have history
//! like any channel. No client and no publisher can name one, since names do not begin so.

use crate::movement::presence_of;

/// The name of the channel whose messages are for every connection there is.
pub const EVERYBODY: &str = "$all";
/// How clients are told that a message came to them as a user.
const USER: &str = "$user";
/// What stands before a user's name in that of its channel.
const OF_USER: &str = "$user:";

/// For whom a channel is that nobody listens to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressed<'a> {
    /// All connections of this user.
    User(&'a str),
    /// All connections.
    Everybody,
}

/// For whom the channel of this name is, if it is one that nobody listens to by name.
#[inline]
pub fn addressed(name: &str) -> Option<Addressed<'_>> {
    match name.strip_prefix(OF_USER) {
        Some(user) => Some(Addressed::User(user)),
        None => (name == EVERYBODY).then_some(Addressed::Everybody),
    }
}

/// The name of a user's channel. That of a long name is longer than a channel's may be; nothing is published to it.
pub fn user_channel(user: &str) -> Box<str> {
    [OF_USER, user].concat().into()
}

/// What clients are told a channel is called: the server's own channels are called by what they are for.
#[inline]
pub fn told_name(name: &str) -> &str {
    match addressed(name) {
        Some(Addressed::User(_)) => USER,
        Some(Addressed::Everybody) => EVERYBODY,
        None => presence_of(name).unwrap_or(name),
    }
}

/// How many of these, from the first on, are channels that a client has asked for: behind them stand those of the server.
pub fn asked_count(names: &[impl AsRef<str>]) -> usize {
    names.iter().position(|name| name.as_ref().starts_with('$')).unwrap_or(names.len())
}

/// What of the beginning of a name in a rule must be one as any other: the channels of users and of everybody have history, so it
/// can be set.
pub(crate) fn ruled_part(start: &str) -> &str {
    match start.strip_prefix(OF_USER) {
        Some(user) => user,
        None => {
            if start == EVERYBODY {
                &start[1..]
            } else {
                start
            }
        }
    }
}

/// How many of these may be registered on: behind them stand those that nobody listens to by name.
pub(crate) fn listened_count(names: &[&str]) -> usize {
    names.iter().position(|name| addressed(name).is_some()).unwrap_or(names.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_everybody_have_a_channel_that_nobody_can_name() {
        let channel = user_channel("ann, of \u{e4}");
        assert_eq!(&*channel, "$user:ann, of \u{e4}");
        assert_eq!(addressed(&channel), Some(Addressed::User("ann, of \u{e4}")));
        assert_eq!(addressed("$all"), Some(Addressed::Everybody));
        for name in ["all", "$alls", "$user", "user:ann", "$presence:a"] {
            assert_eq!(addressed(name), None, "{name}");
        }
        for name in ["$all", &channel] {
            assert!(crate::check_name(name.as_bytes()).is_err());
        }
    }

    #[test]
    fn clients_are_told_what_the_servers_channels_are_for() {
        for (name, told) in
            [("a", "a"), ("$user:ann", "$user"), ("$all", "$all"), ("$presence:a", "a"), ("user", "user")]
        {
            assert_eq!(told_name(name), told);
        }
        assert_eq!((asked_count(&["a", "b", "$presence:a", "$all"]), asked_count(&["a"])), (2, 1));
        assert_eq!(listened_count(&["a", "$presence:a", "$user:b", "$all"]), 2);
    }
}
