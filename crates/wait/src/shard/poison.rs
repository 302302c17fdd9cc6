//! Who comes back to the same message again and again: it is told to the operator; and where a rule says so, he is taken
//! past it.

use exchange::hub::{Code, Message, Next, Page, Position, Session, Start, excerpt};
use exchange::{Came, Denial, Side};
use tracing::warn;
use transport::{Ending, Shape};

use super::Shard;
use super::access::what_of;
use super::subscribe::owes_list;
use crate::kernel::Kernel;
use crate::limits::{POISON_LEN_MIN, POISON_TIMES, POISON_TOLD_MS, POISON_WHOLE_TIMES};

impl<K: Kernel> Shard<K> {
    /// A client came with a cursor, and is about to be given this page of what is behind it. Where it came to the first
    /// message of it too often, it is told of a gap in its place; `start` is then behind that.
    pub(super) fn meet_again(
        &mut self,
        index: usize,
        names: &[Box<str>],
        start: &mut Start,
        page: &mut Page,
    ) {
        let Start::After(cursor) = *start else { return };
        self.look_at_comers();
        self.end_return(index, true);
        let shape = self.slab[index].conn.shape;
        let first = page
            .messages
            .first()
            .filter(|first| shape.tells(first) && first.removal().is_none() && first.movement().is_none());
        let Some(came) = self.come_to(index, names, cursor, first.map(|first| first.position)) else {
            return;
        };
        if came.times == POISON_TIMES {
            self.tell_poison(index, names, came, &page.messages[0]);
        }
        if came.whole >= POISON_WHOLE_TIMES && self.skips(shape, names, &page.messages[0]) {
            let message = page.messages.remove(0);
            *start = Start::After(message.position);
            for (number, name) in (0..).zip(names) {
                if message.targets().iter().any(|target| *target.name == **name)
                    && !page.gaps.contains(&number)
                {
                    page.gaps.push(number);
                }
            }
            self.end_return(index, true);
            self.exchange.registry().returns().took(came);
            self.counters.poison_skipped.add(1);
        } else if came.times >= POISON_TIMES
            && shape.ending() == Ending::OnePoll
            && page.messages.len() > 1
            && !owes_list(page)
        {
            // The document may be too long, not the message: it comes alone.
            page.messages.truncate(1);
            page.next = Next::Live { position: page.messages[0].position, channels: Vec::new() };
        }
    }

    /// The connection came back to a message, and goes on or is over.
    pub(super) fn end_return(&mut self, index: usize, goes_on: bool) {
        if self.comers.is_empty() {
            return;
        }
        let Some((came, has_lived)) = self.comers.take(self.token(index), self.now) else { return };
        let slot = &self.slab[index];
        // Who polls comes again in any case.
        if slot.conn.shape.ending() != Ending::OnePoll && (goes_on || has_lived) {
            self.exchange.registry().returns().took(came);
        } else {
            self.exchange.registry().returns().end(came, slot.owed_len() == 0);
        }
    }

    /// Those who have been there for a while since they came took what they were given.
    fn look_at_comers(&mut self) {
        while let Some(token) = self.comers.next_lived(self.now) {
            match self.find(token) {
                Some(index) => self.end_return(index, false),
                None => drop(self.comers.take(token, self.now)),
            }
        }
    }

    /// To which message somebody came, as it is known by his user or address. Who polls and is owed nothing may have gone past
    /// one.
    fn come_to(
        &mut self,
        index: usize,
        names: &[Box<str>],
        cursor: Position,
        first: Option<Position>,
    ) -> Option<Came> {
        let is_poll = self.slab[index].conn.shape.ending() == Ending::OnePoll;
        let is_looked_for = first.is_some() || is_poll && !self.exchange.registry().returns().is_empty();
        if !is_looked_for || !self.comers.has_room() {
            return None;
        }
        let address = self.address(index);
        let (now, returns) = (self.exchange.now(), self.exchange.registry().returns());
        let user = self.guests.session(index).and_then(Session::user);
        let came = match (user, address) {
            (Some(user), _) => returns.come(user, names, cursor, first, now),
            (None, Some(address)) => {
                returns.come(&self.exchange.shares().network(address), names, cursor, first, now)
            }
            (None, None) => None,
        }?;
        self.comers.put(self.token(index), self.now, came);
        Some(came)
    }

    /// Whether a client is to be taken past this message: all of its channels that he listens to are set so, and his shape
    /// has words for a gap.
    fn skips(&self, shape: Shape, names: &[Box<str>], message: &Message) -> bool {
        let rules = self.exchange.registry().rules();
        let mut asked =
            message.targets().iter().filter(|target| names.iter().any(|name| **name == *target.name));
        shape.tells_gaps()
            && message.bytes().len() > POISON_LEN_MIN
            && asked.all(|target| rules.skips_poison(&target.name))
    }

    /// Counts, keeps and says that somebody came back to a message too often.
    fn tell_poison(&mut self, index: usize, names: &[Box<str>], came: Came, message: &Message) {
        self.counters.poison.add(1);
        let (from, len) = (self.address(index), message.bytes().len());
        let (cursor, what) = (self.cursors.text(message.position), what_of(names));
        let who = self.guests.session(index).and_then(Session::user).map(|user| excerpt(user).into());
        let way = if len > POISON_LEN_MIN { ", or set poison = \"skip\" for the channel" } else { "" };
        let detail = format!(
            "came back {} times with the same cursor, whose next message is {cursor} ({len} bytes): if that is longer than \
             the client's library takes, it gets nothing of what follows; raise that limit{way}",
            came.times
        );
        if self.told_at.poison.is_none_or(|told| self.now >= told + POISON_TOLD_MS) {
            self.told_at.poison = Some(self.now);
            let from = from.map(exchange::shown);
            warn!(
                from,
                user = who.as_deref(),
                channels = what,
                cursor,
                bytes = len,
                "a client comes back to the same message again and again"
            );
        }
        self.exchange.denials().add(Denial {
            at: self.exchange.wall(),
            side: Side::Wait,
            status: 200,
            code: Code::Poison,
            detail,
            from,
            who,
            what,
            times: 1,
        });
    }
}
