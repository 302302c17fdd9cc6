//! What time brings: heartbeats, the end of polls, the end of patience. Spread at random where many
//! clients would else move in step.

use std::time::Duration;

use exchange::Frame;
use exchange::hub::Position;
use transport::{Coding, Ending, Notice, Phase, Shape};

use super::Shard;
use super::post::Sending;
use crate::askers::Want;
use crate::kernel::Kernel;
use crate::limits::{KEEP_ALIVE_EXTRA_MS, TIMERS_PER_TURN};
use crate::slot::Slot;
use crate::wheel::Wheel;

impl<K: Kernel> Shard<K> {
    pub(super) fn run_timers(&mut self) {
        let mut due = std::mem::take(&mut self.beats.due);
        self.wheel.expire(&mut self.slab, self.now, TIMERS_PER_TURN, &mut due);
        for index in due.drain(..) {
            self.run_timer(index);
        }
        self.dispatch();
        self.beats.due = due;
    }

    fn run_timer(&mut self, index: usize) {
        if self.slab[index].link.handshake().is_some() {
            self.counters.tls_timeouts.add(1);
            return self.close(index);
        }
        let conn = &self.slab[index].conn;
        let ending = conn.shape.ending();
        match conn.phase {
            Phase::Closing => self.close(index),
            Phase::Request => {
                self.counters.request_timeouts.add(1);
                self.tell(index, || "timeout".to_owned());
                let late = self.slab[index].conn.too_late(&self.settings.paths, &self.settings.dialects);
                if late.is_empty() {
                    self.close(index);
                } else if self.write(index, &late) {
                    self.close_gently(index);
                }
            }
            Phase::Asking => self.end_parking(index),
            Phase::Waiting if ending == Ending::OneMessage => {
                // What a job has not brought yet is given now.
                if self.visit_taker(index) {
                    self.counters.classic_timeouts.add(1);
                    self.end_taker(index);
                }
            }
            Phase::Waiting if ending == Ending::WhenDue => {
                // What a job has not brought yet is given now.
                if self.visit(index) && self.slab[index].conn.phase == Phase::Waiting {
                    self.counters.classic_timeouts.add(1);
                    self.tell(index, || "timeout".to_owned());
                    self.close_gently(index);
                }
            }
            Phase::Waiting if self.draining.is_some() => {
                // What was acknowledged before is still given.
                if self.visit(index) {
                    self.end(index, 1001, "the server is going down");
                }
            }
            Phase::Waiting if ending == Ending::OnePoll => {
                // What a job has not brought yet is given now: the cursor of an empty answer is behind it.
                if self.visit(index) && self.slab[index].conn.phase == Phase::Waiting {
                    self.counters.poll_timeouts.add(1);
                    self.answer_empty(index, self.seen);
                }
            }
            Phase::Waiting if self.slab[index].deadline_ms() <= self.now => {
                self.counters.request_timeouts.add(1);
                self.end(index, 1008, "a message did not come in time; send it whole at once");
            }
            Phase::Waiting if self.slab[index].has_aged(self.now) => self.end_aged(index),
            // What a client asks for is done when it is its turn.
            Phase::Waiting if self.beats_early(index) => self.askers.push(self.token(index), Want::Beat),
            Phase::Waiting => self.heartbeat(index, Sending::ByPost),
        }
    }

    /// Sets the time by which what has begun to come must be whole, and takes it away when it is. More bytes do not
    /// put it off, unless they were `taken` and ended what had begun.
    pub(super) fn mind_deadline(&mut self, index: usize, taken: bool) {
        let slot = &mut self.slab[index];
        let is_mid_message = slot.is_mid_message();
        let is_over = !is_mid_message || (taken && !slot.conn.is_mid_message());
        if let Some(extra) = slot.conn.extra.as_mut().filter(|_| is_over) {
            extra.deadline_ms = None;
        }
        if !is_mid_message {
            return slot.conn.tidy();
        }
        if slot.conn.extra_mut().deadline_ms.is_some() || self.draining.is_some() {
            return;
        }
        let deadline_ms = self.now + to_ms(self.settings.request_timeout);
        slot.conn.extra_mut().deadline_ms = Some(deadline_ms);
        let tick = Wheel::tick_after(deadline_ms);
        let due = if slot.conn.phase == Phase::Request { tick } else { tick.min(slot.timer.due) };
        self.wheel.set(&mut self.slab, index, due);
    }

    /// Whether a client asks for more heartbeats than are set.
    fn beats_early(&self, index: usize) -> bool {
        self.heartbeat_of(index) < self.settings.heartbeat
    }

    /// A heartbeat that somebody asked for: one more request of its address. Where that has had its part, the next one comes
    /// when it would by itself.
    pub(super) fn beat_early(&mut self, index: usize) {
        let conn = &self.slab[index].conn;
        if conn.phase != Phase::Waiting || conn.shape.ending() != Ending::Stream || self.draining.is_some() {
            return;
        }
        let token = self.token(index);
        let is_in_budget = self.may_ask(index).is_ok();
        self.heartbeat(index, Sending::Now);
        if !is_in_budget && self.find(token).is_some() && self.slab[index].conn.phase == Phase::Waiting {
            let tick = self.tick_within(index, self.settings.heartbeat);
            let due = self.slab[index].due_by(tick);
            self.wheel.set(&mut self.slab, index, due);
        }
    }

    /// A stream has had its time. It gets all that is due and its cursor, by which its client comes back; who is slow, or
    /// still gets its backlog, has some more time.
    fn end_aged(&mut self, index: usize) {
        let is_due = |slot: &Slot<K::Socket>| slot.owed_len() > 0 || slot.conn.has_backlog();
        if is_due(&self.slab[index]) || !self.visit(index) || is_due(&self.slab[index]) {
            if self.slab.get(index).is_some_and(|slot| slot.conn.phase == Phase::Waiting) {
                self.slab[index].ends = self.heartbeat_tick(index);
                self.set_timer_of_phase(index);
            }
            return;
        }
        let conn = &mut self.slab[index].conn;
        if conn.phase != Phase::Waiting {
            return;
        }
        conn.last = conn.last.max(self.seen);
        let mut last = Vec::with_capacity(BEAT_LEN);
        conn.tell(Notice::Heartbeat(conn.last), self.cursors, &mut last);
        self.counters.aged.add(1);
        if self.write(index, &last) {
            self.end(index, 1001, "this connection has had its time; come back with the cursor");
        }
    }

    /// Repeats the cursor, after all that is owed. Who is slow, or still gets its backlog, is not silent.
    fn heartbeat(&mut self, index: usize, sending: Sending) {
        self.set_timer_of_phase(index);
        let slot = &self.slab[index];
        if slot.owed_len() > 0 || slot.conn.has_backlog() || !self.visit(index) {
            return;
        }
        let conn = &mut self.slab[index].conn;
        conn.last = conn.last.max(self.seen);
        let of = (conn.shape, conn.coding, conn.last);
        let beat = self.beats.last.take().filter(|beat| beat.of == of).unwrap_or_else(|| {
            let mut bytes = Vec::with_capacity(BEAT_LEN);
            conn.tell(Notice::Heartbeat(conn.last), self.cursors, &mut bytes);
            Beat { of, frame: bytes.into() }
        });
        self.counters.heartbeats.add(1);
        if self.await_post(index) && !self.post.takes(index, &self.slab[index], &beat.frame, sending) {
            self.write(index, &beat.frame);
        }
        self.beats.last = Some(beat);
    }

    /// Sets the timer to what the connection waits for now. While the shard drains that is its end, which
    /// nothing puts off.
    pub(super) fn set_timer_of_phase(&mut self, index: usize) {
        if self.draining.is_some() {
            return;
        }
        self.mind_deadline(index, false);
        let conn = &self.slab[index].conn;
        match conn.phase {
            // It has its time.
            Phase::Request if self.slab[index].is_mid_message() => {}
            Phase::Request => {
                self.set_timer_ms(index, to_ms(self.settings.keep_alive) + KEEP_ALIVE_EXTRA_MS);
            }
            Phase::Closing | Phase::Asking => {}
            Phase::Waiting => match conn.shape.ending() {
                Ending::OneMessage | Ending::WhenDue => {
                    let spread = self.spread(self.settings.classic_timeout, POLL_SPREAD);
                    self.set_timer(index, spread);
                }
                Ending::OnePoll => self.set_poll_timer(index, None),
                Ending::Stream => {
                    let due = self.slab[index].due_by(self.heartbeat_tick(index));
                    self.wheel.set(&mut self.slab, index, due);
                }
            },
        }
    }

    /// When a stream that begins now has had its time.
    pub(super) fn end_of_stream(&mut self) -> u32 {
        let age = self.settings.stream_age;
        if age.is_zero() {
            return u32::MAX;
        }
        let age = self.spread(age, STREAM_AGE_SPREAD);
        Wheel::tick_after(self.now.saturating_add(to_ms(age)))
    }

    /// Sets the timer of a poll that waits no longer than that.
    pub(super) fn set_poll_timer(&mut self, index: usize, patience: Option<Duration>) {
        let spread = self.spread(self.settings.poll_timeout, POLL_SPREAD);
        self.set_timer(index, patience.map_or(spread, |patience| patience.min(spread)));
    }

    pub(super) fn set_timer(&mut self, index: usize, after: Duration) {
        self.set_timer_ms(index, to_ms(after));
    }

    pub(super) fn set_timer_ms(&mut self, index: usize, after_ms: u64) {
        self.wheel.set(&mut self.slab, index, Wheel::tick_after(self.now.saturating_add(after_ms)));
    }

    /// The tick of the next heartbeat of somebody who was just written to. They come in groups: a shard is
    /// woken for many of them, and not for each; and in groups of neighbours, whose records, here and in the
    /// kernel, lie side by side.
    pub(super) fn heartbeat_tick(&self, index: usize) -> u32 {
        self.tick_within(index, self.heartbeat_of(index))
    }

    /// How long a connection is silent at most.
    fn heartbeat_of(&self, index: usize) -> Duration {
        let whole = self.settings.heartbeat;
        match self.slab[index].conn.heartbeat_s {
            0 => whole,
            seconds => whole.min(Duration::from_secs(seconds.into())),
        }
    }

    fn tick_within(&self, index: usize, whole: Duration) -> u32 {
        let whole = u64::from(u32::try_from(whole.as_millis()).unwrap_or(u32::MAX));
        // Multiples of the golden ratio, less their whole part: any number of them are spread evenly.
        let part = (index as u64 / HEARTBEAT_NEIGHBOURS).wrapping_mul(0x9e37_79b9) & 0xffff_ffff;
        let tick = Wheel::tick_after(self.now + whole - ((whole / HEARTBEAT_SPREAD * part) >> 32));
        tick - tick % Wheel::tick_after(whole / HEARTBEAT_GROUPS)
    }

    /// A time between `whole` less its `part`th part, and `whole`.
    pub(super) fn spread(&mut self, whole: Duration, part: u32) -> Duration {
        let step = u32::try_from(self.random() >> 48).unwrap_or_default();
        whole - whole / part / (1 << 16) * step
    }
}

/// What a shard knows of its heartbeats.
#[derive(Default)]
pub(super) struct Beats {
    /// Whose timers are due; scratch, kept for its capacity.
    due: Vec<usize>,
    /// The last one, which is mostly the next one's, too.
    last: Option<Beat>,
    /// From this connection on, they may be further away than they are to be.
    pub(super) sooner_from: Option<usize>,
}

/// A heartbeat as it is written: the same for all to whom the same cursor is told in the same form.
struct Beat {
    of: (Shape, Coding, Position),
    frame: Frame,
}

fn to_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Bytes of a heartbeat, about.
const BEAT_LEN: usize = 64;
/// A quarter of the heartbeat's time is spread.
const HEARTBEAT_SPREAD: u64 = 4;
/// So many connections that follow each other in the table have their heartbeats together.
const HEARTBEAT_NEIGHBOURS: u64 = 64;
/// In so many groups heartbeats come at the most, while a heartbeat's time goes by.
const HEARTBEAT_GROUPS: u64 = 64;
/// A stream ends in the second half of its time.
const STREAM_AGE_SPREAD: u32 = 2;
/// A tenth of a poll's time is spread.
const POLL_SPREAD: u32 = 10;
