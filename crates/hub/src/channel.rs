//! The record of one channel: who waits on it, whether it is online, what is known of its past.
//!
//! There may be millions, most of them with one connection and nothing else, so what few channels have
//! stands in boxes of its own.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::history::{History, Mark};
use crate::limits::RECORD_LEN;
use crate::room::Holder;
use crate::roster::Roster;
use crate::rule::RuleId;
use crate::{ChannelInfo, Millis, NEVER, Position, ShardId};

/// What the hub knows of one channel.
pub(crate) struct Channel {
    pub(crate) name: Arc<str>,
    /// Registrations by shard.
    pub(crate) interest: Counts,
    /// Never an empty one.
    pub(crate) history: Option<Box<History>>,
    pub(crate) extras: Option<Box<Extras>>,
    /// Place of the last message released to it.
    pub(crate) last: Position,
    /// Place of the youngest message that was trimmed; a new record has the hub's floor.
    pub(crate) watermark: Position,
    /// The hub's count of trims when the watermark last moved.
    pub(crate) trimmed_at: u64,
    /// Until when the watermark must be remembered; 0 when nothing was trimmed since the record is.
    pub(crate) needed_until: Millis,
    /// Place of the last message taken, or the end when the channel came online, whichever is later.
    pub(crate) taken: Position,
    /// The time under which the hub's agenda knows it; `NEVER`: not in it.
    pub(crate) due: Millis,
    /// When it goes offline. Holds only while it is online and nobody waits.
    pub(crate) offline_at: Millis,
    /// Work in progress that knows it by its id: messages ordered but not released, names being
    /// registered. It is not forgotten meanwhile.
    pub(crate) pins: u32,
    /// Somebody waits, or did within the grace.
    pub(crate) online: bool,
    /// What is set for channels of such a name.
    pub(crate) rule: RuleId,
    /// For whom it is there. It stands in the agenda of those that are passing, or in the other one.
    pub(crate) holder: Holder,
}

/// What few channels have.
#[derive(Default)]
pub(crate) struct Extras {
    /// One-shot takers by shard.
    pub(crate) takers: Counts,
    /// How long the channel stays online when they are served.
    pub(crate) takers_grace: Millis,
    /// Its users, where some are there by name.
    pub(crate) roster: Option<Box<Roster>>,
    /// Not forgotten before: shards may still know its id after its subscriptions were deleted.
    pub(crate) held_until: Millis,
}

/// What stands in for all records that were forgotten.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Floor {
    /// The highest of their watermarks.
    pub(crate) position: Position,
    /// The highest of their counts of trims.
    pub(crate) trimmed_at: u64,
}

impl Channel {
    /// A record for a channel of which no more is known than the floor.
    pub(crate) fn new(name: &str, rule: RuleId, holder: Holder, floor: Floor) -> Self {
        Self {
            name: name.into(),
            interest: Counts::default(),
            history: None,
            extras: None,
            last: Position::START,
            watermark: floor.position,
            trimmed_at: floor.trimmed_at,
            needed_until: 0,
            taken: Position::START,
            due: NEVER,
            offline_at: NEVER,
            pins: 0,
            online: false,
            rule,
            holder,
        }
    }

    /// Notes that messages up to `mark` were trimmed, as the trim of this number.
    pub(crate) fn trimmed(&mut self, mark: Mark, trims: u64, remember: Millis) {
        debug_assert!(mark.position > self.watermark);
        self.watermark = mark.position;
        self.trimmed_at = trims;
        self.needed_until = mark.time.saturating_add(remember);
    }

    /// All who wait to take are served; returns how many, and how long the channel stays online.
    pub(crate) fn serve_takers(&mut self, position: Position) -> (u32, Millis) {
        let Some(extras) = &mut self.extras else { return (0, 0) };
        let served = extras.takers.clear();
        if served > 0 {
            self.taken = position;
        }
        (served, extras.takers_grace)
    }

    /// One more waits to take.
    pub(crate) fn add_taker(&mut self, shard: ShardId, grace: Millis) {
        let extras = self.extras_mut();
        extras.takers.add(shard);
        extras.takers_grace = grace;
    }

    /// What few channels have; made when it is first asked for.
    pub(crate) fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Its users, where some are there by name.
    pub(crate) fn roster(&self) -> Option<&Roster> {
        self.extras.as_ref()?.roster.as_deref()
    }

    /// The same, to be changed.
    pub(crate) fn roster_mut(&mut self) -> Option<&mut Roster> {
        self.extras.as_mut()?.roster.as_deref_mut()
    }

    /// Whether it is the hidden one in which another one's users are told. It is not online, whoever waits on it.
    pub(crate) fn is_hidden(&self) -> bool {
        self.rule.is_of_presence()
    }

    /// Adds the shards that are to be handed a message to this channel to `out`, each once.
    pub(crate) fn shards(&self, out: &mut SmallVec<[ShardId; 4]>) {
        self.interest.shards(out);
        if let Some(extras) = &self.extras {
            extras.takers.shards(out);
        }
    }

    /// How many wait: registrations and takers.
    pub(crate) fn waiting(&self) -> u32 {
        self.interest.sum() + self.extras.as_ref().map_or(0, |extras| extras.takers.sum())
    }

    /// Whether nothing keeps the record but what it remembers of its past.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting() == 0
            && !self.online
            && self.history.is_none()
            && self.pins == 0
            && self.roster().is_none()
    }

    /// Bytes it takes, as they are counted.
    pub(crate) fn record_len(&self) -> u64 {
        record_len(&self.name)
    }

    /// Until when its id must not be given to another channel.
    pub(crate) fn held_until(&self) -> Millis {
        self.extras.as_ref().map_or(0, |extras| extras.held_until)
    }

    /// From when on an idle record may be forgotten.
    pub(crate) fn forget_at(&self) -> Millis {
        self.needed_until.max(self.held_until())
    }

    /// When it is to be looked at; `NEVER` when only a call from outside can change it.
    pub(crate) fn next_due(&self) -> Millis {
        let mut next = self.history.as_ref().map_or(NEVER, |history| history.due());
        next = next.min(self.roster().map_or(NEVER, Roster::due));
        if self.online && self.waiting() == 0 {
            next = next.min(self.offline_at);
        }
        if self.is_idle() {
            next = next.min(self.forget_at());
        }
        next
    }

    /// What others may know of it.
    pub(crate) fn info(&self) -> ChannelInfo {
        let history = self.history.as_ref();
        ChannelInfo {
            name: Arc::clone(&self.name),
            waiting: self.waiting(),
            online: self.online,
            messages: history.map_or(0, |history| u32::try_from(history.said()).unwrap_or(u32::MAX)),
            bytes: history.map_or(0, |history| history.said_bytes()),
            kept: history
                .filter(|history| history.said() > 0)
                .and_then(|history| history.first().zip(history.newest())),
        }
    }

    /// Checks all that must hold within the record.
    pub(crate) fn audit(&self) {
        assert!(self.is_hidden() || self.online || self.waiting() == 0, "nobody waits offline");
        assert!(!(self.is_hidden() && self.online));
        if let Some(roster) = self.roster() {
            roster.audit();
            assert!(!roster.is_empty());
        }
        assert!(self.history.as_ref().is_none_or(|history| !history.is_empty()));
        assert!(self.due <= self.next_due(), "what is due stands in the agenda");
        // Users are still there within their grace.
        let is_waited_on = self.waiting() > 0 || self.roster().is_some();
        assert!(
            self.holder.is_public() || is_waited_on != self.holder.is_passing(),
            "it is held by who waits"
        );
        assert!(self.holder.is_public() || (self.last == Position::START && self.history.is_none()));
    }
}

/// Bytes that the record of a channel of this name takes, as they are counted.
pub(crate) fn record_len(name: &str) -> u64 {
    RECORD_LEN + name.len() as u64
}

/// How many of something each shard has. Mostly it is one shard, which costs no allocation.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) enum Counts {
    #[default]
    None,
    /// The count is not 0.
    One([(ShardId, u32); 1]),
    /// Each shard once, no count 0. Stays when it shrinks: nothing is freed under the caller's lock.
    #[allow(clippy::box_collection, reason = "a Vec itself would make every record larger")]
    Many(Box<Vec<(ShardId, u32)>>),
}

impl Counts {
    /// One more.
    pub(crate) fn add(&mut self, shard: ShardId) {
        if let Some((_, count)) = self.counts_mut().iter_mut().find(|(other, _)| *other == shard) {
            *count += 1;
            return;
        }
        match self {
            Self::None => *self = Self::One([(shard, 1)]),
            Self::One([one]) => *self = Self::Many(Box::new(vec![*one, (shard, 1)])),
            Self::Many(many) => many.push((shard, 1)),
        }
    }

    /// Up to `count` fewer; returns how many there were to take.
    pub(crate) fn take(&mut self, shard: ShardId, count: u32) -> u32 {
        let counts = self.counts_mut();
        let Some(index) = counts.iter().position(|(other, _)| *other == shard) else { return 0 };
        let there = &mut counts[index].1;
        let taken = count.min(*there);
        *there -= taken;
        if *there == 0 {
            match self {
                Self::Many(many) => drop(many.swap_remove(index)),
                _ => *self = Self::None,
            }
        }
        taken
    }

    /// None at all; returns how many there were.
    pub(crate) fn clear(&mut self) -> u32 {
        let sum = self.sum();
        match self {
            Self::Many(many) => many.clear(),
            _ => *self = Self::None,
        }
        sum
    }

    /// How many there are.
    pub(crate) fn sum(&self) -> u32 {
        self.counts().iter().map(|(_, count)| count).sum()
    }

    /// Adds the shards that have any to `out`, each once.
    pub(crate) fn shards(&self, out: &mut SmallVec<[ShardId; 4]>) {
        for (shard, _) in self.counts() {
            if !out.contains(shard) {
                out.push(*shard);
            }
        }
    }

    fn counts(&self) -> &[(ShardId, u32)] {
        match self {
            Self::None => &[],
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }

    fn counts_mut(&mut self) -> &mut [(ShardId, u32)] {
        match self {
            Self::None => &mut [],
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

/// A million channels are a million of these.
const _: () = assert!(size_of::<Channel>() <= 112);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_never_fall_below_nothing() {
        let (a, b) = (ShardId(0), ShardId(1));
        let mut counts = Counts::default();
        counts.add(a);
        counts.add(b);
        counts.add(a);
        assert_eq!(counts.sum(), 3);
        assert_eq!(counts.take(a, 5), 2);
        assert_eq!(counts.take(a, 1), 0);
        let mut shards = SmallVec::new();
        counts.shards(&mut shards);
        assert_eq!(shards[..], [b]);
    }
}
