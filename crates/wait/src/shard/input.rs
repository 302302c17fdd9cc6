//! What clients say: reading it, and doing what it asks for.

use std::sync::Arc;

use transport::codec::http2;
use transport::{Action, Ending, Env, Gate, Phase, tell_stay};

use super::Shard;
use crate::askers::Want;
use crate::kernel::{Errno, Kernel};
use crate::limits::{READ_LEN, READ_MORE_LEN};
use crate::link::{Link, ReadError};

/// What a client said.
enum ClientInput {
    /// So many bytes.
    Bytes(usize),
    /// That it says no more.
    End,
}

impl<K: Kernel> Shard<K> {
    /// Bytes, or the end, have come.
    pub(super) fn read(&mut self, index: usize) {
        if !self.read_proxy_header(index) {
            return;
        }
        if self.slab[index].link.handshake().is_some() {
            self.queue_handshake(index);
        } else {
            self.read_now(index);
        }
    }

    pub(super) fn read_now(&mut self, index: usize) {
        let mut kept = self.slab[index].conn.take_input();
        if kept.is_empty() {
            let mut scratch = std::mem::take(&mut self.scratch);
            debug_assert_eq!(scratch.len(), READ_LEN);
            match self.read_into(index, &mut scratch) {
                Some(ClientInput::Bytes(len)) => self.consume(index, &mut scratch[..len]),
                Some(ClientInput::End) => self.hear_end(index),
                None => {}
            }
            self.scratch = scratch;
            return;
        }
        // What is kept is incomplete: more is read right behind it.
        let len = kept.len();
        kept.resize(len + READ_MORE_LEN, 0);
        match self.read_into(index, &mut kept[len..]) {
            Some(ClientInput::Bytes(more)) => self.consume(index, &mut kept[..len + more]),
            Some(ClientInput::End) => {
                kept.truncate(len);
                self.slab[index].conn.extra_mut().input = kept;
                self.hear_end(index);
            }
            None => {}
        }
    }

    /// Looks once more at what was kept: it may be its turn now.
    pub(super) fn consume_kept(&mut self, index: usize) {
        let conn = &mut self.slab[index].conn;
        let mut kept = conn.take_input();
        if !kept.is_empty() {
            return self.consume(index, &mut kept);
        }
        conn.tidy();
        if self.slab[index].has_ended() {
            self.hear_end(index);
        }
    }

    /// What was read. `None`: nothing to be looked at; the connection may be gone, or keeps no input it had.
    fn read_into(&mut self, index: usize, bytes: &mut [u8]) -> Option<ClientInput> {
        let slot = &mut self.slab[index];
        match slot.link.read(&mut self.kernel, &slot.socket, bytes, &mut self.sealed) {
            Ok(read) => {
                self.count_handshake(read.opened);
                if let Some(len @ 1..) = read.len {
                    self.tell(index, || format!("read {len} bytes"));
                }
                let is_there = self.watch_pending(index);
                return is_there.then(|| match read.len {
                    Some(0) => ClientInput::End,
                    len => ClientInput::Bytes(len.unwrap_or(0)),
                });
            }
            // Nothing came after all: what was kept is looked at again, which changes nothing.
            Err(ReadError::Kernel(Errno::AGAIN | Errno::INTR)) => return Some(ClientInput::Bytes(0)),
            Err(ReadError::Kernel(_)) => {
                self.counters.resets.add(1);
                self.close(index);
            }
            Err(ReadError::Left) => {
                self.counters.tls_left.add(1);
                self.close(index);
            }
            Err(ReadError::Tls(failure)) => self.fail_tls(index, failure),
        }
        None
    }

    /// Does what the bytes ask for, and keeps those that are not complete.
    fn consume(&mut self, index: usize, bytes: &mut [u8]) {
        if self.is_misplaced_tls(index, bytes) {
            return self.end_misplaced_tls(index);
        }
        let token = self.token(index);
        let settings = Arc::clone(&self.settings);
        let tls = matches!(self.slab[index].link, Link::Tls(_));
        let env = Env { tls, ..self.env(&settings) };
        // Nobody else pays for it.
        let minded =
            self.callers.get(index).map(|_| (Arc::clone(&self.exchange), Arc::clone(&self.counters)));
        let mut turnstile = minded.as_ref().and_then(|(exchange, counters)| {
            self.turnstile(index, &settings.proxies, exchange.shares(), counters)
        });
        let mut at = 0;
        for answered in 0.. {
            if answered > 0 && at < bytes.len() && self.is_slice_over(answered) {
                self.askers.push(token, Want::Look);
                break;
            }
            let conn = &mut self.slab[index].conn;
            let env = Env { gate: turnstile.as_ref().map(|turnstile| turnstile as &dyn Gate), ..env };
            let listens = conn.phase == Phase::Waiting && conn.shape.ending() == Ending::WhenDue;
            let state = self.states.get_mut(index).map(|state| &mut **state);
            let (taken, action) = conn.receive_with(&mut bytes[at..], state, env);
            at += taken;
            // Any input restarts its timer.
            if listens && taken > 0 {
                self.set_timer_of_phase(index);
            }
            if matches!(action, Action::More) {
                break;
            }
            if matches!(action, Action::Overflow) {
                self.tell_error(index, || format!("overflow (received {} bytes total)", bytes.len()));
            }
            if let Some(turnstile) = &mut turnstile {
                self.keep_caller(index, turnstile);
            }
            self.act(index, action);
            if self.find(token).is_none() {
                return;
            }
        }
        self.keep(index, &bytes[at..]);
        if self.find(token).is_some() {
            self.mind_deadline(index, at > 0);
        }
        if self.find(token).is_some() && self.slab[index].has_ended() {
            self.hear_end(index);
        }
    }

    pub(super) fn act(&mut self, index: usize, action: Action) {
        match action {
            Action::More | Action::Next => {}
            Action::Send(bytes) if self.slab[index].conn.is_live() => self.answer_frame(index, &bytes),
            Action::Send(mut bytes) => {
                if self.slab[index].conn.phase == Phase::Request {
                    tell_stay(&mut bytes, Some(self.settings.keep_alive.as_secs()));
                }
                self.set_timer_of_phase(index);
                self.write(index, &bytes);
            }
            Action::Close(bytes) => {
                self.leave_all(index);
                if self.write(index, &bytes) {
                    self.close_gently(index);
                }
            }
            Action::Wait { wait, head } => self.begin(index, *wait, head),
            Action::Up { wait, state } => self.begin_up(index, *wait, state),
            Action::Pass(passed) => self.pass(index, *passed),
            Action::Command(command) => self.command(index, command),
            Action::Take(name) => self.take(index, &name),
            Action::Listen(listen) => self.listen(index, &listen),
            Action::Http2 => {
                self.counters.http2.add(1);
                self.act(index, Action::Close(http2::refusal()));
            }
            Action::Overflow => {
                self.counters.classic_overflows.add(1);
                self.close_gently(index);
            }
        }
    }

    fn keep(&mut self, index: usize, bytes: &[u8]) {
        let conn = &mut self.slab[index].conn;
        if bytes.len() > conn.input_len_max() {
            self.counters.problems.add(1);
            self.close(index);
            return;
        }
        if !bytes.is_empty() && conn.phase != Phase::Closing {
            conn.extra_mut().input = bytes.to_vec();
        }
        conn.tidy();
    }
}
