//! The hub itself: the order of messages and its stages. What else it does stands in the files beside:
//! pages.rs (pages of history), presence.rs (who waits), records.rs (how records come and go), upkeep.rs
//! (what time and limits demand), queries.rs (what others may know).

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::agenda::Agenda;
use crate::channel::Floor;
use crate::feed::Feed;
use crate::hidden_names::addressed;
use crate::known::Known;
use crate::movement::is_bookmark;
use crate::names::Names;
pub(crate) use crate::order_queue::{Ids, Ordered, What};
use crate::recent::Recent;
use crate::room::Room;
use crate::rule::{Keep, Rules};
use crate::rule_table::RuleTable;
use crate::trash::Trash;
use crate::{
    Change, ChangeKind, ChannelId, Cursors, Epoch, Fact, Limits, Message, Millis, Payload, Position, Publish,
    Refused, Released, Seen, Target, Totals,
};

/// Channels, their history, who is online. See the crate's documentation for the contract.
pub struct Hub {
    pub(crate) limits: Limits,
    pub(crate) rules: RuleTable,
    cursors: Cursors,
    /// The latest time a caller told.
    pub(crate) clock: Millis,
    /// The last place given.
    pub(crate) last: Position,
    /// Up to here everything is released. Equal to `last` when nothing is ordered and not released.
    pub(crate) end: Position,
    /// What has a place and is not released, in order. The caller bounds it, by releasing.
    pub(crate) ordered: VecDeque<Ordered>,
    /// Messages to several channels of which one is to lose them, with the places of the removals, which are not released.
    pub(crate) removing: VecDeque<(Position, Message)>,
    pub(crate) names: Names,
    pub(crate) room: Room,
    /// Records by the time at which they are to be looked at.
    pub(crate) agenda: Agenda<Millis>,
    /// The same of those that are there for nobody: the first of them goes where there is no room.
    pub(crate) passing: Agenda<Millis>,
    /// Records with history, by the place of their oldest message.
    pub(crate) oldest: Agenda<Position>,
    pub(crate) feed: Feed,
    pub(crate) recent: Recent,
    pub(crate) floor: Floor,
    /// Up to here anything may be missing: a store lost it.
    pub(crate) lost: Position,
    /// Up to here all is missing that is not durable: the program was started anew.
    pub(crate) forgotten: Position,
    pub(crate) keeping: Keeping,
    /// A change of presence was not told to the store, or is about not to be.
    pub(crate) leaves_out: bool,
    /// Nothing is said of users for now: those who would be told take no more.
    pub(crate) holds_movements: bool,
    /// Something was said of users since this was last asked.
    pub(crate) has_movements: bool,
    /// What a store is to be told, in order.
    pub(crate) facts: Vec<Fact>,
    /// No place behind this one may be given.
    pub(crate) reserved: Position,
    /// How often a watermark moved.
    pub(crate) trims: u64,
    pub(crate) totals: Totals,
    pub(crate) trash: Trash,
}

impl Hub {
    /// An empty hub. `seed` keys the table of names, which strangers choose.
    pub fn new(limits: Limits, epoch: Epoch, seed: u64) -> Self {
        Self {
            cursors: Cursors::new(epoch),
            clock: 0,
            last: Position::START,
            end: Position::START,
            ordered: VecDeque::new(),
            removing: VecDeque::new(),
            names: Names::new(seed),
            room: Room::new(limits.channels_budget, seed),
            agenda: Agenda::default(),
            passing: Agenda::default(),
            oldest: Agenda::default(),
            feed: Feed::new(limits.changes),
            recent: Recent::default(),
            rules: RuleTable::new(Rules::new(&limits)),
            floor: Floor::default(),
            lost: Position::START,
            forgotten: Position::START,
            keeping: Keeping::Nothing,
            leaves_out: false,
            holds_movements: false,
            has_movements: false,
            facts: Vec::new(),
            reserved: Position::END,
            trims: 0,
            totals: Totals::default(),
            trash: Trash::default(),
            limits,
        }
    }

    /// Writes and reads cursors of this hub's epoch.
    pub fn cursors(&self) -> Cursors {
        self.cursors
    }

    /// What is set for channels by their names, until other limits are set: one may keep it and ask it without
    /// the hub.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(self.rules.now())
    }

    /// The latest time that it was told.
    pub fn clock(&self) -> Millis {
        self.clock
    }

    /// The end of what is released: the highest place clients may know.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Stage one: gives the message its place. Nobody sees it yet.
    pub fn order(&mut self, publish: Publish, now: Millis) -> Result<Position, Refused> {
        let now = self.advance(now);
        if self.last >= Position::LAST_ORDERED.min(self.reserved) {
            self.trash.refused.push(publish);
            return Err(Refused::Exhausted);
        }
        let ordered = self.compose(publish, None, now)?;
        self.ordered.push_back(ordered);
        self.check();
        Ok(self.last)
    }

    /// Makes a message of what is published, with this place or the next one.
    pub(crate) fn compose(
        &mut self,
        publish: Publish,
        place: Option<Position>,
        now: Millis,
    ) -> Result<Ordered, Refused> {
        let Publish { channels, mut aliases, payload, ttl } = publish;
        let payload_len = payload.sent_len();
        let fits = self.check_payload(&channels, payload_len);
        let (targets, ids) =
            match fits.and_then(|()| self.targets(&channels, &mut aliases, &payload, ttl, now)) {
                Ok(found) => found,
                Err(refused) => {
                    self.trash.refused.push(Publish { channels, aliases, payload, ttl });
                    return Err(refused);
                }
            };
        // Only now: what goes to make room for its channels has places, too.
        let position = place.unwrap_or_else(|| self.last.next());
        self.last = self.last.max(position);
        self.totals.published += u64::from(!is_bookmark(&targets[0].name));
        let like = if let [id] = ids[..] { self.names.get(id.0) } else { None };
        let like = like.and_then(|channel| channel.history.as_ref()?.about());
        let (message, said) = Message::like(like, position, now, ttl, targets, payload);
        self.trash.spent.push((channels, aliases, said));
        Ok(self.ordered_message(message, ids, now))
    }

    /// Stages two and three: all up to `committed` is safe; releases it in order, many at a time.
    pub fn release(&mut self, committed: Position, now: Millis, out: &mut Vec<Released>) {
        let now = self.advance(now);
        while let Some(front) = self.ordered.front() {
            if front.waits && front.position() > committed {
                break;
            }
            match self.ordered.pop_front().expect("there is a front").what {
                What::Message(message, ids) => {
                    self.end = message.position;
                    self.recent.push(&message, &mut self.trash);
                    let released = self.release_message(message, ids, now);
                    out.push(released);
                }
                What::Deletion(position, _) => self.end = position,
                What::Change(change, is_public) => {
                    self.end = change.position;
                    let Change { position, name, what, time } = change;
                    self.feed.push(is_public, position, &name, what, time, &mut self.trash);
                    self.trash.names.push(name);
                }
            }
        }
        if self.ordered.is_empty() {
            // What was given up may have had the last places.
            self.end = self.last;
        }
        self.check();
    }

    /// What is no longer needed. To be dropped outside of any lock.
    pub fn take_trash(&mut self) -> Trash {
        std::mem::take(&mut self.trash)
    }

    /// The hub's time: what the caller says, but never earlier than before.
    pub(crate) fn advance(&mut self, now: Millis) -> Millis {
        self.clock = self.clock.max(now);
        self.clock
    }

    /// Gives the next place to a change of a record, and releases it at once unless something is before it
    /// or a store is to keep it. A store does not keep those of names that nobody ever published to, for strangers
    /// make them up; but it keeps the first, with which it learns that it will not have all.
    pub(crate) fn change(&mut self, id: u32, what: ChangeKind, now: Millis) {
        if self.last >= self.reserved {
            // No place is left until the store can reserve more. Whoever watches is told.
            return self.feed.lose(self.last);
        }
        self.last = self.last.next();
        let channel = &self.names[id];
        let is_public = channel.holder.is_public();
        // Without a store it is derived from what others do, and waits only for its turn.
        let waits = self.keeping == Keeping::Facts && (is_public || !self.leaves_out);
        self.leaves_out |= !is_public && self.keeping != Keeping::Nothing;
        if self.ordered.is_empty() && !waits {
            self.end = self.last;
            return self.feed.push(is_public, self.last, &channel.name, what, now, &mut self.trash);
        }
        let change = Change { position: self.last, name: Arc::clone(&channel.name), what, time: now };
        if waits {
            self.facts.push(Fact::Change { change: change.clone(), taken: channel.taken });
        }
        self.ordered.push_back(Ordered { what: What::Change(change, is_public), waits });
    }

    /// What the channel of a record keeps.
    pub(crate) fn keep(&self, id: u32) -> &Keep {
        self.rules.of(id).keep(self.names[id].rule)
    }

    /// What a channel keeps, or would if it had a record.
    pub(crate) fn rule_of(&self, name: &str) -> &Keep {
        match self.names.find(name) {
            Some(id) => self.keep(id),
            None => self.rules.now().keep(self.rules.now().find(name)),
        }
    }

    /// The channels a message goes to, each once. Where it is kept, the channel gets a record; the records
    /// are pinned until the message is released. A channel without a record is not known by id.
    fn targets(
        &mut self,
        names: &[Box<str>],
        aliases: &mut [Box<str>],
        payload: &Payload,
        ttl: Option<Millis>,
        now: Millis,
    ) -> Result<(SmallVec<[Target; 1]>, Ids), Refused> {
        let mut targets: SmallVec<[Target; 1]> = SmallVec::with_capacity(names.len());
        let mut ids = Ids::with_capacity(names.len());
        let mut known = Known::new(names.len());
        for (index, name) in names.iter().enumerate() {
            if !known.is_new(name, &targets) {
                continue;
            }
            let alias = aliases.get_mut(index).map(std::mem::take).filter(|alias| !alias.is_empty());
            let id = match self.names.find(name) {
                None if ttl.or_else(|| self.rules.now().keep(self.rules.now().find(name)).ttl) == Some(0) => {
                    None
                }
                found => match self.record_to_publish(name, found, payload, now) {
                    Ok(id) => Some(id),
                    Err(refused) => {
                        self.unpin_all(&ids);
                        return Err(refused);
                    }
                },
            };
            let name = match id {
                Some(id) => {
                    self.publish_to(id);
                    let channel = &mut self.names[id];
                    channel.pins += 1;
                    Arc::clone(&channel.name)
                }
                None => (&**name).into(),
            };
            targets.push(Target { name, alias });
            ids.push(id.map_or(ChannelId::NONE, ChannelId));
        }
        Ok((targets, ids))
    }

    /// Gives up on a message that was not ordered after all.
    fn unpin_all(&mut self, ids: &Ids) {
        for id in ids.iter().filter(|id| **id != ChannelId::NONE) {
            self.names[id.0].pins -= 1;
            self.schedule(id.0);
        }
    }

    /// Makes a message visible: to histories, to takers, to the shards.
    fn release_message(&mut self, message: Message, mut ids: Ids, now: Millis) -> Released {
        if message.removal().is_some() {
            return self.release_removal(message, ids, now);
        }
        self.resolve(&message, &mut ids);
        let mut seen = SmallVec::with_capacity(ids.len());
        let mut shards = SmallVec::new();
        for id in &ids {
            if *id == ChannelId::NONE {
                seen.push(Seen { waiting: 0, online: false });
                continue;
            }
            let id = id.0;
            let channel = &mut self.names[id];
            channel.pins -= 1;
            channel.last = message.position;
            seen.push(Seen { waiting: channel.waiting(), online: channel.online });
            channel.shards(&mut shards);
            let (served, grace) = channel.serve_takers(message.position);
            self.left(id, served, grace, now);
            if served > 0 {
                self.tell_state(id);
            }
            let is_deleted = message.position <= self.names[id].watermark;
            if !is_deleted && self.keep(id).end(&message) > now {
                self.remember(id, &message, now);
            }
            self.schedule(id);
        }
        self.show_movement(&message);
        self.keep_budget(now);
        let is_for_all_shards = message.targets().iter().any(|target| addressed(&target.name).is_some());
        Released { message, channels: ids, seen, shards, is_for_all_shards }
    }

    /// Looks again for channels that had no record when the message was ordered: somebody may have come
    /// in the meantime, and is owed it. And for those that have another id by now.
    pub(crate) fn resolve(&mut self, message: &Message, ids: &mut Ids) {
        for (target, known) in message.targets().iter().zip(ids) {
            if self.names.get(known.0).is_some_and(|channel| channel.name == target.name) {
                continue;
            }
            let Some(id) = self.names.find(&target.name) else { continue };
            if *known == ChannelId::NONE {
                self.publish_to(id);
                self.names[id].pins += 1;
            }
            *known = ChannelId(id);
        }
    }
}

/// What is told to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Nothing: there is none.
    Nothing,
    /// Every fact; messages and changes wait until it has them.
    Facts,
    /// Nothing for now: it fails. Changes do not wait for it, and what is durable must not be ordered.
    Suspended,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SCAN_STEP_MAX;
    use crate::trial::{SHARD, hub, join, publish, release, say};

    #[test]
    fn a_message_has_one_place_and_each_channel_once() {
        for names in ["a,b,a", "a,b,a,b,a,b,a,b,a,b"] {
            let mut hub = hub(Limits::default());
            join(&mut hub, "a", 0);
            let mut publish = publish(names, 1, None);
            publish.aliases = names.split(',').enumerate().map(|(n, _)| n.to_string().into()).collect();
            hub.order(publish, 0).unwrap();
            let message = &release(&mut hub, 0)[0].message;
            let targets: Vec<_> = message.targets().iter().map(|t| (&*t.name, t.alias.as_deref())).collect();
            assert_eq!(targets, [("a", Some("0")), ("b", Some("1"))]);
        }
    }

    #[test]
    fn nobody_sees_what_is_not_committed() {
        let mut hub = hub(Limits::default());
        let first = hub.order(publish("a", 1, None), 5).unwrap();
        hub.order(publish("a", 1, None), 3).unwrap();
        let mut out = Vec::new();
        hub.release(Position::START, 5, &mut out);
        assert!(out.is_empty() && hub.channel("a").unwrap().messages == 0);
        hub.release(first, 5, &mut out);
        assert_eq!((out.len(), hub.end()), (1, first));
        hub.release(Position::END, 5, &mut out);
        assert_eq!(out[1].message.time, 5, "time never runs back");
    }

    #[test]
    fn who_comes_before_the_release_is_owed_the_message() {
        let mut hub = hub(Limits::default());
        hub.order(publish("a", 1, Some(0)), 0).unwrap();
        let id = join(&mut hub, "a", 0);
        let released = &release(&mut hub, 0)[0];
        assert_eq!((released.channels[0], released.shards[0]), (id, crate::ShardId(0)));
    }

    #[test]
    fn what_is_not_kept_needs_no_record() {
        let mut hub = hub(Limits::default());
        hub.order(publish("a", 1, Some(0)), 0).unwrap();
        let released = &release(&mut hub, 0)[0];
        assert_eq!(released.channels[0], ChannelId::NONE);
        assert_eq!(released.seen[0], Seen { waiting: 0, online: false });
        assert!(hub.channel("a").is_none());
    }

    #[test]
    fn without_history_a_gap_is_told_all_the_same() {
        let mut hub = hub(Limits { history_messages: 0, ..Limits::default() });
        say(&mut hub, "a", 1, 0);
        let page = hub.history("a", crate::trial::after(0), 9, 0).unwrap();
        assert_eq!((page.messages.len(), &page.gaps[..]), (0, &[0][..]));
    }

    #[test]
    fn the_order_ends_before_its_numbers_do() {
        let mut hub = hub(Limits::default());
        (hub.last, hub.end) = (Position::LAST_ORDERED, Position::LAST_ORDERED);
        assert_eq!(hub.order(publish("a", 1, None), 0), Err(Refused::Exhausted));
        join(&mut hub, "a", 0);
        assert!(hub.end() > Position::LAST_ORDERED && hub.end() < Position::END);
    }

    #[test]
    fn scanning_sees_every_record_once() {
        let mut hub = hub(Limits::default());
        let many = if cfg!(miri) { SCAN_STEP_MAX + 1 } else { 3_000 };
        for n in 0..many {
            hub.subscribe(SHARD, &[&format!("c{n}")], crate::Start::Now, 0).unwrap();
        }
        let (mut found, mut from) = (Vec::new(), Some(0));
        while let Some(index) = from {
            from = hub.scan(index, &|name, online| online && name != "c7", &mut found);
        }
        assert_eq!(found.len(), many - 1);
    }
}
