//! Takers of 2009: one message of their channel's queue, or the news that there was none; then the end.
//!
//! The hub serves all who wait to take in the step that releases a message, so a taker has left there
//! before it is visited here. One that goes without having got anything says since when it waited.

use std::rc::Rc;

use exchange::hub::{Millis, Right, Take};
use transport::dialect::{Code, Problem};
use transport::{Coder, Coding};

use super::Shard;
use super::deliver::{FrameForm, shared_frame, target_of};
use super::output::Piece;
use super::subscribe::crowded;
use crate::kernel::Kernel;
use crate::slot::Subs;

impl<K: Kernel> Shard<K> {
    /// A client named its channel. Nothing is said to it until there is something.
    pub(super) fn take(&mut self, index: usize, name: &str) {
        // The words of 2009 have no place for credentials, and its clients live from what was said before.
        let allowed = self.exchange.registry().may(None, Right::History, name);
        let asks = self.may_ask(index).and_then(|()| self.enter_wait(index, None));
        if let Err(problem) = &asks {
            self.count_problem(index, problem, &[name.into()]);
        }
        if self.draining.is_some() || !allowed || asks.is_err() {
            if !allowed {
                let why = "the channel or its history is closed, and clients of 2009 have no place for a token; use /sub/NAME";
                self.keep_denial(index, &Problem::new(401, Code::Credentials, why), &[name.into()]);
            }
            self.end_taker(index);
            return;
        }
        self.counters.waits.add(1);
        let guest = self.guest(index);
        match self.exchange.registry().take_one(guest, name, self.classic_grace()) {
            Ok(Take::Message(message)) => {
                self.counters.replayed.add(1);
                let target = message.targets().iter().position(|target| *target.name == *name);
                let mut coder = Coder::stored(Coding::Identity);
                let matches = [target.unwrap_or(0)];
                let is_asked = |channel: &str| channel == name;
                let Some(message) = message.visible_to(&self.newcomer(index, &is_asked, None)) else {
                    return self.end_taker(index);
                };
                let frame = self.slab[index].conn.shape.frame(message, &matches, self.cursors, &mut coder);
                if self.write(index, &frame) {
                    self.close_gently(index);
                }
            }
            Ok(Take::Waiting { channel, position }) => {
                self.slab[index].conn.last = position;
                self.join(index, &[channel], position);
                self.set_timer_of_phase(index);
            }
            Err(refused) => {
                self.count_problem(index, &crowded(refused), &[name.into()]);
                self.end_taker(index);
            }
        }
    }

    /// Gives a taker the first message after its place, which ends it. False: there was one.
    pub(super) fn visit_taker(&mut self, index: usize) -> bool {
        let slot = &self.slab[index];
        let Subs::One(sub) = &slot.subs else { return true };
        let (last, channel) = (slot.conn.last, self.members.channel(sub.channel));
        let Some(work) = &channel.work else { return true };
        let first = work.pending.partition_point(|owed| owed.position() <= last);
        let mut owed = work.pending.range(first..);
        let owed = owed.find(|owed| slot.conn.shape.tells(&owed.delivery.message));
        let Some(owed) = owed.map(Rc::clone) else { return true };
        let target = target_of(&owed.delivery, channel.id);
        let message = &owed.delivery.message;
        let visible = message.visible_to(&self.viewer(index).through(message, target));
        // The hub counts it no longer.
        let (_, unneeded) = self.members.unlink(&mut self.slab, index, 0);
        self.settle(unneeded);
        let Some(visible) = visible else {
            self.settle([owed]);
            self.end_taker(index);
            return false;
        };
        self.counters.delivered.add(1);
        let form =
            FrameForm { shape: self.slab[index].conn.shape, coding: Coding::Identity, cursors: self.cursors };
        let frame = shared_frame(&owed.delivery, visible, target, form, &mut self.deflater);
        let result = self.write_all(index, &[Piece::Shared(&frame)]);
        drop(frame);
        self.settle([owed]);
        if self.judge(index, result) {
            self.close_gently(index);
        }
        false
    }

    /// Ends a taker with the bytes that say so.
    pub(super) fn end_taker(&mut self, index: usize) {
        self.leave_all(index);
        let nothing = self.dialect(index).nothing();
        if self.write(index, nothing) {
            self.close_gently(index);
        }
    }

    pub(super) fn classic_grace(&self) -> Millis {
        Millis::try_from(self.settings.classic_grace.as_millis()).unwrap_or(Millis::MAX)
    }
}
