//! What one subscription of a client is owed: checked with every message, gap, cursor and end it is told.

use std::collections::{BTreeMap, BTreeSet};

use exchange::hub::Position;
use multiplexor_wait::exchange;

use super::model::Model;

/// What a client listens to on one connection, and how far it has been told.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) live: BTreeMap<usize, Owed>,
    /// Channels being added to a live WebSocket.
    pub(crate) adding: BTreeMap<usize, Owed>,
    /// The highest place that was told: by a cursor, or by a message.
    pub(crate) last: Position,
    /// The last cursor that was told, by which the client comes back.
    pub(crate) cursor: Position,
    /// Messages that came, by channel and place.
    got: BTreeSet<(usize, Position)>,
    /// Of which of them it was told that they were taken back.
    told: BTreeSet<(usize, Position)>,
    /// Its shape has words for that.
    hears_taken: bool,
    /// What is added first it had before it came, and is owed still if it goes without it.
    pub(crate) comes_back: bool,
}

/// What the client is owed of one channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owed {
    /// Which of the channel's messages is next; or, while that is not `sure`, the last that may be.
    next: usize,
    sure: bool,
    /// Up to this one, messages may be missing: a gap was told.
    free: usize,
    /// Deletions of the channel when the client asked.
    deletions: usize,
    /// The cursor it came back with: up to there it may have everything.
    since: Option<Position>,
}

impl Owed {
    /// All after this place.
    pub(crate) fn after(model: &Model, channel: usize, position: Position) -> Self {
        let next = model.up_to(channel, position);
        Self { next, sure: true, free: 0, deletions: model.deletions(channel), since: Some(position) }
    }

    /// From the moment when it was answered; when that was is not told.
    pub(crate) fn from_now(model: &Model, channel: usize) -> Self {
        let deletions = model.deletions(channel);
        Self { next: usize::MAX, sure: false, free: 0, deletions, since: None }
    }

    /// From this message on at the latest.
    pub(crate) fn at_most(&mut self, next: usize) {
        if !self.sure {
            self.next = self.next.min(next);
        }
    }

    /// All that history holds, and nothing else.
    pub(crate) fn history(&mut self, forgotten: usize) {
        self.at_most(forgotten);
        self.free = forgotten;
    }

    fn give(&mut self, model: &Model, channel: usize, number: usize) {
        let index = model.index(channel, number);
        let index = index.unwrap_or_else(|| panic!("{number} was not said to c{channel}"));
        assert!(!self.sure || index >= self.next, "{number} came to c{channel} twice, or late: {self:?}");
        let had = self.next.max(self.free);
        let whole = index <= had || (had..index).all(|missing| model.is_taken(channel, missing));
        assert!(whole, "before {number} something of c{channel} is missing: {self:?}");
        (self.next, self.sure) = (index + 1, true);
    }

    fn gap(&mut self, model: &Model, channel: usize) -> bool {
        let forgotten = model.forgotten(channel);
        let explained = if self.sure { self.next < forgotten } else { forgotten > 0 };
        self.free = self.free.max(forgotten);
        // With a deletion goes the word, too, that a message was taken back.
        let since = self.since.unwrap_or(Position::END);
        explained || (model.deletions(channel) > 0 && model.taken(channel).any(|(_, at)| at > since))
    }

    /// Everything before `end` must have come.
    fn settle(&mut self, model: &Model, channel: usize, end: usize) {
        if !self.sure && self.next != usize::MAX && end <= self.next {
            return; // The place is before the subscription, perhaps.
        }
        let had = self.next.max(self.free);
        // What was said after a deletion is for those who subscribed after it.
        let deleted = model.deleted_at(channel, self.deletions, if self.sure { self.next } else { 0 });
        let owed = deleted.map_or(end, |at| at.min(end));
        let is_whole = owed <= had || (had..owed).all(|missing| model.is_taken(channel, missing));
        assert!(is_whole, "c{channel} is owed {owed} messages: {self:?}");
        self.next = if self.sure { self.next.max(end) } else { end };
        self.sure = true;
    }
}

impl Session {
    pub(crate) fn new(last: Position, hears_taken: bool) -> Self {
        let (live, adding, got, told) = Default::default();
        Self { live, adding, last, cursor: last, got, told, hears_taken, comes_back: false }
    }

    /// A live message came, for these channels; none: for all it was said to, of those it listens to.
    pub(crate) fn message(&mut self, model: &Model, number: usize, channels: &[usize]) {
        let position = model.position(number);
        assert!(position > self.last, "{number} comes after the cursor {:?}", self.last);
        if channels.is_empty() {
            let mut any = false;
            for (channel, owed) in &mut self.live {
                let Some(index) = model.index(*channel, number) else { continue };
                // By a channel just added it may have come already, or it is before its beginning: then
                // it comes for another one.
                if index >= owed.next || (owed.next == usize::MAX && !owed.sure) {
                    owed.give(model, *channel, number);
                    // Of which channel it came is not told. If it was taken back from this one before, it came of another.
                    if !model.taken(*channel).any(|(place, _)| place == position) {
                        self.got.insert((*channel, position));
                    }
                    any = true;
                }
                any |= !owed.sure;
            }
            assert!(any, "{number} is for nobody here");
        }
        for channel in channels {
            let owed = self.live.get_mut(channel);
            owed.unwrap_or_else(|| panic!("c{channel} is not listened to")).give(model, *channel, number);
            self.got.insert((*channel, position));
        }
        self.last = position;
    }

    /// A message of a backlog came for one of its channels.
    pub(crate) fn backlog(&mut self, model: &Model, number: usize, channels: &[usize]) {
        for channel in channels {
            let owed = self.adding.get_mut(channel).expect("a backlog is of the channels that are added");
            owed.give(model, *channel, number);
            self.got.insert((*channel, model.position(number)));
        }
    }

    /// It was told that a message was taken back.
    pub(crate) fn taken_back(&mut self, model: &Model, channel: usize, place: Position) {
        let at = model.taken(channel).find(|(taken, _)| *taken == place).map(|(_, at)| at);
        let at = at.unwrap_or_else(|| panic!("{place:?} was not taken back from c{channel}"));
        assert!(
            self.live.contains_key(&channel) || self.adding.contains_key(&channel),
            "c{channel} is not listened to"
        );
        assert!(self.told.insert((channel, place)), "it is told twice that {place:?} was taken back");
        assert!(
            self.live.get(&channel).is_none_or(|_| at >= self.last),
            "it is told after a cursor behind it"
        );
    }

    /// Forgets what came of channels that it listens to no longer.
    pub(crate) fn leave(&mut self, names: &[usize]) {
        self.got.retain(|(channel, _)| !names.contains(channel));
        self.told.retain(|(channel, _)| !names.contains(channel));
    }

    /// Up to a cursor it was told of all that was taken back which it may have.
    fn check_taken(&self, model: &Model, position: Position) {
        for (channel, owed) in self.live.iter().chain(&self.adding).filter(|_| self.hears_taken) {
            if model.deletions(*channel) != owed.deletions {
                continue;
            }
            // The word of it may be in a gap that was told.
            let is_in_gap = |at: Position| owed.free > 0 && model.up_to(*channel, at) <= owed.free;
            for (place, at) in model.taken(*channel).filter(|(_, at)| *at <= position && !is_in_gap(*at)) {
                // What it had of a channel that it adds, it is told of when that is answered; no cursor before speaks for it.
                let is_live = self.live.contains_key(channel);
                let had = is_live && owed.since.is_some_and(|since| place <= since && since < at);
                let got = self.got.contains(&(*channel, place));
                let told = self.told.contains(&(*channel, place));
                assert!(told || !(had || got), "c{channel} had {place:?}, taken back at {at:?}: {owed:?}");
            }
        }
    }

    /// A gap was told: one of these must explain it.
    pub(crate) fn gap(live: &mut BTreeMap<usize, Owed>, model: &Model, channels: &[usize]) {
        let mut explained = false;
        for channel in channels {
            let owed = live.get_mut(channel).unwrap_or_else(|| panic!("c{channel} is not listened to"));
            explained |= owed.gap(model, *channel);
        }
        assert!(explained, "nothing of {channels:?} is gone, and a gap is told: {live:?}");
    }

    /// A cursor was told: up to there the client is owed nothing.
    pub(crate) fn cursor(&mut self, model: &Model, position: Position) {
        assert!(position >= self.last, "the cursor goes back from {:?} to {position:?}", self.last);
        (self.last, self.cursor) = (position, position);
        self.check_taken(model, position);
        for (channel, owed) in &mut self.live {
            owed.settle(model, *channel, model.up_to(*channel, position));
        }
    }

    /// A page of a backlog was told with this cursor: up to there the client is owed nothing, neither of what is
    /// live nor of what is added. It may be before what was told already.
    pub(crate) fn page_end(&mut self, model: &Model, position: Position) {
        (self.last, self.cursor) = (self.last.max(position), position);
        for (channel, owed) in self.live.iter_mut().chain(&mut self.adding) {
            owed.settle(model, *channel, model.up_to(*channel, position));
        }
    }

    /// All was said and delivered.
    pub(crate) fn end(&mut self, model: &Model) {
        for (channel, owed) in &mut self.live {
            owed.settle(model, *channel, model.count(*channel));
        }
    }

    /// A channel was deleted: what was said before has come, and nothing after. It may be told of a
    /// channel just given up.
    pub(crate) fn deleted(&mut self, model: &Model, channel: usize) {
        let Some(owed) = self.live.remove(&channel) else { return };
        self.leave(&[channel]);
        // A cursor may have gone past the deletion already, so the first one since it asked must do.
        let at = model.deleted_at(channel, owed.deletions, 0);
        let at = at.unwrap_or_else(|| panic!("c{channel} was not deleted: {owed:?}"));
        assert!(at <= owed.next.max(owed.free), "c{channel} ended with {at} messages: {owed:?}");
    }
}
