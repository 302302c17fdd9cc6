//! A reader: what it asked for, what it got, what it was told.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use multiplexor_exchange::Delivery;
use multiplexor_exchange::hub::{ChannelId, Message, Resume};

/// What was said, in order.
pub(crate) struct Said {
    pub(crate) place: u64,
    pub(crate) channels: Vec<usize>,
    /// From when on nobody who comes back is owed it.
    pub(crate) dies: Option<u64>,
    /// The place of the message that it takes back from its channel.
    pub(crate) takes: Option<u64>,
}

/// One subscription: from its first page until it is left.
pub(crate) struct Reader {
    pub(crate) shard: usize,
    pub(crate) asked: Vec<usize>,
    /// It came with this cursor, of this order.
    pub(crate) cursor: Option<u64>,
    /// Per channel: what was said up to here it may lack, for it was told of a gap.
    pub(crate) told: Vec<u64>,
    pub(crate) received: Vec<u64>,
    /// The same with the channels that each was said to be of.
    pub(crate) received_of: BTreeSet<(Arc<str>, u64)>,
    pub(crate) state: State,
}

pub(crate) enum State {
    Paging(Resume),
    Live { from: u64, ids: Vec<ChannelId> },
}

impl Reader {
    /// A live message, if it is for this reader.
    pub(crate) fn hear(&mut self, delivery: &Delivery) {
        let message = &delivery.message;
        let State::Live { from, ids } = &self.state else { return };
        let mine = delivery.channels.iter().any(|channel| ids.contains(channel));
        if mine && message.position.to_bits() > *from {
            self.receive(message);
        }
    }

    pub(crate) fn receive(&mut self, message: &Message) {
        let place = message.position.to_bits();
        assert!(
            self.received.last().or(self.cursor.as_ref()).is_none_or(|last| *last < place),
            "in order, once"
        );
        assert!(
            message.targets().iter().any(|target| self.asked.iter().any(|c| *target.name == *CHANNELS[*c]))
        );
        self.received.push(place);
        self.received_of.extend(message.targets().iter().map(|target| (Arc::clone(&target.name), place)));
    }

    /// The reader has all that its channels said up to `end`, but what it was told is gone, what was taken back before it
    /// was live, and what was forgotten by its publisher's leave before that.
    pub(crate) fn check_owed(&self, all: &[Said], end: u64, now: u64) {
        let live_from = match self.state {
            State::Live { from, .. } => from,
            State::Paging(_) => u64::MAX,
        };
        let owed_after = self.cursor.unwrap_or(live_from);
        for said in all.iter().filter(|said| said.place > owed_after && said.place <= end) {
            let mut channels =
                self.asked.iter().zip(&self.told).filter(|(c, _)| said.channels.contains(c)).peekable();
            if channels.peek().is_none() || self.received.binary_search(&said.place).is_ok() {
                continue;
            }
            assert!(said.place <= live_from, "{} was lost live", said.place);
            let dead = said.dies.is_some_and(|dies| dies <= now) || !self.is_owed(said);
            let is_taken = |channel: &usize| {
                let place = Some(said.place);
                let of_place = |other: &&Said| other.takes == place;
                all.iter().filter(of_place).any(|other| other.channels.contains(channel))
            };
            assert!(
                dead || channels.all(|(channel, told)| said.place <= *told || is_taken(channel)),
                "{} was lost in silence",
                said.place
            );
        }
    }

    /// Whether it is to be told this: that something was taken back, if it may have it.
    fn is_owed(&self, said: &Said) -> bool {
        said.takes.is_none_or(|taken| {
            let had = self.cursor.is_some_and(|cursor| taken <= cursor);
            had || self.received_of.contains(&(CHANNELS[said.channels[0]].into(), taken))
        })
    }

    /// Whether none of its channels was deleted under it.
    pub(crate) fn is_whole(&self, deleted: &HashMap<ChannelId, u64>) -> bool {
        match &self.state {
            State::Live { ids, .. } => ids.iter().all(|id| !deleted.contains_key(id)),
            State::Paging(_) => true,
        }
    }
}

/// The names of channels by number.
pub(crate) fn names(channels: &[usize]) -> Vec<&'static str> {
    channels.iter().map(|channel| CHANNELS[*channel]).collect()
}

pub(crate) const CHANNELS: [&str; 5] = ["a", "b", "c", "d", "e"];
