//! Listeners by external cursors: a head at once, all that is due in one array when something is, and the end.

use std::collections::BTreeSet;

use exchange::Listeners;
use exchange::hub::{After, Decimal, Message, Outside, Position, Right};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use transport::Coding;
use transport::dialect::due::{DuePart, Reply};
use transport::dialect::{Listen, Tag, mark};

use super::Shard;
use super::deliver::{FrameForm, shared_frame};
use super::output::Piece;
use super::subscribe::crowded;
use super::told::is_heard;
use crate::kernel::Kernel;
use crate::limits::{MEMORY_MS, REPLY_LEN_MAX};

impl<K: Kernel> Shard<K> {
    /// A client named its ids.
    pub(super) fn listen(&mut self, index: usize, listen: &Listen) {
        if let Err(problem) = self.may_ask(index).and_then(|()| self.enter_wait(index, None)) {
            self.count_problem(index, &problem, &[]);
            return self.close_gently(index);
        }
        if let Some(substitute) = self.dialect(index).substitute(listen) {
            self.tell(index, || substitute.told.to_owned());
            if self.write(index, &substitute.bytes) {
                self.close_gently(index);
            }
            return;
        }
        // These words have no place for a token, and their clients live from what was said before: a closed channel is none
        // of theirs, nor is one whose history is closed.
        let open = |id: &str| self.exchange.registry().may(None, Right::History, id);
        let (open, closed): (Vec<_>, Vec<_>) = listen.wishes.iter().partition(|(id, _)| open(id));
        self.counters.denied.add(closed.len() as u64);
        let too_many = open.len() > self.settings.channels_limit;
        if listen.wishes.is_empty() || too_many || self.draining.is_some() {
            self.counters.problems.add(u64::from(self.draining.is_none()));
            if listen.wishes.is_empty() {
                self.tell_error(index, || "Empty identifier passed".to_owned());
            }
            self.close_gently(index);
            return;
        }
        if open.is_empty() || listen.head_only {
            self.end_listener(index, listen, self.mark_now());
            return;
        }
        let names: SmallVec<[&str; 4]> = open.iter().map(|(id, _)| &**id).collect();
        let after: SmallVec<[After; 4]> = open.iter().map(|(_, after)| after.clone()).collect();
        let guest = self.guest(index);
        match self.exchange.registry().subscribe_outside(guest, &names, &after, MEMORY_MS) {
            Ok(outside) => self.begin_listening(index, listen, &names, outside),
            Err(refused) => {
                let names: Vec<Box<str>> = names.iter().map(|name| (*name).into()).collect();
                self.count_problem(index, &crowded(refused), &names);
                self.end_listener(index, listen, self.mark_now());
            }
        }
    }

    /// The client is registered: it gets its head, and what is due, or waits.
    fn begin_listening(&mut self, index: usize, listen: &Listen, names: &[&str], outside: Outside) {
        self.counters.waits.add(1);
        self.tell_registered(index, names, &outside.after);
        let tag = Tag::of(listen.wishes.iter().map(|(id, _)| &**id));
        let asked: FxHashMap<&str, &Decimal> = names.iter().copied().zip(&outside.after).collect();
        let due = |message: &Message, target: usize| {
            let after = asked.get(&*message.targets()[target].name);
            after.is_some_and(|after| message.outside(target) > **after)
        };
        let is_asked = |id: &str| asked.contains_key(id);
        let viewer = self.newcomer(index, &is_asked, None);
        let parts = outside.messages.iter().filter_map(|message| {
            let targets = (0..message.targets().len()).filter(|target| due(message, *target));
            DuePart::new(message.visible_to(&viewer)?, targets)
        });
        let (reply, cut) = Reply::new(parts.collect(), outside.cut, REPLY_LEN_MAX);
        let mut out = Vec::new();
        // Where not all is told, a channel without a cursor goes on from there, not from now.
        let mark = mark(outside.time, outside.position);
        let mark = cut.map_or(mark, |cut| cut.to_string().into_bytes());
        self.write_listener_head(index, listen, &mark, &mut out);
        if !reply.is_empty() {
            self.counters.replayed.add(reply.len() as u64);
            self.write_reply(index, &reply, tag, &mut out);
            self.tell_reply(reply.len(), out.len(), names);
            // What counts as listening ends with the answer; that it was here keeps the channels online.
            outside.channels.into_iter().for_each(|channel| self.leave_listening(channel));
            if self.write(index, &out) {
                self.close_gently(index);
            }
            return;
        }
        self.slab[index].conn.last = outside.position;
        self.join(index, &outside.channels, outside.position);
        let keys = outside.channels.iter().map(|channel| self.members.find_or_add(*channel));
        self.listening.put(index, keys.zip(outside.after), tag);
        self.set_timer_of_phase(index);
        self.write(index, &out);
    }

    /// Gives a listener all that is due, which ends it. False: there was something.
    pub(super) fn visit_listener(&mut self, index: usize, until: Position) -> bool {
        let mut due = self.due(index, until);
        for owed in &mut due {
            let message = &owed.owed.delivery.message;
            owed.matches.retain(|target| {
                let key = self.members.find(owed.owed.delivery.channels[*target]);
                key.is_some_and(|key| self.listening.is_due(index, key, &message.outside(*target)))
            });
        }
        due.retain(|due| !due.matches.is_empty());
        if due.is_empty() {
            return true;
        }
        self.counters.delivered.add(due.len() as u64);
        if is_heard() {
            let len = due.iter().map(|due| due.owed.delivery.message.payload().data().len()).sum();
            let targets = due.iter().flat_map(|due| {
                due.matches.iter().map(|target| &*due.owed.delivery.message.targets()[*target].name)
            });
            let ids: BTreeSet<&str> = targets.collect();
            self.tell_reply(due.len(), len, &Vec::from_iter(ids));
        }
        let (shape, tag) = (self.slab[index].conn.shape, self.listening.tag(index));
        let result = match &due[..] {
            // The usual reply is the same for all who get it.
            [one] if one.matches.len() == 1 && tag.is_none() => {
                let form = FrameForm { shape, coding: Coding::Identity, cursors: self.cursors };
                let frame =
                    shared_frame(&one.owed.delivery, one.message(), one.matches[0], form, &mut self.deflater);
                self.write_all(index, &[Piece::Shared(&frame)])
            }
            _ => {
                let parts =
                    due.iter().filter_map(|due| DuePart::new(due.message(), due.matches.iter().copied()));
                let (reply, _) = Reply::new(parts.collect(), None, REPLY_LEN_MAX);
                let mut out = Vec::new();
                self.write_reply(index, &reply, tag, &mut out);
                self.write_all(index, &[Piece::Own(&out)])
            }
        };
        self.settle(due.into_iter().map(|due| due.owed));
        if self.judge(index, result) {
            self.close_gently(index);
        }
        false
    }

    /// Who listens to what, from which cursor on: connections with so many pairs, and the number of all others.
    pub(super) fn listeners(&self, limit: usize) -> Listeners {
        let (mut found, mut pairs) = (Listeners::default(), 0);
        for index in self.listening.indices() {
            if pairs >= limit {
                break;
            }
            let subs = &self.slab[index].subs;
            let keys = (0..subs.len()).filter_map(|number| subs.get(number)).map(|sub| sub.channel);
            let since =
                |key| Some((self.members.channel(key).id, self.listening.since(index, key)?.into_owned()));
            let list: Vec<_> = keys.filter_map(since).collect();
            pairs += list.len();
            found.listed.push((u32::try_from(index).expect("a node holds it"), list));
        }
        found.more = self.listening.count() - found.listed.len();
        found
    }

    /// Says that there is nothing.
    fn end_listener(&mut self, index: usize, listen: &Listen, mark: Vec<u8>) {
        let mut out = Vec::new();
        self.write_listener_head(index, listen, &mark, &mut out);
        if self.write(index, &out) {
            self.close_gently(index);
        }
    }

    fn write_listener_head(&self, index: usize, listen: &Listen, mark: &[u8], out: &mut Vec<u8>) {
        self.dialect(index).write_head(listen, mark, out);
    }

    fn write_reply(&self, index: usize, reply: &Reply<'_>, tag: Option<Tag>, out: &mut Vec<u8>) {
        self.dialect(index).write_reply(reply, tag, out);
    }

    fn mark_now(&self) -> Vec<u8> {
        mark(self.exchange.now(), self.exchange.end())
    }
}
