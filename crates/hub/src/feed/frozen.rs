//! A feed as plain data, for another program.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Feed;
use super::ring::Ends;
use crate::trash::Trash;
use crate::{ChangeKind, Millis, Position};

/// A feed without its changes, which are told one by one.
#[derive(Serialize, Deserialize)]
pub(crate) struct FrozenFeed {
    /// Of channels that somebody published to, and of the others.
    ends: [Ends; 2],
    lost: Position,
    /// `None`: nobody asks.
    outlived: Option<Vec<String>>,
}

impl Feed {
    /// All but the changes.
    pub(crate) fn freeze(&self) -> FrozenFeed {
        let texts = |names: &Vec<Arc<str>>| names.iter().map(ToString::to_string).collect();
        FrozenFeed {
            ends: [self.public.ends(), self.passing.ends()],
            lost: self.lost,
            outlived: self.outlived.as_ref().map(texts),
        }
    }

    /// The changes, oldest first, and whether each is of a channel that somebody published to.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (bool, crate::Change)> {
        let passing = self.passing.iter(0).map(|change| (false, change));
        self.public.iter(0).map(|change| (true, change)).chain(passing)
    }

    /// Puts a change back. False: it is not behind those that were.
    pub(crate) fn put_back(
        &mut self,
        is_public: bool,
        (position, time): (Position, Millis),
        name: &str,
        what: ChangeKind,
    ) -> bool {
        let ring = if is_public { &mut self.public } else { &mut self.passing };
        let (last, last_time, _) = ring.ends();
        let is_next = last < position && last_time <= time;
        if is_next {
            ring.push(position, name, what, time, &mut Trash::default());
        }
        is_next
    }

    /// All changes are back.
    pub(crate) fn thaw(&mut self, frozen: FrozenFeed) {
        let [public, passing] = frozen.ends;
        self.public.set_ends(public);
        self.passing.set_ends(passing);
        self.lost = frozen.lost;
        self.outlived = frozen.outlived.map(|names| names.into_iter().map(Arc::from).collect());
    }
}
