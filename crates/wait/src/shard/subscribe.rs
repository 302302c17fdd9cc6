//! Beginning to wait: the backlog in pages, then live; registered in the step that found nothing more.

use std::time::Duration;

use access::Verdict;
use exchange::ConnectionText;
use exchange::hub::{
    ChannelId, Cursors, Guest, Next, Page, Position, Refused, Resume, Session, Start, Stay, excerpt,
};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use transport::dialect::{Code, Problem, Wait};
use transport::{Backlog, Conn, Ending, Framing, Notice, Opening, Phase, PollEnd, Purpose};

use super::Shard;
use super::access::Who;
use super::audience::{Given, Viewer, shown};
use super::joins::{joined_besides, no_channel};
use super::presence::{about, add_hidden, count_of, named};
use super::reach::add_addressed;
use crate::askers::Want;
use crate::kernel::Kernel;

impl<K: Kernel> Shard<K> {
    /// A client wants to wait. `head` has not been written yet.
    pub(super) fn begin(&mut self, index: usize, wait: Wait, head: Vec<u8>) {
        if let Some((wait, head)) = self.look_at_id(index, wait, head) {
            self.begin_told(index, wait, head, None);
        }
    }

    /// The same, where a verdict on the client has come meanwhile.
    pub(super) fn begin_told(&mut self, index: usize, wait: Wait, head: Vec<u8>, verdict: Option<&Verdict>) {
        if wait.speech.is_some() {
            return self.begin_speech(index, wait, head, verdict);
        }
        let session = match self.admit(index, &wait, verdict) {
            Ok(Who::Session(session)) => match &wait.older {
                None => session,
                Some(older) => return self.give_older(index, &wait, older, session.as_ref()),
            },
            Ok(Who::Unknown(subject, about)) => return self.park(index, wait, head, subject, about),
            Err(problem) => return self.refuse_wait(index, problem, &wait),
        };
        self.begin_as(index, wait, head, session);
    }

    /// The client waits from now on, with this session.
    pub(super) fn begin_as(&mut self, index: usize, mut wait: Wait, head: Vec<u8>, session: Option<Session>) {
        self.counters.waits.add(1);
        self.take_id(index, &wait, session.as_ref());
        self.log_waits(index, &wait, session.as_ref());
        let mut joins = joined_besides(session.as_ref(), &wait.names);
        if wait.names.is_empty() && joins.is_empty() && wait.start == Start::Now {
            self.put_session(index, session);
            self.begin_empty(index, head);
            return;
        }
        if wait.presence {
            add_hidden(&mut wait.names);
        }
        wait.names.extend(joins.iter().cloned());
        add_addressed(&mut wait.names, wait.start, session.as_ref());
        let guest = self.guest(index);
        let is_poll = self.slab[index].conn.shape.ending() == Ending::OnePoll;
        let page = match is_poll {
            true => self.read_poll(index, guest, &wait, session.as_ref()),
            false => self.subscribe(guest, session.as_ref(), &texts(&wait.names), wait.start),
        };
        match page {
            Err(refused) => {
                self.leave_id(index);
                self.leave_wait(index, session.as_ref());
                wait.names.truncate(named(&wait.names).len());
                self.refuse_wait(index, crowded(refused), &wait);
            }
            Ok(mut page) => {
                self.put_session(index, session);
                self.guests.set_joined(index, std::mem::take(&mut joins));
                self.meet_again(index, &wait.names, &mut wait.start, &mut page);
                if is_poll {
                    self.begin_poll(index, &wait, page);
                } else {
                    self.begin_stream(index, wait, page, head);
                }
            }
        }
    }

    /// The session with which a client may wait so.
    fn admit(&mut self, index: usize, wait: &Wait, verdict: Option<&Verdict>) -> Result<Who, Problem> {
        if self.draining.is_some() {
            return Err(Problem::new(503, Code::Draining, "this server is going down; try again soon"));
        }
        self.check_count(count_of(&wait.names, wait.presence))?;
        self.check_names(&wait.names)?;
        let who = self.identify(index, wait, verdict)?;
        if let Who::Session(session) = &who {
            let joins = joined_besides(session.as_ref(), &wait.names).len();
            if wait.names.is_empty() && joins == 0 && !self.slab[index].conn.shape.hears() {
                return Err(no_channel());
            }
            self.check_count(count_of(&wait.names, wait.presence) + joins)?;
            self.check_wait(session.as_ref(), wait)?;
            if wait.presence {
                self.check_presence(index, session.as_ref(), &wait.names)?;
            }
            match wait.older {
                None => self.enter_wait(index, session.as_ref())?,
                Some(_) => self.check_user(session.as_ref(), false)?,
            }
        }
        Ok(who)
    }

    pub(super) fn check_count(&self, count: usize) -> Result<(), Problem> {
        let limit = self.settings.channels_limit;
        if count <= limit {
            return Ok(());
        }
        let detail = format!(
            "{count} channels on one connection; at most {limit} are allowed, use several connections"
        );
        Err(Problem::bad(Code::ChannelCount, detail))
    }

    /// Whether nobody may think that one of these names matches others.
    pub(super) fn check_names(&self, names: &[Box<str>]) -> Result<(), Problem> {
        let star = || names.iter().find(|name| name.contains('*'));
        let Some(name) = self.settings.strict_names.then(star).flatten() else { return Ok(()) };
        Err(Problem::bad(
            Code::ChannelName,
            format!(
                "{:?} has a *, which stands for itself and matches no other name; name each channel, or let \
                 strict_names of the server be off",
                excerpt(name)
            ),
        ))
    }

    pub(super) fn refuse(&mut self, index: usize, problem: Problem, names: &[Box<str>]) {
        self.count_problem(index, &problem, names);
        if self.is_in_other_words(index) {
            return self.refuse_in_words(index, &problem);
        }
        let action = self.slab[index].conn.refuse(problem, &self.settings.origins);
        self.act(index, action);
    }

    /// Refuses what a client wants to wait for, in the way that it hears.
    pub(super) fn refuse_wait(&mut self, index: usize, problem: Problem, wait: &Wait) {
        self.count_problem(index, &problem, &wait.names);
        if self.is_in_other_words(index) {
            return self.refuse_in_words(index, &problem);
        }
        let chance = wait.hears_refusals.then(|| self.random());
        let action = self.slab[index].conn.refuse_for_now(problem, chance, &self.settings.origins);
        self.act(index, action);
    }

    /// Whether a client reads no answers of HTTP.
    fn is_in_other_words(&self, index: usize) -> bool {
        let conn = &self.slab[index].conn;
        conn.phase == Phase::Waiting && conn.shape.framing() == Framing::Bytes
    }

    /// Refuses what such a client wants, in its own words, which end the connection.
    fn refuse_in_words(&mut self, index: usize, problem: &Problem) {
        let mut out = Vec::new();
        self.slab[index].conn.tell(Notice::Error { problem, id: None }, self.cursors, &mut out);
        self.leave_all(index);
        if self.write(index, &out) {
            self.close_gently(index);
        }
    }

    /// A client that has not named a channel yet.
    fn begin_empty(&mut self, index: usize, mut out: Vec<u8>) {
        let position = self.exchange.end();
        let (retry_ms, connection) = (self.retry_ms(), self.told_id(index));
        let conn = &mut self.slab[index].conn;
        conn.last = position;
        let opening =
            Opening { cursor: position, connection: connection.as_str(), gaps: &[], lists: false, retry_ms };
        conn.tell(Notice::Opening(&opening), self.cursors, &mut out);
        self.slab[index].ends = self.end_of_stream();
        self.set_timer_of_phase(index);
        self.write(index, &out);
    }

    /// Reads what a poll is to be answered at once; where there is nothing, it is registered. What its client may not see is
    /// passed over.
    fn read_poll(
        &self,
        index: usize,
        guest: Guest<'_>,
        wait: &Wait,
        session: Option<&Session>,
    ) -> Result<Page, Refused> {
        let waits = wait.patience != Some(Duration::ZERO);
        let guest = Guest { stay: if waits { Stay::IfNothing } else { Stay::Never }, ..guest };
        let names = texts(&wait.names);
        let is_asked = |name: &str| names.contains(&name);
        let viewer: Viewer<'_> = self.newcomer(index, &is_asked, session);
        let shape = self.slab[index].conn.shape;
        let read = |start| {
            let mut page = self.subscribe(guest, session, &names, start)?;
            let had = page.messages.len();
            page.messages.retain(|message| shown(shape, message, &viewer).is_some());
            let is_nothing =
                had > 0 && page.messages.is_empty() && page.gaps.is_empty() && page.present.is_empty();
            Ok((page, is_nothing))
        };
        let (page, is_nothing) = read(wait.start)?;
        match page.next {
            // It waits behind that.
            Next::Live { position, .. } if is_nothing && waits => Ok(read(Start::After(position))?.0),
            _ => Ok(page),
        }
    }

    fn begin_poll(&mut self, index: usize, wait: &Wait, page: Page) {
        let Page { messages, gaps, present, next } = page;
        self.count_page(messages.len(), gaps.len());
        let (cursor, channels, lists, more) = match next {
            Next::Live { position, channels } => (position, channels, false, false),
            Next::More(resume) => (resume.after(), Vec::new(), resume.lists(), true),
        };
        self.slab[index].conn.last = cursor;
        if !channels.is_empty() {
            self.join(index, &channels, cursor);
            self.set_poll_timer(index, wait.patience);
            return;
        }
        let given = self.given(index, messages, &texts(&wait.names));
        let connection = self.poll_id(index);
        let (connection, gap) = (connection.as_ref().map(ConnectionText::as_str), !gaps.is_empty());
        let end = PollEnd { connection, gap, present: &present, lists, more, ..PollEnd::at(cursor) };
        self.answer_once(index, given.iter().map(Given::part), end, None);
    }

    fn begin_stream(&mut self, index: usize, wait: Wait, mut page: Page, mut out: Vec<u8>) {
        let names = texts(&wait.names);
        let cursor = opening_cursor(wait.start, &page);
        let given = self.given(index, std::mem::take(&mut page.messages), &names);
        let gaps = about(page.gaps.iter().map(|gap| names[usize::from(*gap)]));
        let (retry_ms, connection) = (self.retry_ms(), self.told_id(index));
        self.count_page(given.len(), gaps.len());
        let lists = owes_list(&page);
        let conn = &self.slab[index].conn;
        let opening = Opening { cursor, connection: connection.as_str(), gaps: &gaps, lists, retry_ms };
        conn.tell(Notice::Opening(&opening), self.cursors, &mut out);
        // Who breaks off before the list is owed it when it comes back.
        let cursors = if lists { self.cursors.unlisted() } else { self.cursors };
        self.tell_joined(index, &mut out);
        let conn = &self.slab[index].conn;
        conn.page(given.iter().map(Given::part), cursors, &mut self.pages, &mut out);
        tell_present(conn, &page, self.cursors, &mut out);
        drop(names);
        self.slab[index].ends = self.end_of_stream();
        self.set_timer_of_phase(index);
        let backlog = Backlog { names: wait.names, start: wait.start, purpose: Purpose::Opening };
        self.go_on(index, backlog, page.next);
        self.write(index, &out);
    }

    /// After a page: live, or the next page when this one is written.
    pub(super) fn go_on(&mut self, index: usize, backlog: Backlog, next: Next) {
        match next {
            Next::Live { position, channels } => self.go_live(index, &backlog, &channels, position),
            Next::More(resume) => self.go_on_paging(index, backlog, resume),
        }
    }

    pub(super) fn go_live(
        &mut self,
        index: usize,
        backlog: &Backlog,
        channels: &[ChannelId],
        position: Position,
    ) {
        let token = self.token(index);
        let slot = &mut self.slab[index];
        if matches!(backlog.purpose, Purpose::Opening) {
            slot.conn.last = position;
        }
        self.join(index, channels, position);
        self.askers.push(token, Want::Look);
    }

    pub(super) fn go_on_paging(&mut self, index: usize, mut backlog: Backlog, resume: Resume) {
        let token = self.token(index);
        if matches!(backlog.purpose, Purpose::Opening) {
            self.slab[index].conn.last = resume.after();
        }
        backlog.start = Start::More(resume);
        self.slab[index].conn.extra_mut().backlog = Some(backlog);
        self.askers.push(token, Want::Page);
    }

    /// The records of the channels that a connection is a member of.
    pub(super) fn channels_of(&self, index: usize) -> Vec<ChannelId> {
        let subs = &self.slab[index].subs;
        let subs = (0..subs.len()).filter_map(|number| subs.get(number));
        subs.map(|sub| self.members.channel(sub.channel).id).collect()
    }

    /// Makes a connection a member of channels it is registered on. Up to `position` it has everything.
    pub(super) fn join(&mut self, index: usize, channels: &[ChannelId], position: Position) {
        let subs = &self.slab[index].subs;
        let keys = (0..subs.len()).filter_map(|number| subs.get(number)).map(|sub| sub.channel);
        let known: FxHashSet<u32> = keys.collect();
        for channel in channels {
            let key = self.members.find_or_add(*channel);
            if known.contains(&key) {
                let session = self.guests.session(index).cloned();
                self.leave_as(*channel, session.as_ref());
                continue;
            }
            let number = self.slab[index].subs.len();
            let slot = &mut self.slab[index];
            // One that waited on no channel may still be owed what is for its user, or for everybody.
            let is_apart = slot.conn.last < position;
            slot.subs.push(key, position, is_apart);
            self.members.link(&mut self.slab, index, number);
        }
    }

    pub(super) fn count_page(&self, messages: usize, gaps: usize) {
        self.counters.replayed.add(messages as u64);
        self.counters.gaps.add(gaps as u64);
    }

    fn retry_ms(&mut self) -> u32 {
        let range = transport::limits::RETRY_MS;
        let spread = u64::from(range.end - range.start);
        range.start + u32::try_from(self.random() % spread).unwrap_or_default()
    }
}

/// There is no room for the names that somebody wants to wait on.
pub(super) fn crowded(refused: Refused) -> Problem {
    Problem::new(503, Code::Memory, format!("{refused}; try again later, or with fewer new names"))
}

/// The first cursor of a stream: the place right before what it is given, and never an invented one.
fn opening_cursor(start: Start, page: &Page) -> Position {
    match (start, page.messages.first(), &page.next) {
        (Start::After(position), Some(first), _) => position.min(first.position.before()),
        (_, Some(first), _) => first.position.before(),
        (_, None, Next::Live { position, .. }) => *position,
        (_, None, Next::More(resume)) => resume.after(),
    }
}

/// Whether a list of users follows, in this page or a later one.
pub(super) fn owes_list(page: &Page) -> bool {
    !page.present.is_empty() || matches!(page.next, Next::More(resume) if resume.lists())
}

/// Tells who is there, where that comes with this page.
pub(super) fn tell_present(conn: &Conn, page: &Page, cursors: Cursors, out: &mut Vec<u8>) {
    if let Next::Live { position, .. } = page.next
        && !page.present.is_empty()
    {
        conn.tell(Notice::Present { lists: &page.present, at: position }, cursors, out);
    }
}

pub(super) fn texts(names: &[Box<str>]) -> SmallVec<[&str; 4]> {
    names.iter().map(|name| &**name).collect()
}
