//! What a waiting client is told besides live messages: pages, notices, ends.

use dialect::hub::Cursors;
use dialect::native::Paths;
use dialect::{Code, Cors, Dialects, Ours, Problem, native};

use crate::answer;
use crate::notice::{Notice, Tone};
use crate::{Coder, Coding, Conn, Pages, Part, Phase, PollEnd, Shape};

impl Part<'_> {
    /// Appends the message for a client of this shape.
    pub fn render(&self, shape: Shape, cursors: Cursors, coder: &mut Coder<'_>, out: &mut Vec<u8>) {
        if self.beside && shape == Shape::SseBare {
            return crate::native::event_beside(self.message.message(), self.matches, cursors, coder, out);
        }
        shape.render(self.message, self.matches, cursors, coder, out);
    }
}

impl Conn {
    /// Tells the client something beside messages, where its shape has words for that.
    pub fn tell(&self, notice: Notice<'_>, cursors: Cursors, out: &mut Vec<u8>) {
        self.shape.tell(notice, Tone { coding: self.coding, cursors }, out);
    }

    /// A page of a backlog, as if it came live.
    pub fn page<'a>(
        &self,
        parts: impl Iterator<Item = Part<'a>>,
        cursors: Cursors,
        pages: &mut Pages,
        out: &mut Vec<u8>,
    ) {
        let mut coder = Coder::of_pages(self.coding, pages);
        if self.shape.is_ws() {
            parts.for_each(|part| part.render(self.shape, cursors, &mut coder, out));
            return;
        }
        // A page is compressed as a whole.
        let mut plain = Coder::stored(Coding::Identity);
        let mut parts = parts.peekable();
        if parts.peek().is_some() {
            coder.stream(out, |out| {
                parts.for_each(|part| part.render(self.shape, cursors, &mut plain, out));
            });
        }
    }

    /// A long poll's answer. Of several messages a raw poll gives the first, with its cursor.
    pub fn poll_answer<'a>(
        &self,
        mut parts: impl Iterator<Item = Part<'a>>,
        end: PollEnd<'_>,
        cursors: Cursors,
        cors: Cors<'_>,
        pages: &mut Pages,
        out: &mut Vec<u8>,
    ) {
        let coder = &mut Coder::of_pages(self.coding, pages);
        if self.shape == Shape::PollRaw {
            match parts.next() {
                // The mark comes with a payload, so that the client gets on: alone it would be told again and
                // again to whoever listens to several channels, one of them trimmed further.
                Some(part) => answer::poll_raw(part.message.message(), end.gap, cursors, cors, coder, out),
                None => answer::poll_raw_empty(&end, cursors, cors, out),
            }
        } else {
            let (mut messages, mut changes) = (Vec::new(), Vec::new());
            for part in parts {
                let mut object = Vec::with_capacity(part.message.payload().data().len() + 96);
                native::write_told(&part.message, part.matches, cursors, &mut object);
                if part.message.movement().is_some() { changes.push(object) } else { messages.push(object) }
            }
            answer::poll_document([&messages, &changes], &end, cursors, cors, coder, out);
            answer::close_document(end.connection, out);
        }
        if let Some(warning) = self.warning() {
            answer::tell_warning(out, &warning);
        }
    }

    /// A live message for a client that is still owed the backlog of other channels. It carries no cursor: that
    /// would speak for the backlog, too.
    pub fn uncovered(&self, part: &Part<'_>, cursors: Cursors, out: &mut Vec<u8>) {
        let coder = &mut Coder::stored(self.coding);
        self.shape.render_uncovered(part.message, part.matches, cursors, coder, out);
    }

    /// The last words before the server ends the connection: of a WebSocket why; of a stream in chunks, where the
    /// client is not to come back for the rest, the last chunk. Without that it sees a cut, as at a drain it is to.
    pub fn farewell(&mut self, code: u16, reason: &str, cursors: Cursors, out: &mut Vec<u8>) {
        if self.phase == Phase::Waiting {
            self.tell(Notice::End { code, reason }, cursors, out);
        }
        self.phase = Phase::Closing;
    }

    /// The answer to whoever took too long for a request; nothing for whoever said nothing, or nothing that
    /// is a request.
    pub fn too_late(&mut self, paths: &Paths, dialects: &Dialects) -> Vec<u8> {
        let late = self.is_mid_request();
        self.phase = Phase::Closing;
        if !late {
            return Vec::new();
        }
        let input = self.extra.as_ref().map(|extra| &extra.input[..]).unwrap_or_default();
        let ours = Ours { paths, application: None };
        if !self.dialects.iter().all(|classic| dialects.of(classic).is_told_late(input, ours)) {
            return Vec::new();
        }
        let problem = Problem::new(
            408,
            Code::RequestTimeout,
            "the request did not come in time; send it whole at once",
        );
        answer::answer(&problem.into(), true, false, Cors::default())
    }
}
