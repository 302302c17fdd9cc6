//! A shard's connections as seats, for the shard that goes on in its place.
//!
//! Before, the shard comes to rest: its mail is taken in, and everybody is given what he is owed, so no job, no deletion and no
//! question stands between it and the next one. What the exchange knows of a connection stays as it is: nobody leaves.
//!
//! No seat is a connection whose handshake is under way, one about which somebody is asked (its phase, or a message of its
//! client that is not out yet), one that owes more than a seat has room for, and none of a shard that drains. Those stay with
//! their shard, and are seats when that is over. Whoever ends a shard gives them time for it before: it goes on with the seats
//! that it has given, until there are no others or their time is over.

use exchange::hub::{Decimal, Session};
use rustc_hash::FxHashSet;
use transport::dialect::Held;

use super::Shard;
use crate::kernel::Kernel;
use crate::seat::{Estate, FrozenGuest, FrozenId, FrozenSession, Seat, SeatRecord, ShardFacts, to_bytes};
use crate::wheel::TICK_MS;

impl<K: Kernel> Shard<K> {
    /// Takes out all connections that are seats; between two turns. What [`Self::connections`] counts afterwards is none.
    /// Until the seats are thawed, by [`Self::thaw`] of this shard or of one that was given what [`Self::hand_over`] leaves,
    /// nothing may be taken from this shard's mailbox.
    pub fn freeze(&mut self) -> Vec<Seat<K::Socket>> {
        if self.draining.is_some() {
            return Vec::new();
        }
        self.come_to_rest();
        let speaking: FxHashSet<u64> = self.speaking.tokens().collect();
        let mut seats = Vec::with_capacity(self.slab.len());
        for index in 0..self.slab.end() {
            if self.slab.get(index).is_some() && !speaking.contains(&self.token(index)) {
                seats.extend(self.seat(index));
            }
        }
        seats
    }

    /// Ends the shard of which all seats were taken. What was none is closed; the others go on with what is left here.
    pub fn hand_over(mut self) -> Estate<K::Listener> {
        for index in 0..self.slab.end() {
            if self.slab.get(index).is_some() {
                self.close(index);
            }
        }
        self.give_up_asked();
        // What has come by mail since then is for whoever goes on.
        self.settle_accounts();
        if self.paused_until.is_none() {
            self.watch_listeners(false);
        }
        let bytes = self.estate();
        Estate { listeners: std::mem::take(&mut self.listeners), bytes }
    }

    /// What the shard knows itself, for the one that goes on.
    pub(super) fn estate(&self) -> Vec<u8> {
        let (generation, polls) = self.identities.counts();
        let own = ShardFacts {
            shard: self.id.0,
            start: self.start,
            generation,
            polls,
            seen: self.seen.to_bits(),
            random: self.random,
        };
        to_bytes(&own).expect("five numbers are few bytes")
    }

    /// Does all that is under way, and leaves the exchange as if it slept.
    fn come_to_rest(&mut self) {
        self.now = self.kernel.now();
        self.take_mail();
        loop {
            while self.end_deleted() {}
            while let Some(key) = self.jobs.pop_front().or_else(|| self.long_jobs.pop_front()) {
                if !self.run_job(key, &mut { usize::MAX }) {
                    self.jobs.push_back(key);
                }
            }
            self.dispatch();
            if !self.guests.surveys.is_empty() {
                self.run_surveys();
            } else if self.jobs.is_empty() && self.deleting.is_empty() {
                break;
            }
        }
        self.leave_lane();
        self.exchange.shard(self.id).forget_lane();
        self.settle_accounts();
    }

    /// Takes a connection out, if it is a seat.
    fn seat(&mut self, index: usize) -> Option<Seat<K::Socket>> {
        let bytes = to_bytes(&self.record(index)?)?;
        // Who comes back to a message again and again begins anew to be looked for.
        self.end_return(index, true);
        for number in (0..self.slab[index].subs.len()).rev() {
            let (_, owed) = self.members.unlink(&mut self.slab, index, number);
            debug_assert!(owed.is_empty(), "nobody is owed anything in a shard at rest");
        }
        self.wheel.unlink(&mut self.slab, index);
        self.guests.hand_over(index);
        self.callers.remove(index);
        self.listening.remove(index);
        self.told.remove(index);
        // It has not ended: whoever goes on has it.
        drop(self.states.remove(index));
        self.identities.set_kept(index, None);
        let slot = self.slab.remove(index)?;
        self.kernel.unwatch(&slot.socket);
        Some(Seat { socket: slot.socket, bytes })
    }

    /// All there is of a connection; `None`: it is no seat.
    fn record(&self, index: usize) -> Option<SeatRecord> {
        let slot = &self.slab[index];
        let conn = slot.conn.freeze(self.now)?;
        let tls = slot.link.freeze()?;
        let channels = (0..slot.subs.len()).filter_map(|number| {
            let channel = self.members.channel(slot.subs.get(number)?.channel).id;
            // Where it began no longer matters once the connection has all up to there.
            let from = Some(slot.subs.from(number)).filter(|from| *from > slot.conn.last);
            Some((channel.0, from.unwrap_or_default().to_bits()))
        });
        let ends_left_ms = (u64::from(slot.ends) * TICK_MS).saturating_sub(self.now);
        Some(SeatRecord {
            shard: self.id.0,
            index: u32::try_from(index).expect("a node holds it"),
            generation: slot.generation,
            seen: self.seen.to_bits(),
            conn,
            due_left_ms: slot.timer.left_ms(self.now),
            ends_left_ms: (slot.ends != u32::MAX).then_some(ends_left_ms),
            is_heard_out: !slot.interest.readable,
            channels: channels.collect(),
            held: self.held(index),
            guest: self.guests.session(index).map(|session| self.guest_of(index, session)),
            id: self.identities.kept(index).map(FrozenId::freeze),
            caller: self.callers.get(index),
            header: self.callers.header(index).to_vec(),
            logged: self.told.get(index).map(|(peer, name)| (peer, name.to_owned())),
            tls,
        })
    }

    fn guest_of(&self, index: usize, session: &Session) -> FrozenGuest {
        FrozenGuest {
            session: FrozenSession::freeze(session),
            since_s: self.guests.users().since(index).millis() / 1_000,
            is_counted: self.guests.is_counted(index),
            joined: self.guests.joined(index).iter().map(|name| name.to_string()).collect(),
        }
    }

    /// What its dialect has of a connection.
    fn held(&self, index: usize) -> Vec<u8> {
        let subs = &self.slab[index].subs;
        let keys = (0..subs.len()).filter_map(|number| subs.get(number)).map(|sub| sub.channel);
        let since: Vec<Decimal> =
            keys.filter_map(|key| Some(self.listening.since(index, key)?.into_owned())).collect();
        let state = self.states.get(index).map(|state| &**state);
        self.dialect(index).freeze(&Held { since, tag: self.listening.tag(index) }, state)
    }
}
