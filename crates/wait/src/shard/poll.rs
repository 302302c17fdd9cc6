//! Long polls: one answer ends the wait, and the next request may come on the same connection.

use std::sync::Arc;

use exchange::ConnectionText;
use exchange::Frame;
use exchange::hub::{Position, Stage};
use transport::{Coder, Conn, Part, PollEnd, Shape, close_document, tell_stay, tell_warning};

use super::Shard;
use super::deliver::DueTargets;
use super::output::Piece;
use super::post::Sending;
use crate::askers::Want;
use crate::kernel::Kernel;

impl<K: Kernel> Shard<K> {
    /// Answers a poll that is owed something up to this place, or whose channel was deleted there. False: the
    /// connection is gone.
    pub(super) fn give_poll(
        &mut self,
        index: usize,
        until: Position,
        deleted: Option<&str>,
        sending: Sending,
    ) -> bool {
        let due = self.due(index, until);
        if due.is_empty() && deleted.is_none() {
            return true;
        }
        self.note_last(index);
        let connection = self.poll_id(index);
        let connection = connection.as_ref().map(ConnectionText::as_str);
        self.leave_first(index);
        let slot = &self.slab[index];
        let given = if slot.conn.shape == Shape::PollRaw { due.len().min(1) } else { due.len() };
        self.counters.delivered.add(given as u64);
        let settings = Arc::clone(&self.settings);
        let cors = slot.conn.cors(&settings.origins);
        let is_usual = cors.listed.is_none();
        let result = match &due[..] {
            // The usual answer is the same for all who get it.
            [due @ DueTargets { owed, matches, .. }]
                if matches.len() == 1 && deleted.is_none() && is_usual =>
            {
                let (shape, coding, message) = (slot.conn.shape, slot.conn.coding, due.message());
                let frame = owed.delivery.frame(message, matches[0], shape.slot(coding), || {
                    let mut coder = Coder::new(coding, &mut self.deflater);
                    let mut frame = shape.frame(message, matches, self.cursors, &mut coder);
                    tell_stay(&mut frame, Some(settings.keep_alive.as_secs()));
                    frame
                });
                let frame = ended(&frame, &slot.conn, connection);
                // The end of a connection comes behind its last answer.
                if !slot.conn.closes() && self.post.takes(index, slot, &frame, sending) {
                    Ok(())
                } else {
                    self.write_all(index, &[Piece::Shared(&frame)])
                }
            }
            _ => {
                let cursor = slot.conn.last.max(self.seen.min(until));
                let parts = due.iter().map(|due| Part {
                    message: due.message(),
                    matches: &due.matches,
                    beside: false,
                });
                let mut out = Vec::new();
                let end = PollEnd { connection, deleted, ..PollEnd::at(cursor) };
                slot.conn.poll_answer(parts, end, self.cursors, cors, &mut self.pages, &mut out);
                tell_stay(&mut out, (!slot.conn.closes()).then_some(settings.keep_alive.as_secs()));
                self.write_all(index, &[Piece::Own(&out)])
            }
        };
        self.settle(due.into_iter().map(|due| due.owed));
        self.judge(index, result) && self.end_poll(index)
    }

    /// Answers a poll with nothing but its cursor: its time is over, or the server's is. Up to `given` it
    /// is owed nothing.
    pub(super) fn answer_empty(&mut self, index: usize, given: Position) -> bool {
        self.answer_last(index, given, None)
    }

    /// Answers a poll that the application ends.
    pub(super) fn answer_ended(&mut self, index: usize, given: Position, reason: &str) -> bool {
        self.answer_last(index, given, Some(reason))
    }

    fn answer_last(&mut self, index: usize, given: Position, ended: Option<&str>) -> bool {
        let cursor = self.slab[index].conn.last.max(given);
        let connection = self.poll_id(index);
        let connection = connection.as_ref().map(ConnectionText::as_str);
        let end = PollEnd { connection, ended, ..PollEnd::at(cursor) };
        self.answer_once(index, [].into_iter(), end, None)
    }

    /// Answers a request with these messages.
    pub(super) fn answer_once<'a>(
        &mut self,
        index: usize,
        parts: impl Iterator<Item = Part<'a>>,
        end: PollEnd<'_>,
        warning: Option<&str>,
    ) -> bool {
        let mut out = Vec::new();
        self.note_last(index);
        self.leave_first(index);
        let conn = &self.slab[index].conn;
        let cors = conn.cors(&self.settings.origins);
        conn.poll_answer(parts, end, self.cursors, cors, &mut self.pages, &mut out);
        if let Some(warning) = warning {
            tell_warning(&mut out, warning);
        }
        tell_stay(&mut out, (!conn.closes()).then_some(self.settings.keep_alive.as_secs()));
        self.write(index, &out) && self.end_poll(index)
    }

    /// A poll's answer is the last of its connection where the program is about to end.
    fn note_last(&mut self, index: usize) {
        if self.exchange.stage() == Stage::Ending {
            self.slab[index].conn.end_after_answer();
        }
    }

    /// Whose client has ended is no longer said to wait when it has its answer; others leave with this turn's end.
    fn leave_first(&mut self, index: usize) {
        if !self.slab[index].interest.readable {
            self.leave_all(index);
            self.tell_leaving();
        }
    }

    /// The poll is answered. False: the connection ends with it.
    fn end_poll(&mut self, index: usize) -> bool {
        self.leave_all(index);
        let token = self.token(index);
        let conn = &mut self.slab[index].conn;
        if conn.closes() {
            self.close_gently(index);
            return false;
        }
        conn.answered();
        if conn.has_input() {
            self.askers.push(token, Want::Look);
        }
        self.set_timer_of_phase(index);
        true
    }
}

/// The answer that all of a shape get, as this one of them gets it: with the id of its connection, and what else is said to it alone.
fn ended(frame: &Frame, conn: &Conn, connection: Option<&str>) -> Frame {
    let warning = conn.warning();
    if !conn.shape.leaves_open() && !conn.closes() && warning.is_none() {
        return Arc::clone(frame);
    }
    let mut own = Vec::with_capacity(frame.len() + END_LEN);
    own.extend_from_slice(frame);
    if conn.shape.leaves_open() {
        close_document(connection, &mut own);
    }
    if conn.closes() {
        tell_stay(&mut own, None);
    }
    if let Some(warning) = warning {
        tell_warning(&mut own, &warning);
    }
    own.into()
}

/// About what the end of an answer takes.
const END_LEN: usize = 64;
