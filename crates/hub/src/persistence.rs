//! What is told to a store, and how a hub goes on where another one ended.
//!
//! A store is told facts in the order in which they come about. Eviction is no fact: it follows from the
//! messages and the limits. So going on means to have all messages come again, at their own times.

use std::collections::HashMap;
use std::sync::Arc;

use crate::channel::Floor;
use crate::hidden_names::addressed;
use crate::hub::{Ids, Keeping, Ordered, What};
use crate::limits::{RESTORED_TRASH_MAX, STATE_STEP_MAX};
use crate::movement::is_bookmark;
use crate::room::Holder;
use crate::{
    Answered, Change, ChannelId, ChannelState, Fact, Hub, IdempotencyKey, Message, Millis, Past, Position,
    Publish, Seen, Target, UserEnd,
};

impl Hub {
    /// Goes on where a hub ended of which this is known. To be called on an empty hub, before anything else.
    /// Channels that were online stay so for the grace.
    pub fn restore(&mut self, past: Past, now: Millis) {
        debug_assert!(self.last == Position::START && self.names.len() == 0);
        (self.last, self.end) = (past.last, past.last);
        (self.lost, self.forgotten) = (past.lost, past.last);
        // What was trimmed before counts as the first trim.
        self.trims = 1;
        self.floor = Floor { position: past.floor, trimmed_at: u64::from(past.floor > Position::START) };
        let mut online: HashMap<Arc<str>, (Position, bool, Position)> = HashMap::new();
        for (change, taken) in &past.changes {
            online.insert(Arc::clone(&change.name), (change.position, change.what.is_online(), *taken));
        }
        let mut emptied: HashMap<Arc<str>, Position> = HashMap::new();
        for state in past.states {
            self.restore_state(&state, now);
            if state.emptied {
                let up_to = emptied.entry(Arc::clone(&state.name)).or_default();
                *up_to = state.watermark.max(*up_to);
            }
            let known =
                online.entry(Arc::clone(&state.name)).or_insert((state.at, state.online, state.taken));
            if state.at >= known.0 {
                *known = (state.at, state.online, state.taken.max(known.2));
            } else {
                known.2 = known.2.max(state.taken);
            }
        }
        self.restore_recent(&past.messages, past.lost);
        let taken = past.messages.iter().filter_map(|removal| {
            let place = removal.removal()?.position;
            let index = past.messages.binary_search_by_key(&place, |message| message.position).ok()?;
            Some((removal.position, past.messages[index].clone()))
        });
        self.removing.extend(taken);
        for message in past.messages {
            let is_outdated = past.outdated.contains(&message.position);
            self.restore_message(message, is_outdated, &emptied);
        }
        for (change, _) in past.changes {
            let Change { position, name, what, time } = change;
            self.clock = self.clock.max(time);
            self.feed.push(true, position, &name, what, time, &mut self.trash);
        }
        self.feed.lose(past.changes_lost);
        let now = self.advance(now);
        for (name, (_, _, taken)) in online.into_iter().filter(|(_, (_, is_online, _))| *is_online) {
            self.restore_online(&name, taken, now);
        }
        self.restored_users(now);
        while self.tick(now) {}
        self.take_trash();
        self.check();
    }

    /// From now on a store is told every fact. It has reserved places up to `reserved`.
    pub fn keep_facts(&mut self, reserved: Position) {
        self.keeping = Keeping::Facts;
        self.reserved = reserved;
    }

    /// The store has reserved more places.
    pub fn reserve(&mut self, reserved: Position) {
        self.reserved = reserved;
    }

    /// What the store is to be told, in order.
    pub fn facts(&mut self) -> &mut Vec<Fact> {
        &mut self.facts
    }

    /// A store is told that the application ended a user. False: there is none, or it takes nothing.
    pub fn note_user_end(&mut self, end: UserEnd) -> bool {
        let tells = self.keeping == Keeping::Facts;
        if tells {
            self.facts.push(Fact::UserEnd(end));
        }
        tells
    }

    /// The last place given.
    pub fn last(&self) -> Position {
        self.last
    }

    /// Whether a store is to keep a message.
    pub fn is_durable(&self, publish: &Publish) -> bool {
        publish.channels.iter().map(|name| self.rule_of(name)).any(|keep| {
            let ttl = publish.ttl.or(keep.ttl);
            keep.durable && ttl != Some(0)
        })
    }

    /// The message ordered last came under this key: a repeat is answered as it is now.
    pub fn answered(&mut self, key: &IdempotencyKey, now: Millis) {
        let names = &self.names;
        let Some(Fact::Message { message, key: kept }) = self.facts.last_mut() else { return };
        if message.position != self.last {
            return;
        }
        let seen = |target: &Target| {
            let channel = names.find(&target.name).map(|id| &names[id]);
            let seen = channel.map(|channel| Seen { waiting: channel.waiting(), online: channel.online });
            (Arc::clone(&target.name), seen.unwrap_or(Seen { waiting: 0, online: false }))
        };
        let told = message.targets().iter().filter(|target| addressed(&target.name).is_none());
        let seen = told.map(seen).collect();
        *kept = Some(Box::new(Answered { key: key.clone(), time: now, position: message.position, seen }));
    }

    /// The store fails: what waits for it is given up, and nothing is told until [`Self::resume`]. Returns the
    /// places that nobody will see.
    pub fn suspend(&mut self) -> Vec<Position> {
        self.keeping = Keeping::Suspended;
        self.facts.clear();
        let mut given_up = Vec::new();
        for mut ordered in std::mem::take(&mut self.ordered) {
            match ordered.what {
                What::Message(message, ids) if ordered.waits => {
                    given_up.push(message.position);
                    self.give_up_movement(&message);
                    let known = message.targets().iter().zip(&ids).filter(|(_, id)| **id != ChannelId::NONE);
                    for (target, _) in known {
                        if let Some(id) = self.names.find(&target.name) {
                            self.names[id].pins = self.names[id].pins.saturating_sub(1);
                            self.schedule(id);
                        }
                    }
                    self.trash.messages.push(message);
                }
                What::Deletion(position, _) => given_up.push(position),
                _ => {
                    ordered.waits = false;
                    self.ordered.push_back(ordered);
                }
            }
        }
        self.removing.retain(|(place, _)| given_up.binary_search(place).is_err());
        if self.ordered.is_empty() {
            self.end = self.last;
        }
        given_up
    }

    /// The store takes facts again. Returns the last place given: changes up to there may be missing in it.
    pub fn resume(&mut self) -> Position {
        self.keeping = Keeping::Facts;
        self.last
    }

    /// What is still at this place in the history of a channel.
    pub fn held(&self, name: &str, position: Position) -> Option<&Message> {
        let id = self.names.find(name)?;
        self.names[id].history.as_ref()?.entry(position)
    }

    /// Whether something is.
    pub fn holds(&self, name: &str, position: Position) -> bool {
        self.held(name, position).is_some()
    }

    /// What is known of a channel beside its messages; `None`: it was forgotten, or nobody ever published to it.
    pub fn state(&self, name: &str) -> Option<ChannelState> {
        let id = self.names.find(name).filter(|id| self.names[*id].holder.is_public())?;
        Some(self.state_of(id))
    }

    /// Whether the store is not told all changes of presence, in this run: those of names that nobody ever published to.
    pub fn leaves_out_changes(&self) -> bool {
        self.leaves_out
    }

    /// The same, where some messages from before the watermark are there still: up to where none is.
    pub fn emptied(&self, name: &str) -> Option<ChannelState> {
        let id = self.names.find(name)?;
        let state = Some(self.state_of(id)).filter(|state| !state.emptied)?;
        let first = self.names[id].history.as_ref().and_then(|history| history.first())?;
        let watermark = Position::from_bits(first.to_bits().saturating_sub(1));
        Some(ChannelState { watermark, emptied: true, ..state })
    }

    /// The highest watermark of channels that were forgotten.
    pub fn floor(&self) -> Position {
        self.floor.position
    }

    /// Changes up to here are no longer kept, of those that a store is told.
    pub fn changes_floor(&self) -> Position {
        self.feed.public_watermark()
    }

    /// Evicts messages of a channel up to a place, a step of them; how far somebody has come who follows the order is kept. To be
    /// called again while it says true.
    pub fn evict(&mut self, name: &str, up_to: Position, now: Millis) -> bool {
        if is_bookmark(name) {
            return false;
        }
        let now = self.advance(now);
        let Some(id) = self.names.find(name) else { return false };
        for _ in 0..STATE_STEP_MAX {
            let first = self.names[id].history.as_ref().and_then(|history| history.first());
            if first.is_none_or(|first| first > up_to) {
                return false;
            }
            self.evict_first(id, up_to, now);
        }
        true
    }

    /// Tells the store what is known of a channel beside its messages.
    pub(crate) fn tell_state(&mut self, id: u32) {
        if self.keeping == Keeping::Facts && self.keep(id).durable {
            let state = self.state_of(id);
            self.facts.push(Fact::State(state));
        }
    }

    /// Tells the store that a channel's history was deleted. That has a place, so that one can wait for it.
    pub(crate) fn tell_deletion(&mut self, id: u32) {
        if self.keeping == Keeping::Facts && self.keep(id).durable && self.last < self.reserved {
            self.last = self.last.next();
            let state = ChannelState { emptied: true, ..self.state_of(id) };
            self.facts.push(Fact::State(state));
            self.ordered.push_back(Ordered { what: What::Deletion(self.last, self.clock), waits: true });
        }
    }

    /// A message that has its place; a store is told of it where it is to keep it.
    pub(crate) fn ordered_message(&mut self, message: Message, ids: Ids, now: Millis) -> Ordered {
        let stored = self.keeping == Keeping::Facts && self.is_to_be_stored(&message, &ids, now);
        if stored {
            self.facts.push(Fact::Message { message: message.clone(), key: None });
        }
        Ordered { waits: stored || self.keeping == Keeping::Nothing, what: What::Message(message, ids) }
    }

    /// Whether a store keeps a message: where one of its channels is durable, and keeps it.
    pub(crate) fn is_to_be_stored(&self, message: &Message, ids: &Ids, now: Millis) -> bool {
        ids.iter().filter(|id| self.names.get(id.0).is_some()).any(|id| {
            let keep = self.keep(id.0);
            keep.durable && keep.end(message) > now
        })
    }

    /// Up to which place anything may be missing in a channel.
    pub(crate) fn lost_of(&self, name: &str) -> Position {
        if self.forgotten > self.lost && !self.rule_of(name).durable { self.forgotten } else { self.lost }
    }

    pub(crate) fn state_of(&self, id: u32) -> ChannelState {
        let channel = &self.names[id];
        // Where a message of several channels was deleted in one, the log has it for the others.
        let first = channel.history.as_ref().and_then(|history| history.first());
        ChannelState {
            name: Arc::clone(&channel.name),
            at: self.last,
            watermark: channel.watermark,
            needed_until: channel.needed_until,
            taken: channel.taken,
            online: channel.online,
            emptied: first.is_none_or(|first| first > channel.watermark),
        }
    }

    fn restore_state(&mut self, state: &ChannelState, now: Millis) {
        let id = match self.names.find(&state.name) {
            Some(id) => id,
            None => match self.create(&state.name, Holder::PUBLIC, now) {
                Ok(id) => {
                    // What it says counts, and not the floor.
                    self.names[id].watermark = Position::START;
                    id
                }
                Err(_) => return self.raise_floor(state.watermark),
            },
        };
        let channel = &mut self.names[id];
        channel.watermark = channel.watermark.max(state.watermark);
        channel.trimmed_at = u64::from(channel.watermark > Position::START);
        channel.needed_until = channel.needed_until.max(state.needed_until);
        channel.taken = channel.taken.max(state.taken);
        self.schedule(id);
    }

    /// A message comes again, at its own time.
    fn restore_message(
        &mut self,
        mut message: Message,
        is_outdated: bool,
        emptied: &HashMap<Arc<str>, Position>,
    ) {
        let now = self.advance(message.time);
        if !is_outdated {
            self.restore_movement(&message, now);
        }
        let mut ids = smallvec::SmallVec::<[u32; 4]>::new();
        let place = message.position;
        for target in message.clone().targets() {
            let was_deleted = emptied.get(&target.name).is_some_and(|up_to| place <= *up_to);
            if was_deleted || !self.rule_of(&target.name).durable {
                // It is of the channels that have it: a store does not know whether it was taken back from others.
                if message.targets().len() > 1 {
                    message = message.without(&target.name);
                }
                continue;
            }
            let Some(id) = self.restore_record(&target.name, place, now) else { continue };
            let channel = &mut self.names[id];
            channel.pins += 1;
            if message.removal().is_none() {
                channel.last = place;
            }
            ids.push(id);
        }
        if let [id] = ids[..]
            && let Some(history) = &self.names[id].history
            && let Some(about) = history.about()
        {
            message.share(about);
        }
        for id in ids {
            self.names[id].pins -= 1;
            self.forget_message(id, &message);
            if self.keep(id).end(&message) > now {
                self.remember(id, &message, now);
            }
            self.schedule(id);
        }
        self.forget_target(&message);
        self.keep_budget(now);
        if self.trash.messages.len() > RESTORED_TRASH_MAX {
            self.take_trash();
        }
    }

    /// The record of a channel whose message of this place comes again; `None`: there is no room for it.
    fn restore_record(&mut self, name: &str, place: Position, now: Millis) -> Option<u32> {
        if let Some(id) = self.names.find(name) {
            return Some(id);
        }
        let Ok(id) = self.create(name, Holder::PUBLIC, now) else {
            self.raise_floor(place);
            return None;
        };
        // A channel with messages from before the floor was not among those forgotten.
        if place <= self.floor.position {
            (self.names[id].watermark, self.names[id].trimmed_at) = (Position::START, 0);
        }
        Some(id)
    }

    /// A channel was online when the program ended.
    fn restore_online(&mut self, name: &str, taken: Position, now: Millis) {
        let id = match self.names.find(name) {
            Some(id) => id,
            None => match self.create(name, Holder::PUBLIC, now) {
                Ok(id) => id,
                // Nobody can be told that it goes offline.
                Err(_) => return self.feed.lose(self.last),
            },
        };
        let channel = &mut self.names[id];
        (channel.online, channel.taken) = (true, taken);
        channel.offline_at = now.saturating_add(self.limits.grace);
        self.totals.online += 1;
        self.schedule(id);
    }

    fn raise_floor(&mut self, position: Position) {
        self.floor = Floor { position: self.floor.position.max(position), trimmed_at: 1 };
    }
}

#[cfg(test)]
mod tests;
