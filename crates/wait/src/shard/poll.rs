//! Long polls: one answer ends the wait, and the next request may come on the same connection.

use std::sync::Arc;

use exchange::hub::Position;
use transport::{Part, PollEnd, Shape};

use super::Shard;
use super::deliver::{Due, Form, shared_frame};
use super::output::Piece;
use super::post::Sending;
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
        let slot = &self.slab[index];
        let given = if slot.conn.shape == Shape::PollRaw { due.len().min(1) } else { due.len() };
        self.counters.delivered.add(given as u64);
        let settings = Arc::clone(&self.settings);
        let cors = settings.origins.cors(slot.conn.page);
        let result = match &due[..] {
            // The usual answer is the same for all who get it.
            [Due { owed, matches }] if matches.len() == 1 && deleted.is_none() && cors.listed.is_none() => {
                let (shape, coding) = (slot.conn.shape, slot.conn.coding);
                let form = Form { shape, coding, cursors: self.cursors };
                let frame = shared_frame(&owed.delivery, matches[0], form, &mut self.deflater);
                // Whoever asks no more is said so behind the answer.
                let sending = if slot.conn.closes() { Sending::Now } else { sending };
                if self.post.takes(index, slot, &frame, sending) {
                    Ok(())
                } else {
                    self.write_all(index, &[Piece::Shared(&frame)])
                }
            }
            _ => {
                let cursor = slot.conn.last.max(self.seen.min(until));
                let parts =
                    due.iter().map(|due| Part { message: &due.owed.delivery.message, matches: &due.matches });
                let mut out = Vec::new();
                let end = PollEnd { cursor, gap: false, deleted };
                slot.conn.poll_answer(parts, end, self.cursors, cors, &mut self.deflater, &mut out);
                self.write_all(index, &[Piece::Own(&out)])
            }
        };
        self.settle(due.into_iter().map(|due| due.owed));
        self.judge(index, result) && self.end_poll(index)
    }

    /// Answers a poll with nothing but its cursor: its time is over, or the server's is. Up to `given` it
    /// is owed nothing.
    pub(super) fn answer_empty(&mut self, index: usize, given: Position) -> bool {
        let cursor = self.slab[index].conn.last.max(given);
        self.answer_page(index, [].into_iter(), cursor, false)
    }

    /// Answers a poll from history. `cursor`: up to here it is then owed nothing.
    pub(super) fn answer_page<'a>(
        &mut self,
        index: usize,
        parts: impl Iterator<Item = Part<'a>>,
        cursor: Position,
        gap: bool,
    ) -> bool {
        let mut out = Vec::new();
        let conn = &self.slab[index].conn;
        let cors = self.settings.origins.cors(conn.page);
        let end = PollEnd { cursor, gap, deleted: None };
        conn.poll_answer(parts, end, self.cursors, cors, &mut self.deflater, &mut out);
        self.write(index, &out) && self.end_poll(index)
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
        if conn.extra.as_ref().is_some_and(|extra| !extra.input.is_empty()) {
            self.resuming.push_back(token);
        }
        self.set_timer(index, self.settings.request_timeout);
        true
    }
}
