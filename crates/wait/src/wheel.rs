//! A coarse timer wheel: 16 bytes a connection, no heap.
//!
//! A timer stands in the slot of the tick it was linked for. Moving it later costs one store
//! ([`Timer::due`]): it is looked at when its slot comes up, and linked again if it is not due. Moving
//! it earlier links it anew.

use std::ops::IndexMut;

/// Whatever carries a timer.
pub(crate) trait Timed {
    fn timer(&mut self) -> &mut Timer;
}

/// A connection's one timer: the nearest of what it waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer {
    /// The tick at which something is to be done.
    pub(crate) due: u32,
    /// The tick it is linked for, never later than `due`; [`NIL`]: it is not linked.
    linked: u32,
    prev: u32,
    next: u32,
}

impl Timer {
    pub(crate) const IDLE: Self = Self { due: NIL, linked: NIL, prev: NIL, next: NIL };

    /// Milliseconds until it is due; none where it came up, and what it came up for waits for its turn.
    pub(crate) fn left_ms(self, now: u64) -> u64 {
        if self.linked == NIL { 0 } else { (u64::from(self.due) * TICK_MS).saturating_sub(now) }
    }
}

/// The wheel of one shard.
#[derive(Debug)]
pub(crate) struct Wheel {
    heads: Box<[u32; SLOTS]>,
    /// One bit a slot that is not empty.
    filled: [u64; SLOTS / 64],
    /// All ticks up to here were looked at, except for the rest of a tick cut short.
    now: u32,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self { heads: Box::new([NIL; SLOTS]), filled: [0; SLOTS / 64], now: 0 }
    }

    /// The tick in which this time lies, for a thing that must not happen before it.
    pub(crate) fn tick_after(ms: u64) -> u32 {
        u32::try_from(ms / TICK_MS + 1).unwrap_or(NIL - 1)
    }

    /// The tick at which so many milliseconds are over, which were left until one; what is due already is due.
    pub(crate) fn tick_in(now: u64, left_ms: u64) -> u32 {
        let at = now.saturating_add(left_ms);
        let tick = if left_ms == 0 { at / TICK_MS } else { at.div_ceil(TICK_MS) };
        u32::try_from(tick).unwrap_or(NIL - 1).min(NIL - 1)
    }

    /// Sets the timer of the connection at `index`.
    pub(crate) fn set(&mut self, table: &mut impl IndexMut<usize, Output: Timed>, index: usize, due: u32) {
        let timer = table[index].timer();
        timer.due = due;
        if timer.linked == NIL || due < timer.linked {
            self.unlink(table, index);
            self.link(table, index, due.max(self.now + 1));
        }
    }

    /// Takes the timer of the connection at `index` away.
    pub(crate) fn unlink(&mut self, table: &mut impl IndexMut<usize, Output: Timed>, index: usize) {
        let timer = *table[index].timer();
        if timer.linked == NIL {
            return;
        }
        let slot = timer.linked as usize % SLOTS;
        if timer.prev == NIL {
            self.heads[slot] = timer.next;
            if timer.next == NIL {
                self.filled[slot / 64] &= !(1 << (slot % 64));
            }
        } else {
            table[timer.prev as usize].timer().next = timer.next;
        }
        if timer.next != NIL {
            table[timer.next as usize].timer().prev = timer.prev;
        }
        *table[index].timer() = Timer { due: timer.due, ..Timer::IDLE };
    }

    /// Takes up to `max` timers that are due at `ms` out of the wheel, into `out`. True: there may be more.
    pub(crate) fn expire(
        &mut self,
        table: &mut impl IndexMut<usize, Output: Timed>,
        ms: u64,
        max: usize,
        out: &mut Vec<usize>,
    ) -> bool {
        let now = u32::try_from(ms / TICK_MS).unwrap_or(NIL - 1);
        while self.now < now {
            let tick = self.now + 1;
            let mut index = self.heads[tick as usize % SLOTS];
            while index != NIL {
                let Timer { due, linked, next, .. } = *table[index as usize].timer();
                if linked <= tick {
                    if out.len() >= max {
                        return true;
                    }
                    self.unlink(table, index as usize);
                    if due > now {
                        self.link(table, index as usize, due);
                    } else {
                        out.push(index as usize);
                    }
                }
                index = next;
            }
            self.now = tick;
        }
        false
    }

    /// Milliseconds from `ms` until the next slot with something in it comes up; `None`: all are empty.
    pub(crate) fn next_ms(&self, ms: u64) -> Option<u64> {
        let words = self.filled.len();
        let first = (self.now as usize + 1) % SLOTS;
        let (word, bit) = (first / 64, first % 64);
        let slot = (0..=words).find_map(|step| {
            // The first word is looked at from its bit on, and up to that bit once more at the end.
            let mask = match step {
                0 => u64::MAX << bit,
                _ if step == words => !(u64::MAX << bit),
                _ => u64::MAX,
            };
            let bits = self.filled[(word + step) % words] & mask;
            (bits != 0).then(|| (word + step) % words * 64 + bits.trailing_zeros() as usize)
        })?;
        let distance = (slot + SLOTS - first) % SLOTS;
        let due = (u64::from(self.now) + 1 + distance as u64) * TICK_MS;
        Some(due.saturating_sub(ms).max(1))
    }

    fn link(&mut self, table: &mut impl IndexMut<usize, Output: Timed>, index: usize, tick: u32) {
        let slot = tick as usize % SLOTS;
        let head = self.heads[slot];
        let place = u32::try_from(index).expect("indices are below 2^22");
        let timer = table[index].timer();
        *timer = Timer { due: timer.due, linked: tick, prev: NIL, next: head };
        if head != NIL {
            table[head as usize].timer().prev = place;
        }
        self.heads[slot] = place;
        self.filled[slot / 64] |= 1 << (slot % 64);
    }
}

/// Milliseconds a tick.
pub(crate) const TICK_MS: u64 = 50;
/// Slots of the wheel; a timer further away than all of them waits more than one round.
const SLOTS: usize = 1_024;
/// No connection, no tick.
const NIL: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    impl Timed for Timer {
        fn timer(&mut self) -> &mut Timer {
            self
        }
    }

    /// Against a list: every timer comes up in its tick, not before and not twice, and the wheel knows
    /// when to wake.
    #[test]
    fn timers_come_when_they_are_due() {
        let (mut wheel, mut slab) = (Wheel::new(), Slab::new());
        let mut waiting: Vec<(usize, u32)> = Vec::new();
        let mut random = 7u64;
        let mut ms = 0;
        for _ in 0..30_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pick = (random >> 33) as usize;
            match pick % 8 {
                0 | 1 => {
                    let index = slab.insert(Timer::IDLE);
                    let due = Wheel::tick_after(ms + (random >> 45) % 200_000);
                    wheel.set(&mut slab, index, due);
                    waiting.push((index, due));
                }
                2 if !waiting.is_empty() => {
                    let (index, _) = waiting.swap_remove(pick / 8 % waiting.len());
                    wheel.unlink(&mut slab, index);
                    slab.remove(index);
                }
                3 if !waiting.is_empty() => {
                    let at = pick / 8 % waiting.len();
                    waiting[at].1 = Wheel::tick_after(ms + (random >> 45) % 100_000);
                    wheel.set(&mut slab, waiting[at].0, waiting[at].1);
                }
                _ => {
                    ms += wheel.next_ms(ms).map_or(1_000, |next| next.min(pick as u64 % 3_000 + 1));
                    let mut due = Vec::new();
                    while wheel.expire(&mut slab, ms, 3, &mut due) {
                        settle(&mut due, &mut waiting, &mut slab, ms);
                    }
                    settle(&mut due, &mut waiting, &mut slab, ms);
                    assert!(waiting.iter().all(|(_, tick)| u64::from(*tick) * TICK_MS > ms - ms % TICK_MS));
                }
            }
        }
    }

    fn settle(due: &mut Vec<usize>, waiting: &mut Vec<(usize, u32)>, slab: &mut Slab<Timer>, ms: u64) {
        for index in due.drain(..) {
            let at = waiting.iter().position(|(known, _)| *known == index).expect("it waited, and came once");
            let (_, tick) = waiting.swap_remove(at);
            assert!(u64::from(tick) * TICK_MS <= ms, "not before its time");
            slab.remove(index);
        }
    }

    #[test]
    fn what_is_left_of_a_timer_is_as_much_by_another_clock() {
        let (mut wheel, mut slab) = (Wheel::new(), Slab::new());
        let index = slab.insert(Timer::IDLE);
        assert_eq!(slab[index].left_ms(0), 0, "it waits for nothing");
        wheel.set(&mut slab, index, 20);
        assert_eq!([0, 990, 1_000, 5_000].map(|now| slab[index].left_ms(now)), [1_000, 10, 0, 0]);
        assert_eq!(
            (Wheel::tick_in(990, 10), Wheel::tick_in(7_001, 10), Wheel::tick_in(7_001, 0)),
            (20, 141, 140)
        );
        assert!(Wheel::tick_in(1, u64::MAX) < NIL);
    }

    #[test]
    fn the_wheel_knows_when_to_wake() {
        let (mut wheel, mut slab) = (Wheel::new(), Slab::new());
        assert_eq!(wheel.next_ms(0), None);
        let index = slab.insert(Timer::IDLE);
        for ms in [60, 3_250, 40_000] {
            wheel.set(&mut slab, index, Wheel::tick_after(ms));
            let wake = wheel.next_ms(0).unwrap();
            assert_eq!(wake, u64::from(Wheel::tick_after(ms)) * TICK_MS);
            wheel.unlink(&mut slab, index);
        }
    }
}
