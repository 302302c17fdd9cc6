//! Bytes to clients: at once where the kernel takes them, later where a reader is slow; and ends.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use exchange::Frame;
use smallvec::SmallVec;
use transport::{Ending, Outbox, Phase};

use super::Shard;
use crate::askers::Want;
use crate::counters::Counters;
use crate::kernel::{Errno, Interest, Kernel};
use crate::limits::{FRAMES_PER_WRITE, LINGER_MS};
use crate::slot::Slot;

/// Bytes to be written.
#[derive(Clone, Copy)]
pub(super) enum Piece<'a> {
    /// A frame that others get too.
    Shared(&'a Frame),
    /// Bytes for this client alone.
    Own(&'a [u8]),
}

/// Why nothing more can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The reader owes more than it may.
    Slow,
    /// The client is gone.
    Gone,
}

impl Piece<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(frame) => frame,
            Self::Own(bytes) => bytes,
        }
    }

    fn to_frame(self) -> Frame {
        match self {
            Self::Shared(frame) => Arc::clone(frame),
            Self::Own(bytes) => bytes.into(),
        }
    }
}

/// Writes what the kernel takes, and owes the rest.
pub(super) fn write_pieces<K: Kernel>(
    kernel: &mut K,
    slot: &mut Slot<K::Socket>,
    token: u64,
    pieces: &[Piece<'_>],
    slow_reader: usize,
    counters: &Counters,
    sealed: &mut Vec<u8>,
) -> Result<(), Fault> {
    let (mut at, mut sent) = (0, 0);
    if slot.owed_len() == 0 {
        while at < pieces.len() {
            let mut slices: SmallVec<[IoSlice<'_>; 8]> =
                pieces[at..].iter().take(FRAMES_PER_WRITE).map(|piece| IoSlice::new(piece.bytes())).collect();
            slices[0].advance(sent);
            let len: usize = slices.iter().map(|slice| slice.len()).sum();
            match slot.link.writev(kernel, &slot.socket, &slices, sealed) {
                Ok(taken) => {
                    counters.writes.add(1);
                    counters.bytes_written.add(taken as u64);
                    (at, sent) = behind(pieces, at, sent, taken);
                    if taken < len {
                        break;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return Err(Fault::Gone),
            }
        }
    }
    owe(kernel, slot, token, &pieces[at..], sent, slow_reader)
}

/// Owes what the kernel does not take now; of the first piece it took `sent` bytes.
pub(super) fn owe<K: Kernel>(
    kernel: &mut K,
    slot: &mut Slot<K::Socket>,
    token: u64,
    pieces: &[Piece<'_>],
    mut sent: usize,
    slow_reader: usize,
) -> Result<(), Fault> {
    for piece in pieces {
        if slot.owed_len() > slow_reader {
            return Err(Fault::Slow);
        }
        if !piece.bytes().is_empty() {
            slot.conn.extra_mut().outbox.push(piece.to_frame(), std::mem::take(&mut sent));
        }
    }
    watch_if_owed(kernel, slot, token)
}

/// Has the kernel report when the client takes more, where it is owed something.
fn watch_if_owed<K: Kernel>(kernel: &mut K, slot: &mut Slot<K::Socket>, token: u64) -> Result<(), Fault> {
    if slot.owed_len() == 0 {
        return Ok(());
    }
    let interest = Interest { writable: true, ..slot.interest };
    watch_for(kernel, slot, token, interest).map_err(|_| Fault::Gone)
}

/// Has the kernel report this of a connection from now on.
fn watch_for<K: Kernel>(
    kernel: &mut K,
    slot: &mut Slot<K::Socket>,
    token: u64,
    interest: Interest,
) -> Result<(), Errno> {
    if slot.interest != interest {
        kernel.watch_for(&slot.socket, token, interest)?;
        slot.interest = interest;
    }
    Ok(())
}

/// The first piece not wholly sent, and how much of it is.
fn behind(pieces: &[Piece<'_>], mut at: usize, mut sent: usize, mut taken: usize) -> (usize, usize) {
    while at < pieces.len() {
        let left = pieces[at].bytes().len() - sent;
        if taken < left {
            return (at, sent + taken);
        }
        taken -= left;
        (at, sent) = (at + 1, 0);
    }
    (at, 0)
}

impl<K: Kernel> Shard<K> {
    /// Writes bytes for one client. False: the connection is gone, or on its way.
    pub(super) fn write(&mut self, index: usize, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let result = self.write_all(index, &[Piece::Own(bytes)]);
        self.judge(index, result)
    }

    pub(super) fn write_all(&mut self, index: usize, pieces: &[Piece<'_>]) -> Result<(), Fault> {
        let token = self.token(index);
        let slot = &mut self.slab[index];
        let slow_reader = self.settings.slow_reader;
        write_pieces(&mut self.kernel, slot, token, pieces, slow_reader, &self.counters, &mut self.sealed)
    }

    /// Has the kernel report this of a connection from now on. False: the connection is gone.
    pub(super) fn report(&mut self, index: usize, interest: Interest) -> bool {
        let token = self.token(index);
        let is_done = watch_for(&mut self.kernel, &mut self.slab[index], token, interest).is_ok();
        if !is_done {
            self.close(index);
        }
        is_done
    }

    /// Sees to what TLS had to say by itself. False: the connection is gone.
    pub(super) fn watch_pending(&mut self, index: usize) -> bool {
        let token = self.token(index);
        let result = watch_if_owed(&mut self.kernel, &mut self.slab[index], token);
        self.judge(index, result)
    }

    /// Ends the connection where writing to it failed. False: it did.
    pub(super) fn judge(&mut self, index: usize, result: Result<(), Fault>) -> bool {
        match result {
            Ok(()) => {
                let owed = self.slab[index].owed_len();
                if owed > 0 {
                    self.exchange.shard(self.id).timing().owed.record(owed as u64);
                }
                true
            }
            Err(Fault::Gone) => {
                self.counters.resets.add(1);
                self.close(index);
                false
            }
            Err(Fault::Slow) => {
                self.counters.slow_readers.add(1);
                self.end_slow(index);
                false
            }
        }
    }

    /// The kernel takes bytes again: writes what is owed.
    pub(super) fn flush(&mut self, index: usize) {
        let result = self.flush_outbox(index);
        if !self.judge(index, result) {
            return;
        }
        let slot = &self.slab[index];
        if slot.conn.shape.ending() != Ending::Stream && slot.conn.phase == Phase::Closing {
            self.set_timer(
                index,
                if slot.owed_len() > 0 {
                    self.settings.request_timeout
                } else {
                    Duration::from_millis(LINGER_MS)
                },
            );
        }
        if self.slab[index].owed_len() > 0 {
            return;
        }
        if self.slab[index].conn.phase == Phase::Closing && !self.finish(index) {
            return;
        }
        if !self.report(index, Interest::READ) {
            return;
        }
        let token = self.token(index);
        let slot = &mut self.slab[index];
        if slot.conn.has_backlog() {
            self.askers.push(token, Want::Page);
        }
        slot.conn.tidy();
    }

    fn flush_outbox(&mut self, index: usize) -> Result<(), Fault> {
        let slot = &mut self.slab[index];
        match slot.link.flush(&mut self.kernel, &slot.socket) {
            Ok(()) if slot.link.pending_len() > 0 => return Ok(()),
            Ok(()) => {}
            Err(_) => return Err(Fault::Gone),
        }
        let Some(extra) = &mut slot.conn.extra else { return Ok(()) };
        while !extra.outbox.is_empty() {
            let slices = extra.outbox.slices(FRAMES_PER_WRITE);
            let len: usize = slices.iter().map(|slice| slice.len()).sum();
            match slot.link.writev(&mut self.kernel, &slot.socket, &slices, &mut self.sealed) {
                Ok(taken) => {
                    self.counters.writes.add(1);
                    self.counters.bytes_written.add(taken as u64);
                    drop(slices);
                    extra.outbox.advance(taken);
                    if taken < len {
                        return Ok(());
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(_) => return Err(Fault::Gone),
            }
        }
        Ok(())
    }

    /// Closes when all is written and the client has closed, or after a while. Everything must have
    /// been said; the members know the connection no longer.
    pub(super) fn close_gently(&mut self, index: usize) {
        self.leave_all(index);
        let slot = &mut self.slab[index];
        slot.conn.phase = Phase::Closing;
        if slot.owed_len() == 0 {
            self.finish(index);
        } else if slot.conn.shape.ending() != Ending::Stream {
            // Half an answer is none: whoever takes some of it now and then gets the rest.
            self.set_timer(index, self.settings.request_timeout);
            return;
        }
        self.set_timer_ms(index, LINGER_MS);
    }

    /// Says that all is said. False: the client is too slow even for that.
    fn finish(&mut self, index: usize) -> bool {
        let token = self.token(index);
        let slot = &mut self.slab[index];
        if slot.link.close(&mut self.kernel, &slot.socket, &mut self.sealed) {
            return true;
        }
        // It may be gone meanwhile; then the timer finds it.
        let _ = watch_if_owed(&mut self.kernel, slot, token);
        false
    }

    /// Closes at once.
    pub(super) fn close(&mut self, index: usize) {
        self.log_gone(index);
        self.tell_closed(index);
        self.end_return(index, false);
        self.end_handshake(index);
        self.leave_all(index);
        self.wheel.unlink(&mut self.slab, index);
        let slot = &mut self.slab[index];
        slot.link.say_last_word(&mut self.kernel, &slot.socket, &mut self.sealed);
        self.part(index);
        self.slab.remove(index);
        self.counters.closed.add(1);
    }

    /// A reader that is too slow gets the rest of the frame it is in the middle of, a WebSocket also a
    /// last word; and resumes by its cursor.
    fn end_slow(&mut self, index: usize) {
        self.leave_all(index);
        let conn = &mut self.slab[index].conn;
        if !conn.shape.is_ws() {
            self.close(index);
            return;
        }
        let mut last_word = Vec::new();
        conn.farewell(1013, "this reader is too slow", self.cursors, &mut last_word);
        let outbox: &mut Outbox = &mut conn.extra_mut().outbox;
        outbox.cut();
        // Whoever was given its last word already, and is too slow even for that, gets no second one.
        if !last_word.is_empty() {
            outbox.push(last_word.into(), 0);
        }
        self.set_timer_ms(index, LINGER_MS);
        self.report(index, Interest { readable: true, writable: true });
    }

    /// Ends all memberships of a connection, and a backlog that would bring it more.
    pub(super) fn leave_all(&mut self, index: usize) {
        self.end_state(index);
        self.leave_id(index);
        let session = self.guests.remove(index);
        self.unfollow_user(index, session.as_ref());
        self.leave_wait(index, session.as_ref());
        self.listening.remove(index);
        if let Some(extra) = &mut self.slab[index].conn.extra {
            extra.backlog = None;
        }
        let slot = &self.slab[index];
        let (ending, since) = (slot.conn.shape.ending(), slot.conn.last);
        for number in (0..slot.subs.len()).rev() {
            let (channel, owed) = self.members.unlink(&mut self.slab, index, number);
            self.settle(owed);
            match ending {
                Ending::OneMessage => self.leave_take(channel, since),
                Ending::WhenDue => self.leave_listening(channel),
                Ending::Stream | Ending::OnePoll => self.leave_as(channel, session.as_ref()),
            }
        }
    }
}
