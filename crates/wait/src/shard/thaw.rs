//! Seats become connections of a shard again: of one that goes on in the place of another, or of the one that they were
//! taken from, where nothing came of it. Before the first turn, since whatever the mailbox holds is theirs.

use exchange::hub::{ChannelId, ConnectionId, Position, Session, WallTime};
use rustc_hash::FxHashSet;
use transport::codec::proxy;
use transport::dialect::{Classic, Held, State};
use transport::{Conn, Ending, Phase};

use super::Shard;
use crate::askers::Want;
use crate::callers::Caller;
use crate::kernel::{Interest, Kernel};
use crate::limits::{CONNECTIONS_MAX, SUBSCRIPTIONS_MAX};
use crate::link::Link;
use crate::members::NIL;
use crate::seat::{FrozenGuest, FrozenId, Seat, SeatError, SeatRecord, ShardFacts, of_bytes};
use crate::slot::{Added, Slot, Sub, Subs};
use crate::wheel::{Timer, Wheel};

/// A connection as it is to be, of which all was looked at.
struct Thawed {
    conn: Conn,
    link: Link,
    channels: Vec<(ChannelId, Position)>,
    held: Held,
    state: Option<Box<dyn State>>,
    session: Option<(Session, Beside)>,
    id: Option<ConnectionId>,
    record: SeatRecord,
}

/// What somebody has beside his session.
struct Beside {
    since: WallTime,
    is_counted: bool,
    joined: Vec<Box<str>>,
}

impl<K: Kernel> Shard<K> {
    /// The shard, just made, goes on in the place of the one that left this. Its seats are to be thawed before its first turn.
    pub fn resume(mut self, estate: &[u8]) -> Result<Self, SeatError> {
        let ShardFacts { shard, start, generation, polls, seen, random } = of_bytes(estate)?;
        self.check_shard(shard)?;
        self.seen = position(seen)?;
        (self.start, self.random) = (start, random);
        self.identities.go_on_from((generation & ConnectionId::GENERATION_MAX, polls));
        Ok(self)
    }

    /// The shard, just made, is of another program than the one that left this: what counts for those who come over is counted
    /// here anew.
    pub fn resume_elsewhere(mut self, estate: &[u8]) -> Result<Self, SeatError> {
        self.callers.are_counted_anew = true;
        self.resume(estate)
    }

    /// Takes a connection over. One that cannot be taken over is given back, with the reason.
    pub fn thaw(&mut self, seat: Seat<K::Socket>) -> Result<(), (Seat<K::Socket>, SeatError)> {
        self.now = self.kernel.now();
        let thawed = match self.look_at_seat(&seat.bytes) {
            Ok(thawed) => thawed,
            Err(why) => return Err((seat, why)),
        };
        let SeatRecord { index, generation, .. } = thawed.record;
        let token = u64::from(generation) << 32 | u64::from(index);
        if let Err(error) = self.kernel.watch(&seat.socket, token) {
            return Err((seat, SeatError::System(error)));
        }
        self.take_over(seat.socket, thawed);
        Ok(())
    }

    /// Reads a seat, and looks whether it can be one of this shard.
    fn look_at_seat(&self, bytes: &[u8]) -> Result<Thawed, SeatError> {
        let mut record: SeatRecord = of_bytes(bytes)?;
        self.check_shard(record.shard)?;
        let index = record.index as usize;
        if index >= CONNECTIONS_MAX || record.generation > ConnectionId::GENERATION_MAX {
            return Err(SeatError::Malformed);
        }
        if self.slab.get(index).is_some() {
            return Err(SeatError::Taken);
        }
        let conn = Conn::thaw(std::mem::take(&mut record.conn), self.now).ok_or(SeatError::Malformed)?;
        let waits = conn.phase == Phase::Waiting;
        let channels = self.channels_to_be(&record, &conn)?;
        let (held, state) = self.held_to_be(&record.held, conn.shape.dialect())?;
        let listens = waits && conn.shape.ending() == Ending::WhenDue;
        let held_count = if listens { channels.len() } else { 0 };
        let is_sound = held.since.len() == held_count
            && (waits || (channels.is_empty() && record.guest.is_none() && record.id.is_none()))
            && (record.header.is_empty() || record.caller == Some(Caller::Unsaid))
            && record.header.len() < proxy::HEADER_BYTES_MAX;
        if !is_sound {
            return Err(SeatError::Malformed);
        }
        if waits && position(record.seen)? != self.seen {
            return Err(SeatError::Late);
        }
        let session =
            record.guest.take().map(|guest| guest.thaw().ok_or(SeatError::Malformed)).transpose()?;
        let id = record.id.take().map(|id| FrozenId::thaw(id).ok_or(SeatError::Malformed)).transpose()?;
        let link = Link::thaw(record.tls.take()).ok_or(SeatError::Malformed)?;
        Ok(Thawed { conn, link, channels, held, state, session, id, record })
    }

    fn check_shard(&self, shard: u16) -> Result<(), SeatError> {
        if shard == self.id.0 { Ok(()) } else { Err(SeatError::Shard(shard, self.id.0)) }
    }

    /// The channels on which a connection is to wait: those that the hub has records of, each once.
    fn channels_to_be(
        &self,
        record: &SeatRecord,
        conn: &Conn,
    ) -> Result<Vec<(ChannelId, Position)>, SeatError> {
        let most = if conn.shape.ending() == Ending::OneMessage { 1 } else { SUBSCRIPTIONS_MAX };
        let mut seen = FxHashSet::default();
        if record.channels.len() > most || !record.channels.iter().all(|(id, _)| seen.insert(*id)) {
            return Err(SeatError::Malformed);
        }
        let channels = record.channels.iter().map(|(id, from)| Ok((ChannelId(*id), position(*from)?)));
        let channels = channels.collect::<Result<Vec<_>, SeatError>>()?;
        let ids: Vec<ChannelId> = channels.iter().map(|(id, _)| *id).collect();
        let are_known = ids.is_empty() || self.exchange.registry().names(&ids).len() == ids.len();
        are_known.then_some(channels).ok_or(SeatError::Channel)
    }

    fn held_to_be(
        &self,
        bytes: &[u8],
        dialect: Classic,
    ) -> Result<(Held, Option<Box<dyn State>>), SeatError> {
        self.settings.dialects.of(dialect).thaw(bytes).map_err(SeatError::Dialect)
    }

    /// The connection is one of this shard from now on.
    fn take_over(&mut self, socket: K::Socket, thawed: Thawed) {
        let Thawed { conn, link, channels, held, state, session, id, record } = thawed;
        let index = record.index as usize;
        let ends = record.ends_left_ms.map_or(u32::MAX, |left_ms| Wheel::tick_in(self.now, left_ms));
        let subs = self.subs_to_be(&channels, &conn);
        let SeatRecord { generation, .. } = record;
        let interest = Interest::READ;
        let slot = Slot { socket, generation, link, interest, timer: Timer::IDLE, ends, subs, conn };
        self.slab.insert_at(index, slot);
        for number in 0..self.slab[index].subs.len() {
            self.members.link(&mut self.slab, index, number);
        }
        let keys = channels.iter().map(|(channel, _)| self.members.find_or_add(*channel));
        self.listening.put(index, keys.zip(held.since), held.tag);
        if let Some(state) = state {
            self.states.put(index, state);
        }
        if let Some((session, beside)) = session {
            self.take_guest_over(index, session, beside);
        }
        self.identities.set_kept(index, id);
        if let Some(caller) = record.caller {
            self.callers.put(index, caller);
        }
        if !record.header.is_empty() {
            self.callers.keep_header(index, record.header);
        }
        if let Some((peer, name)) = record.logged {
            self.told.put(index, peer, name);
        }
        if self.callers.are_counted_anew {
            self.count_anew(index);
        }
        self.wheel.set(&mut self.slab, index, Wheel::tick_in(self.now, record.due_left_ms));
        self.go_on_with(index, record.is_heard_out);
    }

    /// The places of a connection among the members of its channels, not linked yet.
    fn subs_to_be(&mut self, channels: &[(ChannelId, Position)], conn: &Conn) -> Subs {
        let mut added = |(channel, from): &(ChannelId, Position)| {
            let channel = self.members.find_or_add(*channel);
            Added { sub: Sub { channel, prev: NIL, next: NIL }, from: *from }
        };
        Subs::of(channels.iter().map(&mut added).collect(), conn.last)
    }

    fn take_guest_over(&mut self, index: usize, session: Session, beside: Beside) {
        let clocks = self.clocks();
        self.guests.take_over(index, session, beside.since, clocks);
        self.guests.set_joined(index, beside.joined);
        if !beside.is_counted {
            self.guests.leave_uncounted(index);
        }
    }

    /// What stood in line for the connection does so again; what has come meanwhile the kernel reports by itself.
    fn go_on_with(&mut self, index: usize, is_heard_out: bool) {
        let (token, slot) = (self.token(index), &self.slab[index]);
        let is_owed = slot.owed_len() > 0;
        if slot.conn.has_backlog() && !is_owed {
            self.askers.push(token, Want::Page);
        }
        if slot.conn.has_input() || slot.link.has_ended() || is_heard_out {
            self.askers.push(token, Want::Look);
        }
        self.report(index, Interest { readable: !is_heard_out, writable: is_owed });
    }
}

impl FrozenGuest {
    fn thaw(self) -> Option<(Session, Beside)> {
        let beside = Beside {
            since: WallTime::from_seconds(self.since_s),
            is_counted: self.is_counted,
            joined: self.joined.into_iter().map(String::into_boxed_str).collect(),
        };
        Some((self.session.thaw()?, beside))
    }
}

/// A place in the order.
fn position(bits: u64) -> Result<Position, SeatError> {
    let position = Position::from_bits(bits);
    if position <= Position::END { Ok(position) } else { Err(SeatError::Malformed) }
}
