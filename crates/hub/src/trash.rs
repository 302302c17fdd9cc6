//! What the hub has let go of: collected here, so that nothing is freed under the caller's lock.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::limits::BLOCK_LEN;
use crate::message::SharedHead;
use crate::{Message, Publish};

/// Things the hub has let go of; dropping it frees them.
#[derive(Default)]
#[allow(clippy::vec_box, reason = "boxes come here as they are: nothing is copied under the lock")]
pub struct Trash {
    /// Room for the one message that an ordinary publish evicts, so that it costs no allocation.
    pub(crate) messages: SmallVec<[Message; 2]>,
    /// What was said of messages, and is said of none any more.
    pub(crate) abouts: Vec<Arc<SharedHead>>,
    /// The names of what was published; their text was copied where it was needed.
    pub(crate) spent: SmallVec<[Spent; 1]>,
    pub(crate) refused: Vec<Publish>,
    /// Channels, their histories and lists of users: whatever they are, they only wait to be freed.
    pub(crate) records: Vec<Box<dyn Send>>,
    pub(crate) names: Vec<Arc<str>>,
    /// Changes that the feed no longer keeps.
    pub(crate) blocks: Vec<Box<[u8; BLOCK_LEN]>>,
}

/// What is left of a publish once it was ordered: names, the buffer of the aliases, event and media type.
pub(crate) type Spent = (SmallVec<[Box<str>; 1]>, SmallVec<[Box<str>; 0]>, [Option<Box<str>>; 2]);
