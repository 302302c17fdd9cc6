//! What was said before: who may read it, and pages of it for who scrolls up.

use exchange::hub::{Door, Guest, OlderPage, Page, Refused, Right, Session, Start, excerpt};
use rustc_hash::FxHashMap;
use transport::PollEnd;
use transport::dialect::{Code, Older, Problem, Wait};

use super::Shard;
use super::audience::Given;
use crate::kernel::Kernel;

impl<K: Kernel> Shard<K> {
    /// Answers with a page of what was said before in a channel.
    pub(super) fn give_older(&mut self, index: usize, wait: &Wait, older: &Older, session: Option<&Session>) {
        let name = &*wait.names[0];
        let OlderPage { messages, first, more, gap } =
            self.exchange.registry().older(name, older.before, older.limit.into());
        let given = self.given_of(index, messages, name, session);
        self.counters.history_pages.add(1);
        self.counters.replayed.add(given.len() as u64);
        self.counters.gaps.add(u64::from(gap));
        let cursor = given.first().map_or(first, Given::position);
        let end = PollEnd { gap, more, ..PollEnd::at(cursor) };
        self.answer_once(index, given.iter().map(Given::part), end, older.warning.as_deref());
    }

    /// Checks that a client may have what it asks for.
    pub(super) fn check_wait(&self, session: Option<&Session>, wait: &Wait) -> Result<(), Problem> {
        if wait.speech.is_some() {
            return self.check_publish(session, &wait.names);
        }
        if wait.older.is_none() {
            return self.check_past(session, &wait.names, wait.start);
        }
        match wait.names.iter().find(|name| !self.exchange.registry().may(session, Right::History, name)) {
            None => Ok(()),
            Some(name) if self.exchange.registry().rules().history(name) == Door::Open => {
                self.check_grants(session, &wait.names)
            }
            Some(name) => Err(self.closed_history(session, name)),
        }
    }

    /// Checks that a client may listen to all of these, and have what it asks for of their past. Who comes back with a cursor
    /// is let in: it is told of a gap where it may not have what it missed.
    pub(super) fn check_past(
        &self,
        session: Option<&Session>,
        names: &[Box<str>],
        start: Start,
    ) -> Result<(), Problem> {
        self.check_grants(session, names)?;
        if !matches!(start, Start::Everything | Start::Time(_) | Start::Tail(1..)) {
            return Ok(());
        }
        match self.exchange.registry().closed_histories(session, names).first() {
            Some(closed) => Err(self.closed_history(session, &names[usize::from(*closed)])),
            None => Ok(()),
        }
    }

    /// Whether somebody without credentials would miss something of the past.
    pub(super) fn asks_for_past(&self, wait: &Wait) -> bool {
        wait.start != Start::Now && !self.exchange.registry().closed_histories(None, &wait.names).is_empty()
    }

    /// Reads the next page for a client that may listen to all of these. Of channels whose history is closed to it, it gets
    /// nothing, and is told that it misses something.
    pub(super) fn subscribe(
        &self,
        guest: Guest<'_>,
        session: Option<&Session>,
        names: &[&str],
        start: Start,
    ) -> Result<Page, Refused> {
        let registry = self.exchange.registry();
        let guest = if registry.rules().tells_users() { Guest { session, ..guest } } else { guest };
        let mut page = registry.subscribe(guest, names, start)?;
        if page.messages.is_empty() {
            return Ok(page);
        }
        let closed = self.exchange.registry().closed_histories(session, names);
        if !closed.is_empty() {
            withhold(&mut page, names, &closed);
        }
        Ok(page)
    }

    fn closed_history(&self, session: Option<&Session>, name: &str) -> Problem {
        let door = self.exchange.registry().rules().history(name);
        let name = excerpt(name);
        match (door, session) {
            (Door::Off, _) => Problem::new(
                403,
                Code::History,
                format!(
                    "the history of {name:?} is closed to all clients: a rule of the server says history = \"off\"; wait for \
                     what comes, without since and tail"
                ),
            ),
            (_, None) => Problem::new(
                401,
                Code::Credentials,
                format!("the history of {name:?} is closed: show credentials whose `history` names it"),
            ),
            (_, Some(_)) => Problem::new(
                403,
                Code::Grant,
                format!(
                    "the credentials shown do not grant to read the history of {name:?}; `history` in the token, or in what \
                     the hook said, must name it"
                ),
            ),
        }
    }
}

/// Takes from a page what is in closed channels only, and notes a gap there.
fn withhold(page: &mut Page, names: &[&str], closed: &[u16]) {
    let numbers: FxHashMap<&str, u16> = names.iter().copied().zip(0..).collect();
    page.messages.retain(|message| {
        let asked = || message.targets().iter().filter_map(|target| numbers.get(&*target.name));
        // They ascend.
        let is_shown = asked().any(|number| closed.binary_search(number).is_err());
        if !is_shown {
            page.gaps.extend(asked());
        }
        is_shown
    });
    page.gaps.sort_unstable();
    page.gaps.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::hub::{Kind, Message, Next, Payload, Position, Target};

    #[test]
    fn what_is_in_closed_channels_only_is_withheld_and_told_as_a_gap() {
        let message = |place, names: &str| {
            let target = |name: &str| Target { name: name.into(), alias: None };
            let targets = names.split(',').map(target).collect();
            Message::new(Position::from_bits(place), 0, None, targets, Payload::new(*b"x", Kind::Either))
        };
        let said = ["open", "shut", "other,shut", "shut,open", "half"];
        let messages = (1..).zip(said).map(|(place, names)| message(place, names)).collect();
        let next = Next::Live { position: Position::from_bits(5), channels: Vec::new() };
        let mut page = Page { messages, gaps: vec![2], present: Vec::new(), next };
        withhold(&mut page, &["shut", "open", "half"], &[0]);
        let places: Vec<u64> = page.messages.iter().map(|message| message.position.to_bits()).collect();
        assert_eq!((places, page.gaps), (vec![1, 4, 5], vec![0, 2]));
    }
}
