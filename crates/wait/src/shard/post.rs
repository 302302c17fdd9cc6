//! Sends to many: what members are to be sent is collected while they are visited, and goes to the kernel in one call.
//!
//! Who has something in the post is neither visited nor written to before that has gone: its bytes stay in order.

use std::sync::Arc;

use exchange::Frame;
use smallvec::SmallVec;
use transport::Phase;

use super::Shard;
use super::output::{Fault, Piece, owe};
use crate::kernel::{Errno, Kernel};
use crate::limits::SENDS_PER_CALL;
use crate::slot::Slot;

/// When a frame goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// At once.
    Now,
    /// With those to others.
    ByPost,
}

/// What has been collected.
#[derive(Default)]
pub(super) struct Post {
    /// To which connection goes which of the frames.
    parcels: Vec<(usize, usize)>,
    /// Most go to many of them.
    frames: Vec<Frame>,
    /// Scratch, kept for its capacity.
    results: Vec<Result<usize, Errno>>,
}

impl Post {
    fn has(&self, index: usize) -> bool {
        self.parcels.iter().any(|(other, _)| *other == index)
    }

    fn is_full(&self) -> bool {
        self.parcels.len() == SENDS_PER_CALL
    }

    /// Takes a frame for a connection that has nothing in it, while there is room. False: it is to be written at once.
    pub(super) fn takes<S>(&mut self, index: usize, slot: &Slot<S>, frame: &Frame, sending: Sending) -> bool {
        if sending == Sending::Now || !slot.takes_post() {
            return false;
        }
        debug_assert!(!self.is_full() && !self.has(index), "it is dispatched before");
        if !self.frames.last().is_some_and(|last| Arc::ptr_eq(last, frame)) {
            self.frames.push(Arc::clone(frame));
        }
        self.parcels.push((index, self.frames.len() - 1));
        true
    }
}

impl<K: Kernel> Shard<K> {
    /// Sees to it that there is room in the post, and nothing in it for the connection that is visited next. False: that
    /// one waits no longer.
    pub(super) fn await_post(&mut self, index: usize) -> bool {
        if !self.post.is_full() && !self.post.has(index) {
            return true;
        }
        self.dispatch();
        self.slab.get(index).is_some_and(|slot| slot.conn.phase == Phase::Waiting)
    }

    /// Sends all that was collected. Whoever cannot be sent anything is gone afterwards.
    pub(super) fn dispatch(&mut self) {
        if self.post.parcels.is_empty() {
            return;
        }
        let mut post = std::mem::take(&mut self.post);
        let sends: SmallVec<[(&K::Socket, &[u8]); SENDS_PER_CALL]> = post
            .parcels
            .iter()
            .map(|(index, frame)| (&self.slab[*index].socket, &post.frames[*frame][..]))
            .collect();
        let together = self.kernel.send_each(&sends, &mut post.results);
        drop(sends);
        self.counters.batches.add(u64::from(together));
        for ((index, frame), result) in post.parcels.drain(..).zip(post.results.drain(..)) {
            let result = self.posted(index, &post.frames[frame], result);
            self.judge(index, result);
        }
        post.frames.clear();
        self.post = post;
    }

    /// Counts what the kernel took of a frame, and owes the rest.
    fn posted(&mut self, index: usize, frame: &Frame, result: Result<usize, Errno>) -> Result<(), Fault> {
        let taken = match result {
            Ok(taken) => {
                self.counters.writes.add(1);
                self.counters.bytes_written.add(taken as u64);
                taken
            }
            Err(Errno::INTR | Errno::AGAIN) => 0,
            Err(_) => return Err(Fault::Gone),
        };
        if taken == frame.len() {
            return Ok(());
        }
        let token = self.token(index);
        let slow_reader = self.settings.slow_reader;
        let pieces = [Piece::Shared(frame)];
        owe(&mut self.kernel, &mut self.slab[index], token, &pieces, taken, slow_reader)
    }
}
