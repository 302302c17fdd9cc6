//! The hub as plain data, for another program that goes on in the place of this one.
//!
//! It is told piece by piece, so that nobody needs all of it at once: first what it knows as a whole, then each record under the
//! number it has, with its messages, then the changes that are kept. **Nobody comes or goes by that**: who is registered, online or
//! within a grace stays so, to the millisecond. What can be made of other things (tables by name, agendas, sums) is made anew.
//! Who follows the order follows the new hub from its end on.
//!
//! The other program may have other limits; they hold as if they had been set. Only in which channels users are told of
//! must be the same.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::channel::{Channel, Counts, Extras, Floor};
use crate::feed::FrozenFeed;
use crate::frozen_message::FrozenEntry;
use crate::history::History;
use crate::history::frozen::FrozenHistory;
use crate::names::Names;
use crate::room::Holder;
use crate::roster::Roster;
use crate::rule::Rules;
use crate::volatile::presence_mark;
use crate::{ChangeKind, Epoch, Hub, Limits, Message, Millis, NEVER, Position, Totals};

/// A piece of a hub: for nobody's eyes, since messages stand in it.
#[derive(Serialize, Deserialize)]
pub struct FrozenPiece(FrozenPart);

#[derive(Serialize, Deserialize)]
enum FrozenPart {
    Head(Box<FrozenHead>),
    Channel(Box<FrozenChannel>),
    /// Of the channel told last.
    Message(Box<FrozenEntry>),
    /// One of several channels, which was told already.
    Again(Position),
    /// And whether it is of a channel that somebody published to.
    Change {
        is_public: bool,
        position: Position,
        time: Millis,
        name: String,
        what: ChangeKind,
    },
    End,
}

/// Why pieces make no hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ThawError {
    /// They are not those of a hub, or not all.
    #[error("what came of the channels is cut off, or was not told by a program of ours")]
    Malformed,
    /// Users would have to come or go.
    #[error(
        "in other channels than before users are told of (presence, or webhooks for users): that takes a restart"
    )]
    Presence,
    /// There is less room than is taken.
    #[error("channels_budget is less than the channels that are there take: that takes a restart")]
    Room,
}

/// What a hub knows as a whole.
#[derive(Serialize, Deserialize)]
struct FrozenHead {
    epoch: Epoch,
    seed: u64,
    clock: Millis,
    last: Position,
    ids_end: u32,
    free: Vec<u32>,
    held: Vec<(Millis, u32)>,
    feed: FrozenFeed,
    floor: Floor,
    lost: Position,
    forgotten: Position,
    leaves_out: bool,
    trims: u64,
    totals: Totals,
    presence: (u32, bool),
}

/// A record without its messages.
#[derive(Serialize, Deserialize)]
struct FrozenChannel {
    id: u32,
    name: String,
    interest: Counts,
    history: Option<FrozenHistory>,
    extras: Option<(Counts, Millis, Option<Roster>, Millis)>,
    last: Position,
    watermark: Position,
    trimmed_at: u64,
    needed_until: Millis,
    taken: Position,
    due: Millis,
    offline_at: Millis,
    pins: u32,
    online: bool,
    holder: Holder,
}

impl Hub {
    /// Whether nothing is under way: all that is ordered is released, and a store was told everything.
    pub fn is_at_rest(&self) -> bool {
        self.ordered.is_empty() && self.facts.is_empty()
    }

    /// Tells all that it knows. It must be [at rest](Self::is_at_rest).
    pub fn freeze(&self, mut each: impl FnMut(FrozenPiece)) {
        debug_assert!(self.is_at_rest());
        each(FrozenPiece(FrozenPart::Head(Box::new(self.head()))));
        let mut shared = HashSet::new();
        for (id, channel) in self.names.iter() {
            each(FrozenPiece(FrozenPart::Channel(Box::new(FrozenChannel::freeze(id, channel)))));
            for message in channel.history.iter().flat_map(|history| history.messages()) {
                let is_shared = message.targets().len() > 1;
                each(FrozenPiece(if is_shared && !shared.insert(message.position) {
                    FrozenPart::Again(message.position)
                } else {
                    FrozenPart::Message(Box::new(FrozenEntry::freeze(message, &channel.name)))
                }));
            }
        }
        for (is_public, change) in self.feed.kept() {
            let crate::Change { position, time, what, name } = change;
            each(FrozenPiece(FrozenPart::Change { is_public, position, time, name: name.to_string(), what }));
        }
        each(FrozenPiece(FrozenPart::End));
    }

    fn head(&self) -> FrozenHead {
        let (ids_end, free, held) = self.names.ids();
        FrozenHead {
            epoch: self.cursors().epoch(),
            seed: self.names.seed(),
            clock: self.clock,
            last: self.last,
            ids_end,
            free,
            held,
            feed: self.feed.freeze(),
            floor: self.floor,
            lost: self.lost,
            forgotten: self.forgotten,
            leaves_out: self.leaves_out,
            trims: self.trims,
            totals: self.totals,
            presence: presence_of(&self.limits),
        }
    }

    /// The hub of which these are all pieces, in order. It tells no store anything.
    pub fn thaw(limits: Limits, pieces: impl IntoIterator<Item = FrozenPiece>) -> Result<Self, ThawError> {
        let mut pieces = pieces.into_iter();
        let Some(FrozenPiece(FrozenPart::Head(head))) = pieces.next() else {
            return Err(ThawError::Malformed);
        };
        let mut thawing = Thawing::new(limits, *head)?;
        for FrozenPiece(part) in pieces {
            match part {
                FrozenPart::End => return thawing.end(),
                part => thawing.take(part).ok_or(ThawError::Malformed)?,
            }
        }
        Err(ThawError::Malformed)
    }
}

/// A hub that is not whole yet.
struct Thawing {
    hub: Hub,
    feed: FrozenFeed,
    /// The record whose messages come.
    channel: Option<(u32, Box<Channel>, FrozenHistory)>,
    messages: Vec<Message>,
    /// Messages of several channels.
    shared: HashMap<Position, Message>,
    names: HashMap<String, Arc<str>>,
}

impl Thawing {
    fn new(limits: Limits, head: FrozenHead) -> Result<Self, ThawError> {
        if presence_of(&limits) != head.presence {
            return Err(ThawError::Presence);
        }
        let FrozenHead { ids_end, free, held, totals, .. } = head;
        if free.len() + held.len() > ids_end as usize {
            return Err(ThawError::Malformed);
        }
        let mut hub = Hub::new(limits, head.epoch, head.seed);
        hub.names = Names::again(head.seed, ids_end, free, held);
        (hub.clock, hub.last, hub.end) = (head.clock, head.last, head.last);
        (hub.floor, hub.lost, hub.forgotten) = (head.floor, head.lost, head.forgotten);
        (hub.leaves_out, hub.trims, hub.totals) = (head.leaves_out, head.trims, totals);
        let (shared, names) = Default::default();
        Ok(Self { hub, feed: head.feed, channel: None, messages: Vec::new(), shared, names })
    }

    /// Takes the next part. `None`: it does not fit to those before.
    fn take(&mut self, part: FrozenPart) -> Option<()> {
        match part {
            FrozenPart::Channel(frozen) if self.channel.is_none() => {
                let FrozenChannel { id, .. } = *frozen;
                let (channel, history) = frozen.thaw(&self.hub)?;
                match history {
                    Some(history) => self.channel = Some((id, channel, history)),
                    None => self.put_back(id, channel)?,
                }
                Some(())
            }
            FrozenPart::Message(frozen) => {
                let (_, channel, _) = self.channel.as_ref()?;
                let message = frozen.thaw(&channel.name, &mut self.names)?;
                if message.targets().len() > 1 {
                    self.shared.insert(message.position, message.clone());
                }
                self.take_message(message)
            }
            FrozenPart::Again(position) => {
                let message = self.shared.get(&position)?.clone();
                self.take_message(message)
            }
            FrozenPart::Change { is_public, position, time, name, what } => {
                self.hub.feed.put_back(is_public, (position, time), &name, what).then_some(())
            }
            FrozenPart::Channel(_) | FrozenPart::Head(_) | FrozenPart::End => None,
        }
    }

    fn take_message(&mut self, message: Message) -> Option<()> {
        self.messages.push(message);
        let (.., history) = self.channel.as_ref()?;
        if self.messages.len() < history.count as usize {
            return Some(());
        }
        let (id, mut channel, history) = self.channel.take()?;
        let history = History::thaw(history, mem::take(&mut self.messages))?;
        self.hub.oldest.enter(history.oldest, id);
        channel.history = Some(Box::new(history));
        self.put_back(id, channel)
    }

    fn put_back(&mut self, id: u32, channel: Box<Channel>) -> Option<()> {
        let (holder, due, len) = (channel.holder, channel.due, channel.record_len());
        if !self.hub.names.put_back(id, channel) {
            return None;
        }
        self.hub.room.add(holder, len);
        if due != NEVER {
            self.hub.agenda_of_mut(holder).enter(due, id);
        }
        Some(())
    }

    /// All have come. What the limits do not allow goes now.
    fn end(mut self) -> Result<Hub, ThawError> {
        let is_whole = self.channel.is_none()
            && self.hub.names.iter().count() == self.hub.names.len()
            && self.hub.names.len() as u64 == self.hub.totals.channels;
        if !is_whole {
            return Err(ThawError::Malformed);
        }
        if self.hub.room.used() > self.hub.limits.channels_budget {
            return Err(ThawError::Room);
        }
        self.hub.feed.thaw(self.feed);
        self.hub.rules.replace(Rules::new(&self.hub.limits));
        while self.hub.go_over(self.hub.clock) {}
        Ok(self.hub)
    }
}

impl FrozenChannel {
    fn freeze(id: u32, channel: &Channel) -> Self {
        let extras = |extras: &Extras| {
            let roster = extras.roster.as_deref().cloned();
            (extras.takers.clone(), extras.takers_grace, roster, extras.held_until)
        };
        Self {
            id,
            name: channel.name.to_string(),
            interest: channel.interest.clone(),
            history: channel.history.as_ref().map(|history| history.freeze()),
            extras: channel.extras.as_deref().map(extras),
            last: channel.last,
            watermark: channel.watermark,
            trimmed_at: channel.trimmed_at,
            needed_until: channel.needed_until,
            taken: channel.taken,
            due: channel.due,
            offline_at: channel.offline_at,
            pins: channel.pins,
            online: channel.online,
            holder: channel.holder,
        }
    }

    /// The record in this hub, and its history without its messages.
    fn thaw(self, hub: &Hub) -> Option<(Box<Channel>, Option<FrozenHistory>)> {
        let extras = self.extras.map(|(takers, takers_grace, roster, held_until)| {
            Box::new(Extras { takers, takers_grace, roster: roster.map(Box::new), held_until })
        });
        let rule = hub.rules.now().find(&self.name);
        let channel = Channel {
            interest: self.interest,
            extras,
            last: self.last,
            watermark: self.watermark,
            trimmed_at: self.trimmed_at,
            needed_until: self.needed_until,
            taken: self.taken,
            due: self.due,
            offline_at: self.offline_at,
            pins: self.pins,
            online: self.online,
            ..Channel::new(&self.name, rule, self.holder, hub.floor)
        };
        let is_sound = self.history.as_ref().is_none_or(|history| history.count > 0);
        is_sound.then_some((Box::new(channel), self.history))
    }
}

/// In which channels users are told of, and whether all of them are followed.
fn presence_of(limits: &Limits) -> (u32, bool) {
    (presence_mark(&limits.rules), limits.follow_users)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{hub, join, say};
    use crate::{Door, Pattern, Rule};

    fn pieces(hub: &Hub) -> Vec<FrozenPiece> {
        let mut pieces = Vec::new();
        hub.freeze(|piece| pieces.push(piece));
        pieces
    }

    /// A hub in which there is something of everything.
    fn full() -> Hub {
        let mut hub = hub(Limits::default());
        (1..=3).for_each(|n| drop(say(&mut hub, "a,b", 1, n)));
        say(&mut hub, "a", 1, 4);
        join(&mut hub, "c", 5);
        hub
    }

    fn why_not(limits: Limits, pieces: Vec<FrozenPiece>) -> Option<ThawError> {
        Hub::thaw(limits, pieces).err()
    }

    #[test]
    fn what_is_cut_off_or_out_of_order_is_no_hub() {
        let count = pieces(&full()).len();
        for end in 0..count {
            let mut cut = pieces(&full());
            cut.truncate(end);
            assert_eq!(why_not(Limits::default(), cut), Some(ThawError::Malformed), "{end}");
        }
        for gone in 0..count {
            let mut rest = pieces(&full());
            rest.remove(gone);
            let is_change = matches!(pieces(&full())[gone].0, FrozenPart::Change { .. });
            let expected = (!is_change).then_some(ThawError::Malformed);
            assert_eq!(why_not(Limits::default(), rest), expected, "{gone}");
        }
        let mut twice = pieces(&full());
        twice.splice(1..1, pieces(&full()).into_iter().skip(1).take(7));
        assert_eq!(why_not(Limits::default(), twice), Some(ThawError::Malformed));
    }

    #[test]
    fn a_message_of_several_channels_is_held_once() {
        let thawed = Hub::thaw(Limits::default(), pieces(&full())).unwrap();
        let first = |name: &str| {
            let id = thawed.names.find(name).unwrap();
            thawed.names[id].history.as_ref().unwrap().messages().next().unwrap().bytes().as_ptr()
        };
        assert_eq!(first("a"), first("b"));
    }

    #[test]
    fn other_limits_hold_at_once() {
        let limits = Limits { history_messages: 2, ..Limits::default() };
        let thawed = Hub::thaw(limits, pieces(&full())).unwrap();
        thawed.audit();
        assert_eq!((thawed.channel("a").unwrap().messages, thawed.channel("b").unwrap().messages), (2, 2));
    }

    #[test]
    fn limits_that_would_have_somebody_come_or_go_are_refused() {
        let tells = Rule { presence: Some(Door::Open), ..Rule::new(Pattern::new("a").unwrap()) };
        let limits = [
            (Limits { rules: vec![tells], ..Limits::default() }, ThawError::Presence),
            (Limits { follow_users: true, ..Limits::default() }, ThawError::Presence),
            (Limits { channels_budget: 9, ..Limits::default() }, ThawError::Room),
        ];
        for (limits, why) in limits {
            assert_eq!(why_not(limits, pieces(&full())), Some(why));
        }
    }
}
