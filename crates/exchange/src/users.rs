//! Users and their connections: what shards are asked about them, and what they say.

use std::net::IpAddr;

use hub::{ChannelId, ConnectionId, WallTime};

use crate::{Location, Survey};

/// A question about users, and the answers so far.
pub type UserSurvey = Survey<UserQuestion, UserAnswer>;

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub enum UserQuestion {
    /// Who is there.
    List(UserList),
    /// Which connections one user has.
    One(Box<str>),
    /// Have all connections of a user listen to other channels.
    Change {
        /// Whose.
        user: Box<str>,
        /// To these, too.
        join: Vec<Box<str>>,
        /// To these no longer.
        leave: Vec<Box<str>>,
    },
    /// End all connections of a user.
    EndUser {
        /// Whose.
        user: Box<str>,
        /// Why, for its clients.
        reason: Box<str>,
    },
    /// End one connection.
    End {
        /// Which.
        id: ConnectionId,
        /// Where it is.
        location: Location,
        /// Why, for its client.
        reason: Box<str>,
    },
}

/// A page of users, by name.
#[derive(Debug, PartialEq, Eq)]
pub struct UserList {
    /// How their names begin.
    pub prefix: Box<str>,
    /// Only names behind this one.
    pub after: Option<Box<str>>,
    /// So many at the most.
    pub limit: usize,
}

/// What one shard says.
#[derive(Debug)]
pub enum UserAnswer {
    /// The first users of the page, by name.
    List(Vec<ListedUser>),
    /// Connections of the one user; whether it has more than are listed.
    One(Vec<UserConnection>, bool),
    /// How many connections it ended.
    Ended(usize),
    /// How many connections of a user it had listen to other channels.
    Changed(usize),
    /// How many connections of a user it ended, and when the last of their credentials would have.
    EndedUser(usize, WallTime),
}

/// A user in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUser {
    /// His name.
    pub user: Box<str>,
    /// How many connections of his wait.
    pub connections: u32,
    /// Since when the first of them does.
    pub since: WallTime,
}

/// A connection of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserConnection {
    /// Which it is.
    pub id: ConnectionId,
    /// What it listens to.
    pub channels: Vec<ChannelId>,
    /// By which transport, as in `?transport=`.
    pub transport: &'static str,
    /// From where; `None`: by a UNIX socket, or it has gone.
    pub address: Option<IpAddr>,
    /// Since when it waits.
    pub since: WallTime,
}

impl UserList {
    /// Whether a name may stand on the page.
    pub fn wants(&self, name: &str) -> bool {
        name.starts_with(&*self.prefix) && self.after.as_deref().is_none_or(|after| name > after)
    }
}
