//! Commands of a client that waits: it changes its channels in place.

use exchange::hub::Start;
use serde_json::value::RawValue;
use transport::dialect::{Command, Problem};
use transport::{Backlog, Notice, Purpose};

use super::Shard;
use super::presence::{add_hidden, count_of};
use super::speech::Voice;
use crate::kernel::Kernel;

impl<K: Kernel> Shard<K> {
    pub(super) fn command(&mut self, index: usize, command: Command) {
        if let Err(problem) = self.may_ask(index) {
            return self.answer_error(index, &problem, command.names(), command.id());
        }
        let (mut out, cursors) = (Vec::new(), self.cursors);
        match command {
            Command::Ping { value, id } => {
                let pong = Notice::Pong { value: &value, id: id.as_deref() };
                self.slab[index].conn.tell(pong, cursors, &mut out);
            }
            Command::Subscribe { names, start, presence, id } => {
                return self.subscribe_more(index, names, start, presence, id);
            }
            Command::Publish { name, speech, id } => {
                let session = self.guests.session(index).cloned();
                return self.say(index, session, vec![name], *speech, Voice::Command(id));
            }
            Command::Renew { token, id } => return self.go_on_by(index, &token, id),
            Command::Unsubscribe { names, id } => {
                if let Err(problem) = self.check_user(self.guests.session(index), false) {
                    return self.answer_error(index, &problem, &names, id.as_deref());
                }
                // What was released before is still given.
                if !self.leave_channels(index, &names) {
                    return;
                }
                let left = Notice::Unsubscribed { names: &names, id: id.as_deref() };
                self.slab[index].conn.tell(left, cursors, &mut out);
            }
        }
        self.write(index, &out);
    }

    /// A client goes on by another token, and listens to what that joins.
    fn go_on_by(&mut self, index: usize, token: &str, id: Option<Box<RawValue>>) {
        let before = self.guests.session(index).cloned();
        match self.renew(index, token) {
            Ok(session) => {
                let mut out = Vec::new();
                let renewed = Notice::Renewed { expires: session.expires(), id: id.as_deref() };
                self.slab[index].conn.tell(renewed, self.cursors, &mut out);
                if self.write(index, &out) {
                    self.follow_session(index, before.as_ref(), &session);
                }
            }
            Err(problem) => self.answer_error(index, &problem, &[], id.as_deref()),
        }
    }

    /// A client listens to further channels.
    fn subscribe_more(
        &mut self,
        index: usize,
        mut names: Vec<Box<str>>,
        start: Start,
        presence: bool,
        id: Option<Box<RawValue>>,
    ) {
        let count = self.listened_count(index) + count_of(&names, presence);
        let session = self.guests.session(index);
        let allowed = self
            .check_user(session, false)
            .and_then(|()| self.check_count(count))
            .and_then(|()| self.check_names(&names))
            .and_then(|()| self.check_past(session, &names, start))
            .and_then(|()| if presence { self.check_presence(index, session, &names) } else { Ok(()) });
        if let Err(problem) = allowed {
            return self.answer_error(index, &problem, &names, id.as_deref());
        }
        if presence {
            add_hidden(&mut names);
        }
        let backlog = Backlog { names, start, purpose: Purpose::Added(id) };
        self.slab[index].conn.extra_mut().backlog = Some(backlog);
        self.next_page(index);
    }

    /// Gives the answer to what a client said that was no command: a ping, or nonsense. It counts, too.
    pub(super) fn answer_frame(&mut self, index: usize, answer: &[u8]) {
        match self.may_ask(index) {
            Ok(()) => drop(self.write(index, answer)),
            Err(problem) => self.answer_error(index, &problem, &[], None),
        }
    }

    pub(super) fn answer_error(
        &mut self,
        index: usize,
        problem: &Problem,
        names: &[Box<str>],
        id: Option<&RawValue>,
    ) {
        self.count_problem(index, problem, names);
        let mut out = Vec::new();
        self.slab[index].conn.tell(Notice::Error { problem, id }, self.cursors, &mut out);
        self.write(index, &out);
    }
}
