//! The record of a connection: what an idle one costs.

use exchange::hub::Position;
use transport::dialect::DialectSet;
use transport::{Conn, Ending, Phase};

use crate::kernel::Interest;
use crate::link::Link;
use crate::members::NIL;
use crate::wheel::{TICK_MS, Timed, Timer, Wheel};

/// A connection.
#[derive(Debug)]
pub(crate) struct Slot<S> {
    pub(crate) socket: S,
    /// Tells this connection from an earlier one in the same place.
    pub(crate) generation: u32,
    pub(crate) link: Link,
    /// What the kernel reports of it.
    pub(crate) interest: Interest,
    pub(crate) timer: Timer,
    /// The tick at which a stream has had its time; the last of all ticks: it has no end.
    pub(crate) ends: u32,
    pub(crate) subs: Subs,
    pub(crate) conn: Conn,
}

impl<S> Slot<S> {
    pub(crate) fn new(socket: S, generation: u32, link: Link, dialects: DialectSet) -> Self {
        Self {
            socket,
            generation,
            link,
            interest: Interest::READ,
            timer: Timer::IDLE,
            ends: u32::MAX,
            subs: Subs::None,
            conn: Conn::of(dialects),
        }
    }
}

impl<S> Slot<S> {
    /// Whether a frame for it can go with those for others: it goes out as it is, and nothing before it.
    pub(crate) fn takes_post(&self) -> bool {
        matches!(self.link, Link::Plain) && self.owed_len() == 0
    }

    /// Whether it is known that the client says no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.link.has_ended() || !self.interest.readable
    }

    /// Whether a part of a request, a message or a record has come, and the rest of it is awaited.
    pub(crate) fn is_mid_message(&self) -> bool {
        let may_speak = match self.conn.phase {
            Phase::Request => true,
            Phase::Waiting => self.conn.shape.ending() != Ending::OnePoll,
            // What comes ahead waits no longer than they do.
            Phase::Asking | Phase::Closing => false,
        };
        self.conn.is_mid_message() || (may_speak && self.link.has_part())
    }

    /// When what has begun to come must be whole, in milliseconds; the end of time where nothing has.
    pub(crate) fn deadline_ms(&self) -> u64 {
        self.conn.extra.as_ref().and_then(|extra| extra.deadline_ms).unwrap_or(u64::MAX)
    }

    /// The tick of this heartbeat, or of the deadline or of the end where that is earlier.
    pub(crate) fn due_by(&self, heartbeat: u32) -> u32 {
        heartbeat.min(self.ends).min(Wheel::tick_after(self.deadline_ms()))
    }

    /// Whether it is a stream that has had its time.
    pub(crate) fn has_aged(&self, now_ms: u64) -> bool {
        u64::from(self.ends) * TICK_MS <= now_ms
    }

    /// Bytes that the client is too slow to take.
    pub(crate) fn owed_len(&self) -> usize {
        self.conn.owed_len() + self.link.pending_len()
    }
}

impl<S> Timed for Slot<S> {
    fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }
}

/// The channels a connection is a member of. Most have one.
#[derive(Debug)]
pub(crate) enum Subs {
    None,
    One(Sub),
    #[allow(clippy::box_collection, reason = "a word, where a vector is three")]
    Many(Box<Vec<Added>>),
}

/// A place among the members of a channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sub {
    /// The channel's key in this shard.
    pub(crate) channel: u32,
    /// Neighbours among the channel's members.
    pub(crate) prev: u32,
    pub(crate) next: u32,
}

/// A subscription of a connection that has several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Added {
    pub(crate) sub: Sub,
    /// Up to here the connection is owed nothing of this channel.
    pub(crate) from: Position,
}

impl Subs {
    /// Those of a connection that has all up to `last`; none is linked yet.
    pub(crate) fn of(list: Vec<Added>, last: Position) -> Self {
        match list[..] {
            [] => Self::None,
            [Added { sub, from }] if from <= last => Self::One(sub),
            _ => Self::Many(Box::new(list)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Many(list) => list.len(),
        }
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Sub> {
        match self {
            Self::One(sub) if number == 0 => Some(sub),
            Self::Many(list) => list.get(number).map(|added| &added.sub),
            _ => None,
        }
    }

    /// From which place on the connection is owed messages of this subscription.
    pub(crate) fn from(&self, number: usize) -> Position {
        match self {
            Self::Many(list) => list.get(number).map_or(Position::START, |added| added.from),
            _ => Position::START,
        }
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut Sub> {
        match self {
            Self::One(sub) if number == 0 => Some(sub),
            Self::Many(list) => list.get_mut(number).map(|added| &mut added.sub),
            _ => None,
        }
    }

    /// The number of the subscription to this channel.
    pub(crate) fn find(&self, channel: u32) -> Option<usize> {
        (0..self.len()).find(|number| self.get(*number).is_some_and(|sub| sub.channel == channel))
    }

    /// Adds a subscription not linked yet; its number is the last. `is_apart`: the connection is owed something from before `from`,
    /// until [`Self::settle`].
    pub(crate) fn push(&mut self, channel: u32, from: Position, is_apart: bool) {
        let added = Added { sub: Sub { channel, prev: NIL, next: NIL }, from };
        *self = match std::mem::replace(self, Self::None) {
            Self::None if is_apart => Self::Many(Box::new(vec![added])),
            Self::None => Self::One(added.sub),
            // Where the first one began no longer matters: the connection has seen all up to there.
            Self::One(first) => {
                Self::Many(Box::new(vec![Added { sub: first, from: Position::START }, added]))
            }
            Self::Many(mut list) => {
                list.push(added);
                Self::Many(list)
            }
        };
    }

    /// The connection has all up to this place: of a single subscription it no longer matters where it began.
    pub(crate) fn settle(&mut self, last: Position) {
        if let Self::Many(list) = self
            && let [Added { sub, from }] = list[..]
            && from <= last
        {
            *self = Self::One(sub);
        }
    }

    /// Removes a subscription, which is unlinked; the last one takes its number.
    pub(crate) fn swap_remove(&mut self, number: usize) {
        match self {
            Self::None => {}
            Self::One(_) => *self = Self::None,
            Self::Many(list) => {
                list.swap_remove(number);
                if list.is_empty() {
                    *self = Self::None;
                }
            }
        }
    }
}

/// The promise of the design: 128 bytes for a connection with one subscription.
const _: () = assert!(size_of::<Option<Slot<std::os::fd::OwnedFd>>>() <= 80);
