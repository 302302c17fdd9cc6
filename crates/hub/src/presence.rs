//! Who waits on what, and what follows from it: channels come online, go offline, hand out their
//! messages one by one to takers.

use smallvec::SmallVec;

use crate::room::Holder;
use crate::{
    ChangeKind, ChannelId, Door, Guest, Hub, Leave, LeaveKind, Millis, NEVER, Refused, Session, ShardId, Take,
};

impl Hub {
    /// Takes registrations of this shard back. Harmless when they are gone already.
    pub fn leave(&mut self, shard: ShardId, leave: Leave<'_>, grace: Millis, now: Millis) {
        let (now, id) = (self.advance(now), leave.channel.0);
        if let Some(record) = self.names.get_mut(id) {
            let gone = match leave.kind {
                LeaveKind::Waiting => record.interest.take(shard, leave.count),
                LeaveKind::Taker { since } if record.last <= since => {
                    record.extras.as_mut().map_or(0, |extras| extras.takers.take(shard, leave.count))
                }
                LeaveKind::Taker { .. } => 0,
            };
            self.left(id, gone, grace, now);
            if let Some(user) = leave.who {
                self.depart(id, user, leave.at_once, now);
            }
            self.schedule(id);
        }
        self.check();
    }

    /// One-shot taking (2009): the next message of the channel's queue, or a place among the waiting.
    /// Whoever is served leaves; `grace` is how long the channel then stays online.
    pub fn take<'g>(
        &mut self,
        guest: impl Into<Guest<'g>>,
        name: &str,
        grace: Millis,
        now: Millis,
    ) -> Result<Take, Refused> {
        let (now, Guest { shard, asker, .. }) = (self.advance(now), guest.into());
        let found = self.names.find(name);
        let holder = self.find_room(asker, &[name], &[found], now)?;
        let id = match found {
            Some(id) => id,
            None => self.create(name, holder, now)?,
        };
        self.expire(id, now, &mut { usize::MAX });
        if !self.names[id].online {
            self.go_online(id, now);
        }
        let channel = &mut self.names[id];
        let next = channel.history.as_ref().and_then(|history| history.next_said(channel.taken));
        let take = if let Some((position, message)) = next {
            let message = message.clone();
            channel.taken = position;
            self.tell_state(id);
            let channel = &mut self.names[id];
            // Whoever comes to take is there, though he need not wait: the grace begins anew.
            if channel.waiting() == 0 {
                channel.offline_at = channel.offline_at.max(now.saturating_add(grace));
            }
            Take::Message(message)
        } else {
            channel.add_taker(shard, grace);
            self.totals.subscriptions += 1;
            Take::Waiting { channel: ChannelId(id), position: self.end }
        };
        self.schedule(id);
        self.check();
        Ok(take)
    }

    /// Whether a channel is online: somebody waits, or did within the grace.
    pub fn is_online(&self, name: &str) -> bool {
        self.names.find(name).is_some_and(|id| self.names[id].online)
    }

    /// Registers a guest's shard on all of these names, those without a record among them, or on none.
    pub(crate) fn register(
        &mut self,
        guest: Guest<'_>,
        names: &[&str],
        found: &[Option<u32>],
        now: Millis,
    ) -> Result<Vec<ChannelId>, Refused> {
        let mut ids: SmallVec<[u32; 4]> = SmallVec::with_capacity(names.len());
        // Pinned first, so that making the last record does not forget the first one.
        for id in found.iter().flatten() {
            self.names[*id].pins += 1;
        }
        let mut refused = None;
        match self.find_room(guest.asker, names, found, now) {
            Ok(holder) => {
                for (name, found) in names.iter().zip(found) {
                    match found.map_or_else(|| self.create_pinned(name, holder, now), Ok) {
                        Ok(id) => ids.push(id),
                        Err(why) => refused = Some(why),
                    }
                }
            }
            Err(why) => {
                ids.extend(found.iter().flatten().copied());
                refused = Some(why);
            }
        }
        let who = guest.session.and_then(Session::who);
        if refused.is_none() && who.is_some() {
            refused = ids.iter().find_map(|id| self.prepare_roster(*id, now).err());
        }
        for id in &ids {
            self.names[*id].pins -= 1;
            if refused.is_none() {
                self.join(*id, guest.shard, now);
                if let Some(who) = who {
                    self.arrive(*id, who, true, now);
                }
            }
            self.schedule(*id);
        }
        match refused {
            Some(why) => {
                ids.iter().for_each(|id| self.drop_roster(*id));
                Err(why)
            }
            None => Ok(ids.into_iter().map(ChannelId).collect()),
        }
    }

    /// Somebody asked for these channels and does not wait: those that are remembered are online as if he had.
    pub(crate) fn pass_by(&mut self, guest: Guest<'_>, found: &[Option<u32>], now: Millis) {
        let who = guest.session.and_then(Session::who);
        for id in found.iter().flatten() {
            // Room for a roster before it may have been made of this one.
            if self.names.get(*id).is_none() {
                continue;
            }
            if let Some(who) = who
                && !self.names[*id].holder.is_passing()
                && self.prepare_roster(*id, now).is_ok()
            {
                self.arrive(*id, who, false, now);
                self.schedule(*id);
            }
            let channel = &self.names[*id];
            if channel.is_hidden() {
                continue;
            }
            if !channel.online && !channel.holder.is_public() {
                continue;
            }
            if !channel.online {
                self.go_online(*id, now);
            }
            let grace = self.limits.grace;
            let channel = &mut self.names[*id];
            if channel.waiting() == 0 {
                channel.offline_at = channel.offline_at.max(now.saturating_add(grace));
            }
            if channel.holder.is_passing() {
                // It goes behind those that were left before.
                self.passing.strike(std::mem::replace(&mut channel.due, NEVER), *id);
            }
            self.schedule(*id);
        }
    }

    /// Books that `gone` who waited no longer do. The last one starts the grace.
    pub(crate) fn left(&mut self, id: u32, gone: u32, grace: Millis, now: Millis) {
        let channel = &mut self.names[id];
        self.totals.subscriptions -= u64::from(gone);
        if gone > 0 && channel.waiting() == 0 {
            channel.offline_at = now.saturating_add(grace);
        }
    }

    /// The channel is no longer online, from now on.
    pub(crate) fn go_offline(&mut self, id: u32, now: Millis) {
        let channel = &mut self.names[id];
        debug_assert!(channel.online && channel.waiting() == 0);
        channel.online = false;
        self.totals.online -= 1;
        self.change(id, ChangeKind::Offline, now);
    }

    /// The channel is online from now on. Its queue for takers begins here.
    fn go_online(&mut self, id: u32, now: Millis) {
        let channel = &mut self.names[id];
        channel.online = true;
        channel.offline_at = now;
        channel.taken = self.end;
        self.totals.online += 1;
        self.change(id, ChangeKind::Online, now);
    }

    /// Whether users are told of on a channel.
    pub(crate) fn has_presence(&self, id: u32) -> bool {
        let tells = self.says_of_users();
        tells && self.keep(id).presence != Door::Off
    }

    /// The record of a name that had none, pinned.
    pub(crate) fn create_pinned(&mut self, name: &str, holder: Holder, now: Millis) -> Result<u32, Refused> {
        // Looked up once more: should the caller repeat a name after all, it still has one record.
        let id = match self.names.find(name) {
            Some(id) => id,
            None => self.create(name, holder, now)?,
        };
        self.names[id].pins += 1;
        Ok(id)
    }

    /// One more registration.
    fn join(&mut self, id: u32, shard: ShardId, now: Millis) {
        if !self.names[id].online && !self.names[id].is_hidden() {
            self.go_online(id, now);
        }
        let channel = &mut self.names[id];
        channel.interest.add(shard);
        self.totals.subscriptions += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{SHARD, changes, hub, join, page, places, publish, release, room_for, say};
    use crate::{Limits, Message, Start};

    fn limits() -> Limits {
        Limits { grace: 30, ..Limits::default() }
    }

    fn taken(take: Result<Take, Refused>) -> Option<Message> {
        match take.unwrap() {
            Take::Message(message) => Some(message),
            Take::Waiting { .. } => None,
        }
    }

    #[test]
    fn a_channel_is_online_while_somebody_waits_and_for_the_grace() {
        let mut hub = hub(limits());
        let a = join(&mut hub, "a", 0);
        join(&mut hub, "a", 1);
        hub.leave(SHARD, Leave::waiting(a, 1), 30, 2);
        hub.tick(50);
        hub.leave(SHARD, Leave::waiting(a, 1), 30, 60);
        hub.tick(89);
        assert!(hub.channel("a").unwrap().online);
        hub.tick(90);
        assert!(hub.channel("a").is_none());
        assert_eq!(changes(&hub), [("a".into(), true, 0), ("a".into(), false, 90)]);
    }

    #[test]
    fn whoever_comes_back_within_the_grace_was_never_gone() {
        let mut hub = hub(limits());
        let a = join(&mut hub, "a", 0);
        hub.leave(SHARD, Leave::waiting(a, 1), 30, 0);
        assert_eq!(join(&mut hub, "a", 29), a);
        hub.tick(30);
        hub.leave(SHARD, Leave::waiting(a, 1), 0, 40);
        hub.tick(40);
        assert_eq!(changes(&hub), [("a".into(), true, 0), ("a".into(), false, 40)]);
    }

    #[test]
    fn nobody_leaves_twice() {
        let mut hub = hub(limits());
        let a = join(&mut hub, "a", 0);
        hub.leave(ShardId(1), Leave::waiting(a, 1), 0, 0);
        hub.leave(SHARD, Leave::taker(a, hub.end()), 0, 0);
        assert_eq!(hub.channel("a").unwrap().waiting, 1);
        hub.leave(SHARD, Leave::waiting(a, 9), 0, 0);
        hub.leave(SHARD, Leave::waiting(a, 9), 0, 0);
        hub.leave(SHARD, Leave::waiting(ChannelId(99), 1), 0, 0);
        assert_eq!(hub.channel("a").unwrap().waiting, 0);
        hub.audit();
    }

    #[test]
    fn a_change_waits_for_its_turn() {
        let mut hub = hub(limits());
        hub.order(publish("a", 1, None), 0).unwrap();
        join(&mut hub, "b", 0);
        assert_eq!((changes(&hub).len(), hub.end().to_bits()), (0, 0));
        release(&mut hub, 0);
        assert_eq!((changes(&hub).len(), hub.end().to_bits()), (1, 2));
    }

    #[test]
    fn all_who_wait_to_take_get_the_same_and_the_next_one_the_next() {
        let mut hub = hub(limits());
        say(&mut hub, "a", 1, 0);
        assert!(
            taken(hub.take(SHARD, "a", 30, 0)).is_none(),
            "the queue begins when the channel comes online"
        );
        assert!(taken(hub.take(ShardId(1), "a", 30, 0)).is_none());
        let released = say(&mut hub, "a", 1, 1);
        assert_eq!((released.seen[0].waiting, released.shards.len()), (2, 2));
        let next = [say(&mut hub, "a", 1, 1), say(&mut hub, "a", 1, 2)].map(|one| one.message);
        assert_eq!(hub.channel("a").unwrap().waiting, 0);
        let took = [taken(hub.take(SHARD, "a", 30, 3)).unwrap(), taken(hub.take(SHARD, "a", 30, 3)).unwrap()];
        assert_eq!(places(&took), places(&next));
        assert!(taken(hub.take(SHARD, "a", 30, 3)).is_none());
    }

    #[test]
    fn who_was_served_takes_nobody_else_with_him() {
        let mut hub = hub(limits());
        let Take::Waiting { channel, position } = hub.take(SHARD, "a", 30, 0).unwrap() else { panic!() };
        say(&mut hub, "a", 1, 0);
        taken(hub.take(SHARD, "b", 30, 0));
        taken(hub.take(SHARD, "a", 30, 0));
        hub.leave(SHARD, Leave::taker(channel, position), 0, 0);
        assert_eq!(hub.channel("a").unwrap().waiting, 1, "the second one still waits");
        hub.leave(SHARD, Leave::taker(channel, hub.end()), 0, 0);
        assert_eq!(hub.channel("a").unwrap().waiting, 0);
    }

    #[test]
    fn takers_bring_a_grace_of_their_own() {
        let mut hub = hub(limits());
        hub.take(SHARD, "a", 7, 0).unwrap();
        say(&mut hub, "a", 1, 10);
        hub.tick(16);
        assert!(hub.is_online("a") && !hub.is_online("b"));
        hub.tick(17);
        assert!(!hub.is_online("a"));
    }

    #[test]
    fn whoever_takes_is_there_for_the_grace() {
        let mut hub = hub(limits());
        hub.take(SHARD, "a", 30, 0).unwrap();
        say(&mut hub, "a", 1, 0);
        say(&mut hub, "a", 1, 0);
        taken(hub.take(SHARD, "a", 30, 20)).expect("there is one more");
        hub.tick(49);
        assert!(hub.channel("a").unwrap().online);
        hub.tick(50);
        assert!(!hub.channel("a").unwrap().online);
    }

    #[test]
    fn a_queue_begins_when_a_subscriber_brings_the_channel_online() {
        let mut hub = hub(limits());
        say(&mut hub, "a", 1, 0);
        join(&mut hub, "a", 0);
        let said = say(&mut hub, "a", 1, 0);
        assert_eq!(taken(hub.take(SHARD, "a", 30, 0)).unwrap().position, said.message.position);
    }

    #[test]
    fn who_is_refused_is_registered_nowhere() {
        let mut hub = hub(Limits { channels_budget: room_for(2), ..limits() });
        join(&mut hub, "a", 0);
        assert_eq!(hub.subscribe(SHARD, &["b", "a", "c"], Start::Now, 0).err(), Some(Refused::Records));
        hub.audit();
        assert_eq!((hub.totals().subscriptions, hub.totals().online), (1, 1));
        hub.tick(0);
        assert!(hub.channel("b").is_none());
        page(&mut hub, "a,b", Start::Now, 0);
    }
}
