//! What the hub has let go of: collected here, so that nothing is freed under the caller's lock.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::channel::Channel;
use crate::feed::BLOCK_LEN;
use crate::history::History;
use crate::message::About;
use crate::roster::Roster;
use crate::{Message, Publish};

/// Things the hub has let go of; dropping it frees them.
#[derive(Default)]
#[allow(clippy::vec_box, reason = "boxes come here as they are: nothing is copied under the lock")]
pub struct Trash {
    /// Room for the one message that an ordinary publish evicts, so that it costs no allocation.
    pub(crate) messages: SmallVec<[Message; 2]>,
    /// What was said of messages, and is said of none any more.
    pub(crate) abouts: Vec<Arc<About>>,
    /// The names of what was published; their text was copied where it was needed.
    pub(crate) spent: SmallVec<[Spent; 1]>,
    pub(crate) refused: Vec<Publish>,
    pub(crate) histories: Vec<Box<History>>,
    pub(crate) channels: Vec<Box<Channel>>,
    pub(crate) rosters: Vec<Box<Roster>>,
    pub(crate) names: Vec<Arc<str>>,
    /// Changes that the feed no longer keeps.
    pub(crate) blocks: Vec<Box<[u8; BLOCK_LEN]>>,
}

/// What is left of a publish once it was ordered: names, the buffer of the aliases, event and media type.
pub(crate) type Spent = (SmallVec<[Box<str>; 1]>, SmallVec<[Box<str>; 0]>, [Option<Box<str>>; 2]);
