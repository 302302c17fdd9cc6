//! What happens on connections: requests go out, messages come in and are counted.

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, sockopt};

use super::{ClientPlace, READ_LEN, Worker, WorkerState};
use crate::client::ReadOutcome;
use crate::clock::now_ns;
use crate::machine::words;
use crate::marker::Stamp;
use crate::track::TrackVerdict;

impl Worker {
    /// Something happened on a client's connection.
    pub(super) fn serve(&mut self, place: usize, flags: EventFlags, buffer: &mut [u8]) {
        if self.clients[place].state == WorkerState::Connecting {
            let Some(socket) = &self.clients[place].socket else { return };
            match sockopt::socket_error(socket) {
                Ok(Ok(())) if flags.contains(EventFlags::OUT) => self.ask(place),
                Ok(Ok(())) => return,
                Ok(Err(error)) | Err(error) => self.lose(place, &format!("cannot connect: {}", words(error))),
            }
        }
        if !flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
            return;
        }
        // A short read has emptied the socket, unless its end is to be read, too.
        let to_end = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        while let Some(socket) = &self.clients[place].socket {
            match net::recv(socket, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return self.lose(place, "the server ended the connection"),
                Ok((len, _)) => {
                    self.take(place, &buffer[..len]);
                    if len < READ_LEN && !to_end {
                        return;
                    }
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(error) => return self.lose(place, &words(error)),
            }
        }
    }

    fn ask(&mut self, place: usize) {
        let (number, channel) = (self.global(place), self.channel_of(place));
        let ClientPlace { socket: Some(socket), client, .. } = &mut self.clients[place] else { return };
        let mut request = Vec::with_capacity(512);
        client.ask(&self.manner, number, channel, &mut request);
        match net::send(socket, &request, SendFlags::NOSIGNAL) {
            Ok(len) if len == request.len() => {}
            Ok(_) => return self.lose(place, "the request was not taken as a whole"),
            Err(error) => return self.lose(place, &format!("cannot ask: {}", words(error))),
        }
        match self.clients[place].state {
            WorkerState::Standing => {}
            _ if self.manner.is_ready_at_once() => self.ready(place),
            _ => self.clients[place].state = WorkerState::Asking,
        }
    }

    fn ready(&mut self, place: usize) {
        if self.clients[place].state != WorkerState::Standing {
            self.clients[place].state = WorkerState::Standing;
            self.pending -= 1;
            self.tally.standing += 1;
            self.tally.ready_ns = now_ns();
        }
    }

    /// Bytes came.
    fn take(&mut self, place: usize, bytes: &[u8]) {
        self.tally.bytes += bytes.len() as u64;
        let mut told = std::mem::take(&mut self.told);
        self.clients[place].client.take(&self.manner, &mut self.packed, bytes, |one| told.push(one));
        let now = if told.is_empty() { 0 } else { now_ns() };
        for one in told.drain(..) {
            match one {
                ReadOutcome::Ready => self.ready(place),
                ReadOutcome::Mark(mark) => self.count(place, mark, now),
                ReadOutcome::Again { reconnect: false } => self.ask(place),
                ReadOutcome::Again { reconnect: true } => self.reconnect(place),
                ReadOutcome::Refused(why) => self.lose(place, &why),
            }
        }
        self.told = told;
    }

    fn count(&mut self, place: usize, mark: Stamp, now: u64) {
        let schedule = self.plan.schedule;
        if schedule.channel_of(mark.number) != self.channel_of(place) {
            self.tally.astray += 1;
            return;
        }
        match self.clients[place].client.track.take(schedule.ordinal_of(mark.number)) {
            TrackVerdict::Doubled => {
                self.tally.doubled += 1;
                return;
            }
            TrackVerdict::Disordered => self.tally.disordered += 1,
            TrackVerdict::New => {}
        }
        let latency = now.saturating_sub(mark.sent_ns);
        self.tally.got += 1;
        self.tally.last_ns = now;
        self.tally.latency.record(latency);
        if mark.number == self.first {
            self.tally.first.record(latency);
        }
        let nth = mark.number.wrapping_sub(self.first) as usize;
        if nth < SLOWEST_COUNT {
            if nth >= self.tally.slowest_ns.len() {
                self.tally.slowest_ns.resize(nth + 1, 0);
            }
            self.tally.slowest_ns[nth] = self.tally.slowest_ns[nth].max(latency);
        }
    }

    /// An answered poll whose connection ends: the next one needs another, and nobody notices.
    fn reconnect(&mut self, place: usize) {
        self.tally.standing -= 1;
        self.begin(place);
    }

    /// A connection is over that should not be.
    pub(super) fn lose(&mut self, place: usize, why: &str) {
        match self.clients[place].state {
            WorkerState::Gone => return,
            WorkerState::Standing => {
                self.tally.standing -= 1;
                self.tally.closed += 1;
            }
            WorkerState::Away | WorkerState::Connecting | WorkerState::Asking => {
                self.pending -= 1;
                self.tally.failed += 1;
            }
        }
        self.clients[place].socket = None;
        self.clients[place].state = WorkerState::Gone;
        let client = self.global(place);
        self.tally.error.get_or_insert_with(|| format!("client {client}: {why}"));
    }
}

/// For so many messages of a step the last receiver is known.
const SLOWEST_COUNT: usize = 4096;
