//! The history of one channel: its last messages, oldest first, for a reader who comes back.
//!
//! Messages leave it in two ways. What count, age, bytes or the common budget push out is a loss, and
//! [`Removed::mark`] says up to where, so that a reader from before it can be told. What outlived its
//! publisher's ttl goes without a word: the publisher gave leave to forget it.
//!
//! Where a publisher brings cursors of his own, the least of them goes first, whenever it came.

mod cursors;
mod fit;
pub(crate) mod frozen;
mod rare;
mod removals;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::limits::ALIASED_MAX;
use crate::message::SharedHead;
use crate::rule::Keep;
use crate::trash::Trash;
use crate::{Message, Millis, NEVER, Position};
use rare::Rare;

/// Messages kept for one channel.
pub(crate) struct History {
    /// Oldest first; places and times ascend.
    entries: VecDeque<Message>,
    /// What was said of the newest message, beside its bytes: most often the same will be said of the next one.
    about: Option<Arc<SharedHead>>,
    /// Sum of the payloads' lengths.
    bytes: u64,
    /// Nothing in here dies before this; may be too early.
    due: Millis,
    /// How many entries have an end of their own.
    mortal: u32,
    /// What few have.
    rare: Option<Box<Rare>>,
    /// The place under which the agenda of the common budget knows this history: at most that of the
    /// oldest entry.
    pub(crate) oldest: Position,
}

/// What left a history.
#[derive(Default)]
pub(crate) struct Removed {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Those among them that a reader has to be told of.
    pub(crate) evicted: u64,
    /// The youngest of these.
    pub(crate) mark: Option<Mark>,
}

/// Place and time of a message that was trimmed.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    pub(crate) time: Millis,
}

impl Removed {
    /// Notes what left, if a reader has to be told of it. `newest`: when the newest message of the channel came.
    fn note(&mut self, message: &Message, now: Millis, keep: &Keep, newest: Millis) {
        if is_loss(message, now, keep, newest) {
            self.evicted += 1;
            let mark = Mark { position: message.position, time: message.time };
            self.mark = self.mark.into_iter().chain([mark]).max_by_key(|mark| mark.position);
        }
    }
}

impl History {
    /// An empty history whose first message will have this place.
    pub(crate) fn new(oldest: Position) -> Self {
        Self { entries: VecDeque::new(), about: None, bytes: 0, due: NEVER, mortal: 0, rare: None, oldest }
    }

    /// Adds a message to the history of the channel of this name, and removes what its limits no longer allow,
    /// which may be itself.
    pub(crate) fn push(
        &mut self,
        name: &str,
        message: Message,
        now: Millis,
        keep: &Keep,
        trash: &mut Trash,
    ) -> Removed {
        debug_assert!(keep.messages > 0);
        debug_assert!(self.newest().is_none_or(|newest| newest < message.position));
        let mut removed = self.expire(now, keep, &mut { usize::MAX }, trash);
        self.bytes += len(&message);
        self.mortal += u32::from(message.ttl().is_some());
        if message.removal().is_some() {
            let rare = self.rare.get_or_insert_default();
            rare.removals += 1;
            rare.removal_bytes += removal_len(&message);
        }
        self.enter_by_cursor(name, &message, now, keep, &mut removed, trash);
        self.due = self.due.min(death(&message, keep, message.time));
        self.say(message.about(), trash);
        self.make_room(keep);
        self.entries.push_back(message);
        while self.entries.len() > self.len_max(keep) || self.bytes > keep.bytes {
            self.remove(self.least(), now, keep, &mut removed, trash);
        }
        self.check();
        removed
    }

    /// Removes what has outlived its time, looking at `steps` messages, and at no more than all beyond where some have an
    /// end of their own. Takes from `steps` how many these were; where none is left, there may be more to remove.
    pub(crate) fn expire(
        &mut self,
        now: Millis,
        keep: &Keep,
        steps: &mut usize,
        trash: &mut Trash,
    ) -> Removed {
        let mut removed = Removed::default();
        if now < self.due {
            return removed;
        }
        let newest = self.newest_time();
        if self.mortal == 0 {
            let is_over = |entry: &Message| death(entry, keep, newest) <= now;
            while *steps > 0 && self.entries.front().is_some_and(is_over) {
                self.pop(now, keep, &mut removed, trash);
                *steps -= 1;
            }
        } else {
            *steps = steps.saturating_sub(self.entries.len());
            let mut living = 0;
            // Once round: those that live on are put back behind, so the order stays.
            for _ in 0..self.entries.len() {
                if death(&self.entries[0], keep, newest) <= now {
                    let message = self.pull(0, living, &mut removed);
                    removed.note(&message, now, keep, newest);
                    trash.messages.push(message);
                } else {
                    self.entries.rotate_left(1);
                    living += 1;
                }
            }
        }
        self.due = self.first_death(keep);
        self.check();
        removed
    }

    /// Removes the oldest message.
    pub(crate) fn pop(&mut self, now: Millis, keep: &Keep, removed: &mut Removed, trash: &mut Trash) {
        self.remove(0, now, keep, removed, trash);
    }

    /// Removes the message at `index`.
    fn remove(&mut self, index: usize, now: Millis, keep: &Keep, removed: &mut Removed, trash: &mut Trash) {
        let newest = self.newest_time();
        let message = self.pull(index, index, removed);
        removed.note(&message, now, keep, newest);
        trash.messages.push(message);
    }

    /// Takes out the entry at `index`, which in the order of places is the one of index `place`.
    fn pull(&mut self, index: usize, place: usize, removed: &mut Removed) -> Message {
        let message = self.entries.remove(index).expect("the caller saw that there is one");
        self.bytes -= len(&message);
        self.mortal -= u32::from(message.ttl().is_some());
        if let Some(rare) = &mut self.rare {
            if rare.aliased > 0 {
                rare.remove(place);
                rare.aliased -= u32::from(message.about().is_aliased());
            }
            if message.removal().is_some() {
                rare.removals -= 1;
                rare.removal_bytes -= removal_len(&message);
            }
        }
        removed.messages += 1;
        removed.bytes += len(&message);
        message
    }

    /// Notes what was said of the newest message.
    fn say(&mut self, about: &Arc<SharedHead>, trash: &mut Trash) {
        if self.about.as_ref().is_none_or(|known| !Arc::ptr_eq(known, about)) {
            trash.abouts.extend(self.about.replace(Arc::clone(about)));
        }
    }

    /// Makes room for one more, and for no more than may be kept.
    fn make_room(&mut self, keep: &Keep) {
        let count = self.entries.len();
        if count == self.entries.capacity() {
            let more = (1 << (count.max(ROOM_MIN).ilog2() - 2))
                .min((keep.messages as usize).saturating_sub(count) + 1);
            self.entries.reserve_exact(more);
        }
    }

    /// What was said of the newest message, beside its bytes.
    pub(crate) fn about(&self) -> Option<&Arc<SharedHead>> {
        self.about.as_ref()
    }

    /// Nothing in here dies before this.
    pub(crate) fn due(&self) -> Millis {
        self.due
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many of them are messages.
    pub(crate) fn said(&self) -> usize {
        self.entries.len() - self.removals() as usize
    }

    /// Bytes of payload of these.
    pub(crate) fn said_bytes(&self) -> u64 {
        self.bytes - self.rare.as_ref().map_or(0, |rare| u64::from(rare.removal_bytes))
    }

    /// The message at this place.
    pub(crate) fn find(&self, place: Position) -> Option<&Message> {
        Some(&self.entries[self.message_index(place)?])
    }

    /// Its index.
    fn message_index(&self, place: Position) -> Option<usize> {
        self.index_of(place).filter(|index| self.entries[*index].removal().is_none())
    }

    /// What is at this place: a message, or what says that one was taken back.
    pub(crate) fn entry(&self, place: Position) -> Option<&Message> {
        Some(&self.entries[self.index_of(place)?])
    }

    fn index_of(&self, place: Position) -> Option<usize> {
        let index = self.behind(place).checked_sub(1)?;
        (self.entries[index].position == place).then_some(index)
    }

    /// The first message behind `place`.
    pub(crate) fn next_said(&self, place: Position) -> Option<(Position, &Message)> {
        let mut behind = self.entries.range(self.behind(place)..);
        behind.find(|entry| entry.removal().is_none()).map(|entry| (entry.position, entry))
    }

    /// Index of the first of the last `count` messages up to `place`; the second: there are so many.
    pub(crate) fn tail(&self, place: Position, count: usize) -> (usize, bool) {
        let end = self.behind(place);
        if self.removals() == 0 || count == 0 {
            return (end.saturating_sub(count), end >= count);
        }
        let mut said =
            self.entries.range(..end).enumerate().rev().filter(|(_, entry)| entry.removal().is_none());
        match said.nth(count - 1) {
            Some((index, _)) => (index, true),
            None => (0, false),
        }
    }

    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of payload kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Place of the oldest message.
    pub(crate) fn first(&self) -> Option<Position> {
        self.entries.front().map(|entry| entry.position)
    }

    /// Place of the newest message.
    pub(crate) fn newest(&self) -> Option<Position> {
        self.entries.back().map(|entry| entry.position)
    }

    /// The message at `index`, oldest first, with its place.
    pub(crate) fn at(&self, index: usize) -> Option<(Position, &Message)> {
        self.entries.get(index).map(|message| (message.position, message))
    }

    /// Index of the first message behind `place`.
    pub(crate) fn behind(&self, place: Position) -> usize {
        self.entries.partition_point(|entry| entry.position <= place)
    }

    /// Place of the last message from before `time`.
    pub(crate) fn last_before(&self, time: Millis) -> Option<Position> {
        let index = self.entries.partition_point(|entry| entry.time < time).checked_sub(1)?;
        Some(self.entries[index].position)
    }

    fn removals(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.removals)
    }

    /// How many messages may be kept.
    fn len_max(&self, keep: &Keep) -> usize {
        let max = keep.messages as usize;
        if self.by_cursor().is_some() { max.min(ALIASED_MAX) } else { max }
    }

    /// When the newest message came.
    fn newest_time(&self) -> Millis {
        self.entries.back().map_or(0, |entry| entry.time)
    }

    /// When the first of all dies. Without ends of their own that is the oldest.
    fn first_death(&self, keep: &Keep) -> Millis {
        let looked_at = if self.mortal == 0 { 1 } else { self.entries.len() };
        let newest = self.newest_time();
        let deaths = self.entries.iter().take(looked_at).map(|message| death(message, keep, newest));
        deaths.min().unwrap_or(NEVER)
    }

    fn check(&self) {
        debug_assert!(self.first().is_none_or(|first| self.oldest <= first));
        debug_assert!(!self.is_empty() || (self.bytes == 0 && self.mortal == 0));
    }

    /// Checks all that must hold, message by message.
    pub(crate) fn audit(&self, name: &str, keep: &Keep) {
        self.check();
        assert!(self.entries.len() <= self.len_max(keep));
        assert!(self.bytes <= keep.bytes);
        assert_eq!(self.bytes, self.entries.iter().map(len).sum::<u64>());
        let mortal = self.entries.iter().filter(|message| message.ttl().is_some()).count();
        assert_eq!(self.mortal as usize, mortal);
        let none = Rare::default();
        let rare = self.rare.as_deref().unwrap_or(&none);
        let aliased = self.entries.iter().filter(|message| message.about().is_aliased()).count();
        assert_eq!(rare.aliased as usize, aliased);
        self.audit_cursors(name);
        let removals = self.entries.iter().filter(|message| message.removal().is_some());
        let removals: Vec<u64> = removals.map(len).collect();
        assert_eq!(
            (rare.removals as usize, u64::from(rare.removal_bytes)),
            (removals.len(), removals.iter().sum())
        );
        assert!(self.entries.iter().is_sorted_by(|a, b| a.position < b.position));
        assert!(self.entries.iter().is_sorted_by_key(|entry| entry.time));
        assert!(self.due <= self.first_death(keep));
    }
}

/// Bytes of payload.
fn len(message: &Message) -> u64 {
    message.bytes().len() as u64
}

#[allow(clippy::cast_possible_truncation, reason = "it is a place and a byte")]
fn removal_len(message: &Message) -> u32 {
    len(message) as u32
}

/// From when on it is gone: its own end or the age limit, whichever comes first.
/// `newest`: when the newest message of its channel came.
fn death(message: &Message, keep: &Keep, newest: Millis) -> Millis {
    aged(message, keep, newest).min(keep.end(message))
}

/// Whether a reader must be told that it was removed at `now`. Not if its own end came first,
/// however late it is removed: what is told must not depend on when somebody looked.
fn is_loss(message: &Message, now: Millis, keep: &Keep, newest: Millis) -> bool {
    let end = keep.end(message);
    now < end || aged(message, keep, newest) < end
}

/// When the age limit ends it.
fn aged(message: &Message, keep: &Keep, newest: Millis) -> Millis {
    let from = if keep.renew { newest } else { message.time };
    from.saturating_add(keep.age)
}

/// A million channels with history are a million of these.
const _: () = assert!(size_of::<History>() <= 80);

/// Room is for a number of messages of three binary digits and zeros, so for a fourth more at the most: their references
/// then fill a block of the allocator, whose sizes are such numbers. As much as for so many is added at least.
const ROOM_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;
    use crate::trial::publish;

    fn message(place: u64, time: Millis, ttl: Option<Millis>, len: u32) -> Message {
        let payload = publish("a", len, None).payload;
        let target = Target { name: "a".into(), alias: None };
        Message::new(Position::from_bits(place), time, ttl, [target].into_iter().collect(), payload)
    }

    /// Pushes messages (time, ttl, len), the first at place 1, then lets time pass until `now`; checks
    /// which places are left, and the mark.
    fn check(messages: &[(Millis, Option<Millis>, u32)], now: Millis, kept: &[u64], mark: Option<u64>) {
        check_under(None, false, messages, now, kept, mark);
    }

    /// The same in a channel whose rule gives messages a ttl, or has them all live on with each new one.
    fn check_under(
        ttl: Option<Millis>,
        renew: bool,
        messages: &[(Millis, Option<Millis>, u32)],
        now: Millis,
        kept: &[u64],
        mark: Option<u64>,
    ) {
        let keep = Keep {
            messages: 3,
            bytes: 100,
            age: 50,
            renew,
            payload: None,
            ttl,
            listen: crate::Door::Open,
            history: crate::Door::Open,
            presence: crate::Door::Off,
            publish: crate::Door::Off,
            publish_hook: false,
            durable: true,
            skip_poison: false,
        };
        let mut history = History::new(Position::from_bits(1));
        let mut trash = Trash::default();
        let mut last_mark = None;
        for (place, &(time, ttl, len)) in (1..).zip(messages) {
            let removed = history.push("a", message(place, time, ttl, len), time, &keep, &mut trash);
            last_mark = removed.mark.or(last_mark);
            history.audit("a", &keep);
        }
        last_mark = history.expire(now, &keep, &mut 10, &mut trash).mark.or(last_mark);
        history.audit("a", &keep);
        let left: Vec<u64> = history.entries.iter().map(|entry| entry.position.to_bits()).collect();
        assert_eq!((&left[..], last_mark.map(|mark| mark.position.to_bits())), (kept, mark), "{messages:?}");
    }

    #[test]
    fn the_oldest_go_by_count_bytes_and_age() {
        check(&[(0, None, 1), (1, None, 1), (2, None, 1)], 2, &[1, 2, 3], None);
        check(&[(0, None, 1), (1, None, 1), (2, None, 1), (3, None, 1)], 3, &[2, 3, 4], Some(1));
        check(&[(0, None, 60), (1, None, 30), (2, None, 20)], 2, &[2, 3], Some(1));
        check(&[(0, None, 1), (10, None, 1)], 50, &[2], Some(1));
        check(&[(0, None, 1), (10, None, 1)], 60, &[], Some(2));
    }

    #[test]
    fn a_payload_beyond_the_limit_is_evicted_like_any_other() {
        check(&[(0, None, 1), (1, None, 101)], 1, &[], Some(2));
    }

    #[test]
    fn a_ttl_ends_without_a_word() {
        check(&[(0, Some(5), 1), (1, None, 1)], 5, &[2], None);
        check(&[(0, None, 1), (1, Some(5), 1), (2, None, 1)], 6, &[1, 3], None);
        check(&[(0, Some(5), 1), (1, None, 1), (2, None, 1), (5, None, 1)], 5, &[2, 3, 4], None);
    }

    #[test]
    fn a_message_evicted_before_its_ttl_ends_is_a_loss() {
        check(&[(0, Some(5), 1), (1, None, 1), (2, None, 1), (4, None, 1)], 4, &[2, 3, 4], Some(1));
        check(&[(0, Some(60), 1)], 60, &[], Some(1));
    }

    #[test]
    fn a_loss_does_not_depend_on_when_somebody_looked() {
        check(&[(0, Some(5), 1)], 1_000, &[], None);
        check(&[(0, Some(50), 1)], 1_000, &[], None);
    }

    #[test]
    fn who_is_kept_alive_by_the_newest_message_is_no_loss_when_its_own_end_comes() {
        check_under(None, true, &[(0, None, 1), (5, Some(60), 1), (40, None, 1)], 70, &[1, 3], None);
        check_under(None, true, &[(0, None, 1), (5, Some(90), 1), (40, None, 1)], 90, &[], Some(3));
    }

    #[test]
    fn a_rule_gives_a_ttl_to_those_who_have_none() {
        check_under(Some(5), false, &[(0, None, 1), (1, None, 1)], 5, &[2], None);
        check_under(Some(5), false, &[(0, Some(40), 1), (1, None, 1)], 6, &[1], None);
        check_under(
            Some(5),
            false,
            &[(0, None, 1), (1, Some(9), 1), (2, None, 1), (3, None, 1)],
            3,
            &[2, 3, 4],
            Some(1),
        );
        check_under(Some(60), false, &[(0, None, 1)], 60, &[], Some(1));
    }
}
