//! Taking one message back: from the history of one of its channels, and with a word to all who may have it.
//!
//! That word has a place of its own and stands in the channel's history where the message was, so whoever comes
//! back with a cursor from between the two gets it. It is no message: takers, tails and counts pass it over.

use smallvec::{SmallVec, smallvec};

use crate::history::Removed;
use crate::hub::Ids;
use crate::{ChannelId, Hub, Message, Millis, NEVER, Position, Refused, Released, Removal, Seen, Target};

impl Hub {
    /// Stage one of taking a message back: gives the removal its place. The message is there until it is released.
    /// `None`: the channel's history has no such message.
    pub fn remove(&mut self, name: &str, place: Position, now: Millis) -> Option<Result<Position, Refused>> {
        let now = self.advance(now);
        let id = self.names.find(name)?;
        self.expire(id, now, &mut { usize::MAX });
        self.schedule(id);
        let message = self.names[id].history.as_ref()?.find(place)?;
        if self.last >= Position::LAST_ORDERED.min(self.reserved) {
            return Some(Err(Refused::Exhausted));
        }
        let stays = Some(message).filter(|message| message.targets().len() > 1).cloned();
        // It is there no shorter than the message would be, so that a store never has the message without it.
        let keep = self.keep(id);
        let end = keep.end(message);
        let own_end = keep.ttl.map_or(NEVER, |ttl| now.saturating_add(ttl));
        let ttl = (end != NEVER && end > own_end).then(|| end.saturating_sub(now));
        let channel = &mut self.names[id];
        channel.pins += 1;
        let target = Target { name: channel.name.clone(), alias: None };
        let payload = Removal { position: place }.payload();
        self.last = self.last.next();
        let removal = Message::new(self.last, now, ttl, smallvec![target], payload);
        let ordered = self.ordered_message(removal, smallvec![ChannelId(id)], now);
        self.ordered.push_back(ordered);
        self.removing.extend(stays.map(|message| (self.last, message)));
        self.check();
        Some(Ok(self.last))
    }

    /// Whether a store keeps what is said to a channel.
    pub fn keeps(&self, name: &str) -> bool {
        self.rule_of(name).durable
    }

    /// Makes a removal visible: to the history, and to the shards.
    pub(crate) fn release_removal(&mut self, message: Message, mut ids: Ids, now: Millis) -> Released {
        self.resolve(&message, &mut ids);
        let (mut seen, mut shards) = (SmallVec::with_capacity(1), SmallVec::new());
        for id in &ids {
            let Some(channel) = self.names.get_mut(id.0) else {
                seen.push(Seen { waiting: 0, online: false });
                continue;
            };
            channel.pins -= 1;
            seen.push(Seen { waiting: channel.waiting(), online: channel.online });
            channel.interest.shards(&mut shards);
            let is_deleted = message.position <= channel.watermark;
            self.forget_message(id.0, &message);
            if !is_deleted && self.keep(id.0).end(&message) > now {
                self.remember(id.0, &message, now);
            }
            self.schedule(id.0);
        }
        self.forget_target(&message);
        self.keep_budget(now);
        Released { message, channels: ids, seen, shards, is_for_all_shards: false }
    }

    /// Takes the message of a removal out of a channel's history, if it is there still. Nobody is told of a gap.
    pub(crate) fn forget_message(&mut self, id: u32, removal: &Message) {
        let channel = &mut self.names[id];
        let Some((history, removal)) = channel.history.as_mut().zip(removal.removal()) else { return };
        let mut removed = Removed::default();
        history.take(removal.position, self.rules.of(id).keep(channel.rule), &mut removed, &mut self.trash);
        self.settle(id, removed);
    }

    /// In the other channels that the message of a removal went to it stays, and from now on it never went to this one.
    pub(crate) fn forget_target(&mut self, removal: &Message) {
        if self.removing.front().is_none_or(|(place, _)| *place != removal.position) {
            return;
        }
        let Some((_, message)) = self.removing.pop_front() else { return };
        let name = &*removal.targets()[0].name;
        // An earlier removal may have changed it since this one was ordered.
        let mut stays = None;
        for target in message.targets().iter().filter(|target| *target.name != *name) {
            let Some(id) = self.names.find(&target.name) else { continue };
            let Some(history) = self.names[id].history.as_mut() else { continue };
            let Some(held) = history.find(message.position) else { continue };
            let stays = stays.get_or_insert_with(|| held.without(name));
            history.replace(stays, &mut self.trash);
        }
        self.trash.messages.extend([message].into_iter().chain(stays));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{SHARD, after, hub, join, page, places, publish, release, say};
    use crate::{Limits, Start, Take};

    fn remove(hub: &mut Hub, name: &str, place: u64, now: Millis) -> bool {
        let found = hub.remove(name, Position::from_bits(place), now).is_some();
        release(hub, now);
        hub.audit();
        found
    }

    /// The places of messages and, with a minus, those that were taken back; and whether a gap was told.
    fn read(hub: &mut Hub, names: &str, start: Start, now: Millis) -> (Vec<i64>, bool) {
        // Who listens comes online, which takes a place.
        let page = match names.split_once(',') {
            Some(_) => page(hub, names, start, now),
            None => hub.history(names, start, 100, now).unwrap(),
        };
        let place = |position: Position| i64::try_from(position.to_bits()).unwrap();
        let told = page.messages.iter().map(|message| match message.removal() {
            Some(removal) => -place(removal.position),
            None => place(message.position),
        });
        (told.collect(), !page.gaps.is_empty())
    }

    #[test]
    fn who_had_it_is_told_and_who_had_it_not_is_not() {
        let mut hub = hub(Limits::default());
        for _ in 0..3 {
            say(&mut hub, "a", 1, 0);
        }
        assert!(remove(&mut hub, "a", 2, 0));
        assert_eq!(read(&mut hub, "a", Start::Everything, 0), (vec![1, 3], false));
        assert_eq!(read(&mut hub, "a", after(1), 0), (vec![3], false));
        assert_eq!(read(&mut hub, "a", after(2), 0), (vec![3, -2], false));
        assert_eq!(read(&mut hub, "a", after(3), 0), (vec![-2], false));
        assert_eq!(read(&mut hub, "a", after(4), 0), (vec![], false));
        assert_eq!(read(&mut hub, "a", Start::Tail(2), 0), (vec![1, 3], false));
        assert_eq!(read(&mut hub, "a", Start::Tail(1), 0), (vec![3], false));
        let info = hub.channel("a").unwrap();
        assert_eq!((info.messages, info.bytes), (2, 2));
    }

    #[test]
    fn what_is_not_there_cannot_be_taken_back() {
        let mut hub = hub(Limits { history_age: 10, ..Limits::default() });
        say(&mut hub, "a", 1, 0);
        say(&mut hub, "b", 1, 0);
        assert!(!remove(&mut hub, "a", 2, 0) && !remove(&mut hub, "c", 1, 0) && !remove(&mut hub, "a", 7, 0));
        assert!(remove(&mut hub, "a", 1, 0));
        assert!(!remove(&mut hub, "a", 1, 0), "it is taken back already");
        assert!(!remove(&mut hub, "a", 3, 0), "that it was is no message");
        assert!(!remove(&mut hub, "b", 2, 10), "its time is over");
    }

    #[test]
    fn it_stays_in_the_other_channels() {
        let mut hub = hub(Limits::default());
        say(&mut hub, "a,b", 1, 0);
        assert!(remove(&mut hub, "a", 1, 0));
        assert_eq!(
            read(&mut hub, "a", Start::Everything, 0),
            (vec![], false),
            "who had it not is not told, though it may be had through the other"
        );
        assert_eq!(read(&mut hub, "a", after(1), 0), (vec![-1], false));
        assert_eq!(read(&mut hub, "b", Start::Everything, 0), (vec![1], false));
        assert_eq!(read(&mut hub, "a,b", Start::Everything, 0), (vec![1], false));
        assert_eq!(read(&mut hub, "a,b", after(1), 0), (vec![-1], false));
        let left = hub.history("b", Start::Everything, 100, 0).unwrap().messages;
        let names: Vec<&str> = left[0].targets().iter().map(|target| &*target.name).collect();
        assert_eq!(names, ["b"], "whoever reads it now is not told that it is of the other");
        assert!(remove(&mut hub, "b", 1, 0));
        assert_eq!(read(&mut hub, "b", after(1), 0), (vec![-1], false));
    }

    #[test]
    fn nothing_else_is_pushed_out_by_it() {
        let mut hub = hub(Limits { history_messages: 3, ..Limits::default() });
        for _ in 0..3 {
            say(&mut hub, "a", 1, 0);
        }
        assert!(remove(&mut hub, "a", 3, 0));
        assert_eq!(read(&mut hub, "a", after(0), 0), (vec![1, 2], false));
        say(&mut hub, "a", 1, 0);
        assert_eq!(read(&mut hub, "a", after(1), 0), (vec![2, 5], false));
        assert_eq!(read(&mut hub, "a", after(3), 0), (vec![-3, 5], false));
        for _ in 0..3 {
            say(&mut hub, "a", 1, 0);
        }
        assert_eq!(
            read(&mut hub, "a", after(3), 0),
            (vec![6, 7, 8], true),
            "what is pushed out is a gap like any"
        );
    }

    #[test]
    fn takers_pass_it_over() {
        let mut hub = hub(Limits::default());
        hub.take(SHARD, "a", 100, 0).unwrap();
        say(&mut hub, "a", 1, 0);
        say(&mut hub, "a", 1, 0);
        say(&mut hub, "a", 1, 0);
        // The first place is that of coming online, and the first message was taken at once.
        assert!(remove(&mut hub, "a", 3, 0));
        let Take::Message(message) = hub.take(SHARD, "a", 100, 0).unwrap() else { panic!("there is one") };
        assert_eq!(message.position.to_bits(), 4);
        assert!(matches!(hub.take(SHARD, "a", 100, 0).unwrap(), Take::Waiting { .. }));
        assert!(remove(&mut hub, "a", 4, 0));
        assert_eq!(hub.channel("a").unwrap().waiting, 1, "who waits to take waits on");
    }

    #[test]
    fn who_listens_is_handed_it_at_its_place() {
        let mut hub = hub(Limits::default());
        say(&mut hub, "a", 1, 0);
        join(&mut hub, "a", 0);
        hub.remove("a", Position::from_bits(1), 0).unwrap().unwrap();
        hub.order(publish("a", 1, None), 0).unwrap();
        let mut released = Vec::new();
        hub.release(Position::END, 0, &mut released);
        assert_eq!(places(&released.iter().map(|one| one.message.clone()).collect::<Vec<_>>()), [3, 4]);
        assert_eq!(&released[0].shards[..], [SHARD]);
        assert_eq!(released[0].message.removal(), Some(Removal { position: Position::from_bits(1) }));
    }
}
