//! How records of channels come and go: for whom each is there, when it is looked at, and which goes first where there
//! is no room for more (room.rs).
//!
//! Every record that anything is due for stands in one of two agendas, once. A key may be too early, never too late: whoever
//! makes something due sooner calls `schedule`; what moves later is found out when the record comes up.

use smallvec::SmallVec;

use crate::agenda::Agenda;
use crate::channel::{Channel, record_len};
use crate::hub::Keeping;
use crate::limits::{FORGET_LOOK_MAX, RECORD_LEN};
use crate::room::Holder;
use crate::{Asker, Fact, Hub, Millis, NEVER, Payload, Refused, Speaker};

impl Hub {
    /// Finds room for somebody who is to wait on all of these names: what is passing of them is there for him from now
    /// on, and for whom the others are to be made is returned. The caller makes and joins them, and schedules all.
    pub(crate) fn find_room(
        &mut self,
        asker: Option<Asker>,
        names: &[&str],
        found: &[Option<u32>],
        now: Millis,
    ) -> Result<Holder, Refused> {
        let holder = self.room.holder(asker);
        let is_new = |id: &Option<u32>| id.is_none_or(|id| self.names[id].holder.is_passing());
        let new = names.iter().zip(found).filter(|(_, id)| is_new(id));
        let len = new.map(|(name, _)| record_len(name)).sum::<u64>();
        if len == 0 {
            return Ok(holder);
        }
        self.find_room_beside(holder, len, now)?;
        for id in found.iter().flatten() {
            if self.names[*id].holder.is_passing() {
                self.hold(*id, holder);
            }
        }
        Ok(holder)
    }

    /// The record of a channel that is published to, made if there is none. What a client says makes none of the room that
    /// is kept for publishers, neither a new one nor one of what is there for nobody.
    pub(crate) fn record_to_publish(
        &mut self,
        name: &str,
        found: Option<u32>,
        payload: &Payload,
        now: Millis,
    ) -> Result<u32, Refused> {
        if let Some(id) = found.filter(|id| !self.names[*id].holder.is_passing()) {
            return Ok(id);
        }
        if payload.said().speaker() != Speaker::Publisher {
            self.find_room_beside(Holder::EARLY, record_len(name), now)?;
        }
        found.map_or_else(|| self.create(name, Holder::PUBLIC, now), Ok)
    }

    /// Finds so much room for a holder, outside of what is kept for publishers.
    pub(crate) fn find_room_beside(&mut self, holder: Holder, len: u64, now: Millis) -> Result<(), Refused> {
        if len > self.room.left() {
            self.forget_idle(len - self.room.left(), now);
        }
        self.room.takes(holder, len).inspect_err(|_| self.totals.crowded += 1)
    }

    /// Makes a record for a name that has none.
    pub(crate) fn create(&mut self, name: &str, holder: Holder, now: Millis) -> Result<u32, Refused> {
        self.names.release_ids(now);
        self.make_room(holder, record_len(name), now)?;
        let channel = Channel::new(name, self.rules.now().find(name), holder, self.floor);
        self.room.add(holder, channel.record_len());
        self.totals.channels += 1;
        let id = self.names.insert(Box::new(channel));
        self.know_rule(id);
        Ok(id)
    }

    /// The record is there for somebody else from now on. The caller schedules it.
    pub(crate) fn hold(&mut self, id: u32, holder: Holder) {
        let channel = &mut self.names[id];
        let (before, due, len) = (channel.holder, channel.due, channel.record_len());
        channel.holder = holder;
        if before.is_passing() != holder.is_passing() && due != NEVER {
            channel.due = NEVER;
            self.agenda_of_mut(before).strike(due, id);
        }
        self.room.sub(before, len);
        self.room.add(holder, len);
    }

    /// Enters a record in the agenda for what is due next, unless it comes up before that anyway.
    pub(crate) fn schedule(&mut self, id: u32) {
        let channel = &self.names[id];
        if !channel.holder.is_public()
            && !channel.holder.is_passing()
            && channel.waiting() == 0
            && channel.roster().is_none()
        {
            self.hold(id, Holder::PASSING);
        }
        let channel = &mut self.names[id];
        let (next, due, holder) = (channel.next_due(), channel.due, channel.holder);
        if next < due {
            channel.due = next;
            let agenda = self.agenda_of_mut(holder);
            if due != NEVER {
                agenda.strike(due, id);
            }
            agenda.enter(next, id);
        }
    }

    /// Whether all of these channels take so many bytes.
    pub(crate) fn check_payload(&self, names: &[Box<str>], len: u64) -> Result<(), Refused> {
        if !self.rules.now().limit_payloads {
            return Ok(());
        }
        let limits = names.iter().filter_map(|name| self.rule_of(name).payload);
        limits.min().filter(|limit| len > *limit).map_or(Ok(()), |limit| Err(Refused::Payload(limit)))
    }

    /// The agenda in which records stand that are there for this holder.
    pub(crate) fn agenda_of(&self, holder: Holder) -> &Agenda<Millis> {
        if holder.is_passing() { &self.passing } else { &self.agenda }
    }

    pub(crate) fn agenda_of_mut(&mut self, holder: Holder) -> &mut Agenda<Millis> {
        if holder.is_passing() { &mut self.passing } else { &mut self.agenda }
    }

    /// The record to look at next.
    pub(crate) fn first_due(&self) -> Option<(Millis, u32)> {
        [self.agenda.first(), self.passing.first()].into_iter().flatten().min()
    }

    /// Somebody publishes to a channel. If that is the first time, the store learns what it was not told before.
    pub(crate) fn publish_to(&mut self, id: u32) {
        if self.names[id].holder.is_public() {
            return;
        }
        self.hold(id, Holder::PUBLIC);
        if self.names[id].online && self.keeping == Keeping::Facts {
            let state = self.state_of(id);
            self.facts.push(Fact::State(state));
        }
        self.schedule(id);
    }

    /// Makes room for a record of so many bytes. What somebody waits on or has published to is not touched, but for
    /// records that only remember a watermark.
    fn make_room(&mut self, holder: Holder, len: u64, now: Millis) -> Result<(), Refused> {
        let max = self.room.max(holder);
        let over = (self.room.kept() + len).saturating_sub(max);
        if over > 0 {
            self.forget_idle(over, now);
        }
        if self.room.kept() + len > max {
            self.totals.crowded += 1;
            return Err(Refused::Records);
        }
        while self.room.used() + len > max {
            let (_, id) = self.passing.first().expect("what is used and not kept is passing");
            if self.names[id].online {
                self.go_offline(id, now);
            }
            self.totals.hurried += 1;
            self.forget(id);
        }
        Ok(())
    }

    /// Forgets records before their time, of those that only remember a watermark, until so many bytes are free. Looks
    /// at few.
    fn forget_idle(&mut self, bytes: u64, now: Millis) {
        let wanted = usize::try_from(bytes.div_ceil(RECORD_LEN)).unwrap_or(usize::MAX);
        let look = wanted.saturating_mul(2).saturating_add(FORGET_LOOK_MAX);
        let mut left = bytes;
        let mut found: SmallVec<[u32; 4]> = SmallVec::new();
        for (_, id) in self.agenda.iter().take(look) {
            let channel = &self.names[id];
            if channel.is_idle() && channel.held_until() <= now {
                found.push(id);
                left = left.saturating_sub(channel.record_len());
                if left == 0 {
                    break;
                }
            }
        }
        for id in found {
            self.totals.hurried += 1;
            self.forget(id);
        }
    }

    /// Forgets a record. From now on the floor answers for what was trimmed in it.
    pub(crate) fn forget(&mut self, id: u32) {
        let channel = self.names.remove(id);
        debug_assert!(channel.is_idle());
        if channel.due != NEVER {
            self.agenda_of_mut(channel.holder).strike(channel.due, id);
        }
        self.room.sub(channel.holder, channel.record_len());
        if channel.watermark > self.floor.position {
            self.floor.position = channel.watermark;
        }
        self.floor.trimmed_at = self.floor.trimmed_at.max(channel.trimmed_at);
        self.totals.channels -= 1;
        self.trash.records.push(channel);
    }
}
