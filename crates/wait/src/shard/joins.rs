//! What the credentials of a client join, besides what it asks for.

use exchange::hub::Session;
use transport::dialect::{Code, Problem};

/// The channels that a session joins besides these.
pub(super) fn joined_besides(session: Option<&Session>, names: &[Box<str>]) -> Vec<Box<str>> {
    let joins = session.into_iter().flat_map(Session::joins);
    joins.filter(|join| !names.iter().any(|name| **name == **join)).map(Box::from).collect()
}

/// A request that names no channel, by whose credentials none is joined.
pub(super) fn no_channel() -> Problem {
    Problem::bad(
        Code::ChannelList,
        "no channel is named, and the credentials join none; give at least one, as in /sub/news or /sub/news,user.42",
    )
}
