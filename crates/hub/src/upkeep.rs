//! What time and limits demand: keeping, trimming, expiring, going offline, forgetting.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::history::{History, Mark, Removed};
use crate::limits::{DELETED_HOLD, EVICT_STEP_MAX, EXPIRE_STEP_MAX, OUTLIVED_MAX, TICK_STEP_MAX};
use crate::movement::is_bookmark;
use crate::room::Holder;
use crate::{ChannelId, Hub, Message, Millis, NEVER, Position, ShardId};

impl Hub {
    /// Does what is due: expiry, offline after the grace, forgetting; at most
    /// [`crate::limits::TICK_STEP_MAX`] channels and [`crate::limits::EXPIRE_STEP_MAX`] messages a call. Returns whether more is due at `now`.
    pub fn tick(&mut self, now: Millis) -> bool {
        let now = self.advance(now);
        self.keep_budget(now);
        let goes_over = self.go_over(now);
        let (mut looked_at, mut steps) = (0, EXPIRE_STEP_MAX);
        while let Some((due, id)) = self.first_due()
            && due <= now
        {
            if looked_at == TICK_STEP_MAX || steps == 0 {
                return true;
            }
            looked_at += 1;
            self.come_up(id, now, &mut steps);
        }
        self.check();
        goes_over || (self.totals.history_bytes > self.limits.history_budget && self.first_to_go().is_some())
    }

    /// Forgets a channel's history; its watermark becomes its last place. With `subscriptions`, all
    /// registrations end too and the shards that held some are returned.
    pub fn delete(
        &mut self,
        name: &str,
        subscriptions: bool,
        now: Millis,
    ) -> Option<(ChannelId, SmallVec<[ShardId; 4]>)> {
        let now = self.advance(now);
        let id = self.names.find(name)?;
        let mut shards = SmallVec::new();
        let channel = &mut self.names[id];
        let mut removed = Removed::default();
        let mut last = channel.last;
        if let Some(history) = channel.history.take() {
            // That a message was taken back may stand behind the last message.
            last = last.max(history.newest().unwrap_or_default());
            self.oldest.strike(history.oldest, id);
            removed.messages = history.len() as u64;
            removed.bytes = history.bytes();
            self.trash.records.push(history);
        }
        // What is ordered and not released was said before, too.
        let up_to = if channel.pins > 0 { self.last } else { last };
        if up_to > channel.watermark {
            removed.mark = Some(Mark { position: up_to, time: now });
        }
        self.settle(id, removed);
        // Even where nothing is left to forget: the store may have failed when it was forgotten.
        self.tell_deletion(id);
        if subscriptions {
            self.end_subscriptions(id, &mut shards, now);
        }
        self.schedule(id);
        if !shards.is_empty() {
            self.renew(id, now);
        }
        self.check();
        Some((ChannelId(id), shards))
    }

    /// Gives a record whose subscriptions were ended a new id: who subscribes from now on is told apart
    /// from those whom the shards have not been told about yet. A message that is ordered and not
    /// released knows the old id; it is looked up by name when it is released.
    fn renew(&mut self, id: u32, now: Millis) {
        let due = self.names[id].due;
        let new = self.names.renew(id, now.saturating_add(DELETED_HOLD));
        self.know_rule(new);
        if due != NEVER {
            let agenda = self.agenda_of_mut(self.names[new].holder);
            agenda.strike(due, id);
            agenda.enter(due, new);
        }
    }

    /// Keeps a released message in the history of one of its channels.
    pub(crate) fn remember(&mut self, id: u32, message: &Message, now: Millis) {
        let keep = self.rules.of(id).keep(self.names[id].rule);
        if keep.messages == 0 {
            let mark = Some(Mark { position: message.position, time: message.time });
            return self.settle(id, Removed { evicted: 1, mark, ..Removed::default() });
        }
        let channel = &mut self.names[id];
        let history = channel.history.get_or_insert_with(|| {
            self.oldest.enter(message.position, id);
            Box::new(History::new(message.position))
        });
        self.totals.history_messages += 1;
        self.totals.history_bytes += message.bytes().len() as u64;
        let removed = history.push(&channel.name, message.clone(), now, keep, &mut self.trash);
        self.settle(id, removed);
    }

    /// Removes a step of what has outlived its time in these channels. False: there may be more.
    pub(crate) fn expire_each(&mut self, ids: &[Option<u32>], now: Millis) -> bool {
        let mut steps = EXPIRE_STEP_MAX;
        for id in ids.iter().flatten() {
            self.expire(*id, now, &mut steps);
            self.schedule(*id);
            if steps == 0 {
                break;
            }
        }
        self.totals.read += (EXPIRE_STEP_MAX - steps) as u64;
        steps > 0
    }

    /// Removes from a channel's history what has outlived its time, as far as the steps go. The caller schedules the channel.
    pub(crate) fn expire(&mut self, id: u32, now: Millis, steps: &mut usize) {
        let channel = &mut self.names[id];
        let Some(history) = &mut channel.history else { return };
        let removed = history.expire(now, self.rules.of(id).keep(channel.rule), steps, &mut self.trash);
        if removed.messages > 0 {
            self.settle(id, removed);
            let Some(outlived) = &mut self.feed.outlived else { return };
            let channel = &self.names[id];
            if !channel.is_hidden() && channel.history.is_none() && outlived.len() < OUTLIVED_MAX {
                outlived.push(Arc::clone(&channel.name));
            }
        }
    }

    /// Evicts the oldest messages of all until the budget is kept, or the step is over.
    pub(crate) fn keep_budget(&mut self, now: Millis) {
        for _ in 0..EVICT_STEP_MAX {
            if self.totals.history_bytes <= self.limits.history_budget {
                return;
            }
            let Some((key, id)) = self.first_to_go() else { return };
            // The key may be too early, since the channel's own limits do not touch it.
            self.evict_first(id, key, now);
        }
    }

    /// The channel whose oldest message goes first where there is no room. How far those have come who follow the order is kept
    /// whatever room there is: these are a handful of short messages, and without them more would be lost than they take.
    fn first_to_go(&self) -> Option<(Position, u32)> {
        self.oldest.iter().find(|(_, id)| !is_bookmark(&self.names[*id].name))
    }

    /// Evicts a channel's oldest message if it stands at or before this place. The channel has a history.
    pub(crate) fn evict_first(&mut self, id: u32, up_to: Position, now: Millis) {
        let channel = &mut self.names[id];
        let history = channel.history.as_mut().expect("the caller saw that it has one");
        let mut removed = Removed::default();
        if history.first().is_some_and(|first| first <= up_to) {
            history.pop(now, self.rules.of(id).keep(channel.rule), &mut removed, &mut self.trash);
        }
        self.settle_front(id, removed);
    }

    /// Books what left a channel's history at its front, whose place is noted anew.
    pub(crate) fn settle_front(&mut self, id: u32, removed: Removed) {
        if let Some(history) = &mut self.names[id].history
            && let Some(first) = history.first().filter(|first| *first != history.oldest)
        {
            self.oldest.strike(history.oldest, id);
            self.oldest.enter(first, id);
            history.oldest = first;
        }
        self.settle(id, removed);
        self.schedule(id);
    }

    /// Books what left a channel's history.
    pub(crate) fn settle(&mut self, id: u32, removed: Removed) {
        self.totals.history_messages -= removed.messages;
        self.totals.history_bytes -= removed.bytes;
        // A bookmark that another one replaces was no message of anybody's.
        if removed.evicted > 0 && !is_bookmark(&self.names[id].name) {
            self.totals.evicted += removed.evicted;
        }
        // What went for its cursor may be younger than what went before.
        if let Some(mark) = removed.mark.filter(|mark| mark.position > self.names[id].watermark) {
            let channel = &mut self.names[id];
            self.trims += 1;
            let age = self.rules.of(id).keep(channel.rule).age;
            channel.trimmed(mark, self.trims, self.limits.resume_window.max(age));
        }
        let channel = &mut self.names[id];
        if channel.history.as_ref().is_some_and(|history| history.is_empty()) {
            let history = channel.history.take().expect("it was just seen");
            self.oldest.strike(history.oldest, id);
            self.trash.records.push(history);
        }
    }

    /// Everybody who waits on it is gone; it goes offline at once. The id stays with it for a while,
    /// since shards still know it.
    fn end_subscriptions(&mut self, id: u32, shards: &mut SmallVec<[ShardId; 4]>, now: Millis) {
        let channel = &mut self.names[id];
        channel.shards(shards);
        let ended = channel.interest.clear() + channel.extras_mut().takers.clear();
        if let Some(extras) = &mut channel.extras {
            extras.held_until = now.saturating_add(DELETED_HOLD);
        }
        self.end_roster(id);
        // Who deletes it has named it.
        self.hold(id, Holder::PUBLIC);
        let channel = &self.names[id];
        self.totals.subscriptions -= u64::from(ended);
        if channel.online {
            self.go_offline(id, now);
        }
    }

    /// A record is looked at at no time, until it is scheduled.
    fn strike(&mut self, id: u32) {
        let channel = &mut self.names[id];
        let (due, holder) = (std::mem::replace(&mut channel.due, NEVER), channel.holder);
        if due != NEVER {
            self.agenda_of_mut(holder).strike(due, id);
        }
    }

    /// A record's time has come: does what is due and enters it anew, or forgets it.
    fn come_up(&mut self, id: u32, now: Millis, steps: &mut usize) {
        self.strike(id);
        self.expire(id, now, steps);
        self.wake_users(id, now, steps);
        let channel = &self.names[id];
        if channel.online && channel.waiting() == 0 && channel.offline_at <= now {
            self.go_offline(id, now);
        }
        let channel = &self.names[id];
        if channel.is_idle() && channel.forget_at() <= now {
            self.forget(id);
        } else {
            // Whose roster was let go of may have been entered for what is done by now.
            self.strike(id);
            self.schedule(id);
            let has_more = self.names[id].roster().is_some_and(|roster| roster.due() <= now);
            debug_assert!(*steps == 0 || has_more || self.names[id].due > now, "what was due is done");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{SHARD, after, changes, hub, join, places, publish, release, room_for, say};
    use crate::{Leave, Limits, Next, Refused, Start, bookmark_name};

    fn gap(hub: &mut Hub, name: &str, place: u64, now: Millis) -> bool {
        hub.history(name, after(place), 9, now).is_some_and(|page| !page.gaps.is_empty())
    }

    #[test]
    fn it_is_told_of_which_channels_time_has_left_nothing() {
        let mut hub = hub(Limits { history_messages: 1, history_age: 10, ..Limits::default() });
        say(&mut hub, "a", 1, 0);
        hub.tick(10);
        assert_eq!(hub.outlived(), [], "nobody asked before");
        say(&mut hub, "a", 1, 20);
        say(&mut hub, "b", 1, 25);
        say(&mut hub, "b", 1, 26);
        assert_eq!((hub.totals().histories, hub.outlived().len()), (2, 0), "what is pushed out is followed");
        hub.tick(30);
        assert_eq!(hub.outlived().iter().map(|name| &**name).collect::<Vec<_>>(), ["a"]);
        hub.tick(36);
        assert_eq!(hub.outlived().iter().map(|name| &**name).collect::<Vec<_>>(), ["b"]);
        assert_eq!((hub.totals().histories, hub.outlived().len()), (0, 0));
    }

    #[test]
    fn a_forgotten_channel_is_answered_for_by_the_floor() {
        let mut hub =
            hub(Limits { history_messages: 1, history_age: 10, resume_window: 50, ..Limits::default() });
        say(&mut hub, "a", 1, 0);
        say(&mut hub, "a", 1, 0);
        say(&mut hub, "b", 1, 0);
        hub.tick(49);
        assert!(hub.channel("a").is_some(), "its watermark is younger than the window");
        assert!(!gap(&mut hub, "c", 0, 49));
        hub.tick(50);
        assert!(hub.channel("a").is_none());
        assert!(gap(&mut hub, "c", 2, 50), "nobody knows any more whether it was trimmed");
        assert!(!gap(&mut hub, "c", 3, 50));
        join(&mut hub, "c", 50);
        assert!(gap(&mut hub, "c", 2, 50), "a new record knows no more than the floor");
    }

    #[test]
    fn a_channel_that_was_never_trimmed_is_forgotten_at_once() {
        let mut hub = hub(Limits { grace: 0, ..Limits::default() });
        let a = join(&mut hub, "a", 0);
        hub.leave(SHARD, Leave::waiting(a, 1), 0, 0);
        hub.tick(0);
        assert!(hub.channel("a").is_none());
        assert!(!gap(&mut hub, "a", 0, 0));
    }

    #[test]
    fn a_full_table_forgets_who_only_remembers() {
        let mut hub = hub(Limits {
            history_messages: 1,
            history_age: 10,
            channels_budget: room_for(2),
            ..Limits::default()
        });
        say(&mut hub, "a", 1, 0);
        say(&mut hub, "b", 1, 5);
        assert_eq!(hub.order(publish("c", 1, None), 5), Err(Refused::Records));
        assert!(hub.order(publish("c", 1, Some(0)), 5).is_ok(), "what is not kept needs no record");
        release(&mut hub, 5);
        hub.tick(10);
        say(&mut hub, "c", 1, 10);
        assert!(hub.channel("a").is_none() && hub.channel("b").is_some());
        assert!(gap(&mut hub, "a", 0, 10));
        hub.audit();
    }

    #[test]
    fn the_refused_leaves_nothing_behind() {
        let mut hub = hub(Limits { channels_budget: room_for(1), ..Limits::default() });
        assert_eq!(hub.order(publish("a,b", 1, None), 0), Err(Refused::Records));
        hub.audit();
        hub.tick(0);
        assert_eq!(hub.totals().channels, 0);
    }

    #[test]
    fn a_deleted_channel_loses_its_past_and_its_subscribers() {
        let mut hub = hub(Limits::default());
        let a = join(&mut hub, "a", 0);
        hub.take(ShardId(1), "a", 0, 0).unwrap();
        say(&mut hub, "a", 1, 0);
        hub.take(ShardId(2), "a", 0, 0).unwrap();
        assert_eq!(hub.delete("nobody", true, 0), None);
        let (id, shards) = hub.delete("a", true, 1).unwrap();
        assert_eq!((id, &shards[..]), (a, &[SHARD, ShardId(2)][..]));
        assert_eq!(changes(&hub), [("a".into(), true, 0), ("a".into(), false, 1)]);
        assert!(gap(&mut hub, "a", 1, 1));
        assert!(!gap(&mut hub, "a", 2, 1));
        hub.leave(SHARD, Leave::waiting(a, 1), 0, 1);
        hub.audit();
    }

    #[test]
    fn a_deleted_channel_keeps_its_id_for_a_while() {
        let mut hub = hub(Limits { grace: 0, channels_budget: room_for(1), ..Limits::default() });
        join(&mut hub, "a", 0);
        hub.delete("a", true, 0);
        hub.tick(DELETED_HOLD - 1);
        assert!(hub.channel("a").is_some());
        assert_eq!(hub.take(SHARD, "b", 0, DELETED_HOLD - 1).err(), Some(Refused::Records));
        hub.tick(DELETED_HOLD);
        assert!(hub.channel("a").is_none());
    }

    #[test]
    fn forgetting_history_only_keeps_the_subscribers() {
        let mut hub = hub(Limits::default());
        join(&mut hub, "a", 0);
        say(&mut hub, "a", 1, 0);
        let (_, shards) = hub.delete("a", false, 0).unwrap();
        assert!(shards.is_empty());
        let info = hub.channel("a").unwrap();
        assert_eq!((info.waiting, info.messages), (1, 0));
        assert!(gap(&mut hub, "a", 1, 0));
    }

    #[test]
    fn the_budget_takes_the_oldest_of_all() {
        let mut hub = hub(Limits { history_budget: 10, ..Limits::default() });
        for (name, len) in [("a", 4), ("b", 3), ("a", 3), ("c", 4)] {
            say(&mut hub, name, len, 0);
        }
        let kept =
            |hub: &mut Hub, name| places(&hub.history(name, Start::Everything, 9, 0).unwrap().messages);
        assert_eq!(
            [kept(&mut hub, "a"), kept(&mut hub, "b"), kept(&mut hub, "c")],
            [vec![3], vec![2], vec![4]]
        );
        say(&mut hub, "c", 5, 0);
        assert_eq!(
            [kept(&mut hub, "a"), kept(&mut hub, "b"), kept(&mut hub, "c")],
            [vec![], vec![], vec![4, 5]]
        );
        assert!(gap(&mut hub, "b", 0, 0));
    }

    #[test]
    fn how_far_somebody_has_come_is_kept_whatever_room_there_is() {
        let mut hub = hub(Limits { history_budget: 10, ..Limits::default() });
        let name = bookmark_name("app");
        for _ in 0..2 {
            say(&mut hub, &name, 20, 0);
        }
        assert!(!hub.tick(0), "nothing else is to be evicted");
        for _ in 0..9 {
            say(&mut hub, "a", 4, 0);
        }
        let kept = |hub: &mut Hub| places(&hub.history(&name, Start::Everything, 9, 0).unwrap().messages);
        assert_eq!(kept(&mut hub), [2]);
        assert_eq!((hub.totals().evicted, hub.totals().published), (9, 9), "it is no message of anybody's");
        assert!(!hub.evict(&name, hub.last(), 0), "nor does a store that has no room for it");
        assert_eq!(kept(&mut hub), [2]);
        let bookmark = hub.history(&name, Start::Everything, 9, 0).unwrap().messages.remove(0);
        assert!(hub.is_awaited(&bookmark));
        say(&mut hub, &name, 20, 0);
        assert!(!hub.is_awaited(&bookmark), "another one stands for it");
    }

    #[test]
    fn a_large_eviction_goes_in_steps() {
        let limits = Limits { history_messages: 1_000, history_budget: 600, ..Limits::default() };
        let mut hub = hub(limits);
        for _ in 0..600 {
            hub.order(publish("a", 1, None), 0).unwrap();
        }
        release(&mut hub, 0);
        say(&mut hub, "b", 600, 0);
        assert_eq!(hub.totals().evicted, EVICT_STEP_MAX as u64);
        assert!(hub.tick(0));
        while hub.tick(0) {}
        assert_eq!((hub.totals().evicted, hub.totals().history_bytes), (600, 600));
    }

    /// Four channels with twice what is removed in one step, all of whose time is over at 10.
    fn outlived_hub(ttl: Option<Millis>) -> Hub {
        let limits = Limits { history_messages: 5_000, history_age: 10, ..Limits::default() };
        let mut hub = hub(limits);
        for n in 0..2 * EXPIRE_STEP_MAX {
            hub.order(publish(["a", "b", "c", "d"][n % 4], 1, ttl), 0).unwrap();
        }
        release(&mut hub, 0);
        hub
    }

    #[test]
    fn what_outlived_its_time_goes_in_steps() {
        for ttl in [None, Some(5)] {
            let mut hub = outlived_hub(ttl);
            let (step, mut left) = (EXPIRE_STEP_MAX as u64, hub.totals().history_messages);
            let guest = crate::Guest::from(SHARD);
            let mut holds = 0;
            let page = loop {
                let tried = hub.try_subscribe(guest, &["a", "b", "c", "d"], after(0), 10);
                let now_left = hub.totals().history_messages;
                assert!(left - now_left <= step, "{}", left - now_left);
                (left, holds) = (now_left, holds + 1);
                if let Some(page) = tried {
                    break page.unwrap();
                }
            };
            hub.audit();
            let gaps: &[u16] = if ttl.is_none() { &[0, 1, 2, 3] } else { &[] };
            assert_eq!((left, holds, page.messages.len(), &page.gaps[..]), (0, 3, 0, gaps));
            assert!(hub.totals().read >= 2 * step, "it is counted");
        }
    }

    #[test]
    fn a_tick_removes_no_more_messages_than_a_step() {
        let mut hub = outlived_hub(None);
        let left = hub.totals().history_messages;
        assert!(hub.tick(10));
        assert_eq!(left - hub.totals().history_messages, EXPIRE_STEP_MAX as u64);
        while hub.tick(10) {}
        assert_eq!(hub.totals().history_messages, 0);
        hub.audit();
    }

    #[test]
    fn a_tick_goes_in_steps() {
        let mut hub = hub(Limits::default());
        for n in 0..TICK_STEP_MAX + 1 {
            let page = hub.subscribe(SHARD, &[&format!("c{n}")], Start::Now, 0).unwrap();
            let Next::Live { channels, .. } = page.next else { panic!("nothing is read") };
            hub.leave(SHARD, Leave::waiting(channels[0], 1), 0, 0);
        }
        hub.audit();
        assert!(hub.tick(0));
        assert_eq!(hub.totals().channels, 1);
        assert!(!hub.tick(0));
        assert_eq!(hub.totals().channels, 0);
    }
}
