//! Users and their connections: what shards are asked about them, and what they say.

use std::net::IpAddr;

use hub::{ChannelId, Code, ConnectionId, Right, Session, WallTime};

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
    /// What a client would be told that shows this. Nobody is there: nothing is made, counted or kept.
    Judge(Pasted),
}

/// What a client would show, pasted by somebody who wants to know what comes of it.
#[derive(PartialEq, Eq)]
pub struct Pasted {
    /// The names as they would stand in the path of its request.
    pub list: Box<str>,
    /// The query of its request: a token, a signature.
    pub query: Box<str>,
    /// The channels that it is about.
    pub names: Vec<Box<str>>,
    /// What it would do there.
    pub right: Right,
    /// The origin of its page.
    pub origin: Option<Box<str>>,
}

/// Never shown by accident.
impl std::fmt::Debug for Pasted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pasted(…)")
    }
}

/// Why something is refused: for programs, and for people.
pub type Refusal = (Code, String);

/// What a shard makes of what was pasted. `None`: nothing of that kind was.
#[derive(Debug, Default)]
pub struct Judged {
    /// Whether a page of that origin may show credentials at all.
    pub page: Option<Result<(), Refusal>>,
    /// Whether the origin is listed.
    pub is_listed: bool,
    /// Who shows these credentials.
    pub session: Option<Result<Session, Refusal>>,
    /// Whether the application ended that user.
    pub ended: Option<Result<(), Refusal>>,
    /// Whether it may do what it wants on the channels.
    pub may: Option<Result<(), Refusal>>,
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
    /// What comes of what was pasted: the first shard says it, the others nothing.
    Judged(Option<Box<Judged>>),
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
