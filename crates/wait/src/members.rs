//! Who listens to what in one shard: channels, their members, and what these are still owed.
//!
//! Members are an intrusive list through the connections' records: joining and leaving touch the
//! neighbours only. New members go to the front and a job walks to the back, so nobody is visited
//! twice by one walk, and who joins meanwhile is not visited at all: it has all up to then.

use std::collections::VecDeque;
use std::rc::Rc;

use exchange::hub::{ChannelId, Position};
use hashbrown::HashTable;

use crate::debts::Owed;
use crate::limits::{CONNECTIONS_MAX, SUBSCRIPTIONS_MAX};
use crate::slab::Slab;
use crate::slot::{Slot, Sub};
use crate::walks::Walks;

/// No member.
pub(crate) const NIL: u32 = u32::MAX;

/// The channels of one shard.
#[derive(Debug, Default)]
pub(crate) struct Members {
    channels: Slab<LocalChannel>,
    by_id: HashTable<u32>,
    /// Messages that find their readers in other ways, and that some have not got yet.
    pub(crate) walks: Walks,
}

/// A channel somebody in this shard listens to.
#[derive(Debug)]
pub(crate) struct LocalChannel {
    pub(crate) id: ChannelId,
    /// The newest member.
    pub(crate) head: u32,
    pub(crate) count: u32,
    /// A job under way.
    pub(crate) work: Option<Box<VisitJob>>,
}

/// The job "visit the members of this channel".
#[derive(Debug)]
pub(crate) struct VisitJob {
    /// What some members have not got yet, in order. Never empty.
    pub(crate) pending: VecDeque<Rc<Owed>>,
    /// The member to visit next; [`NIL`]: the walk is over.
    pub(crate) at: u32,
    /// The newest that was pending when the walk began: all it leaves behind have it.
    until: Position,
    /// It is the first walk. That one brings no more than was pending when it began: what comes meanwhile, all of a
    /// burst, would make the first message late for those at the end of the list.
    is_first: bool,
}

/// The address of a member: which connection, and which of its subscriptions.
pub(crate) fn node(index: usize, number: usize) -> u32 {
    debug_assert!(index < CONNECTIONS_MAX && number < SUBSCRIPTIONS_MAX);
    u32::try_from(index * SUBSCRIPTIONS_MAX + number).expect("limits hold in 32 bits")
}

/// The connection and the number of its subscription.
pub(crate) fn parts(node: u32) -> (usize, usize) {
    (node as usize / SUBSCRIPTIONS_MAX, node as usize % SUBSCRIPTIONS_MAX)
}

impl Members {
    /// The key of a channel, if it has members here.
    pub(crate) fn find(&self, id: ChannelId) -> Option<u32> {
        self.by_id.find(hash(id), |key| self.channels[*key as usize].id == id).copied()
    }

    /// The key of a channel, which is about to get a member.
    pub(crate) fn find_or_add(&mut self, id: ChannelId) -> u32 {
        if let Some(key) = self.find(id) {
            return key;
        }
        let key = self.channels.insert(LocalChannel { id, head: NIL, count: 0, work: None });
        let key = u32::try_from(key).expect("a shard has fewer channels than subscriptions");
        let channels = &self.channels;
        self.by_id.insert_unique(hash(id), key, |key| hash(channels[*key as usize].id));
        key
    }

    pub(crate) fn channel(&self, key: u32) -> &LocalChannel {
        &self.channels[key as usize]
    }

    /// The channel of a key that may be stale.
    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut LocalChannel> {
        self.channels.get_mut(key as usize)
    }

    pub(crate) fn channel_mut(&mut self, key: u32) -> &mut LocalChannel {
        &mut self.channels[key as usize]
    }

    /// How many channels have members here.
    pub(crate) fn len(&self) -> usize {
        self.channels.len()
    }

    /// Makes subscription `number` of the connection a member, at the front.
    pub(crate) fn link<S>(&mut self, slab: &mut Slab<Slot<S>>, index: usize, number: usize) {
        let new = node(index, number);
        let key = sub_mut(slab, new).channel;
        let channel = &mut self.channels[key as usize];
        let head = channel.head;
        *sub_mut(slab, new) = Sub { channel: key, prev: NIL, next: head };
        if head != NIL {
            sub_mut(slab, head).prev = new;
        }
        channel.head = new;
        channel.count += 1;
    }

    /// Takes subscription `number` of the connection out of the members, moving a job parked there on,
    /// and out of the connection. Returns the channel, and what it owed if it was the last member.
    pub(crate) fn unlink<S>(
        &mut self,
        slab: &mut Slab<Slot<S>>,
        index: usize,
        number: usize,
    ) -> (ChannelId, VecDeque<Rc<Owed>>) {
        let old = node(index, number);
        let Sub { channel: key, prev, next } = *sub_mut(slab, old);
        let channel = &mut self.channels[key as usize];
        if let Some(work) = &mut channel.work
            && work.at == old
        {
            work.at = next;
        }
        if prev == NIL {
            channel.head = next;
        } else {
            sub_mut(slab, prev).next = next;
        }
        if next != NIL {
            sub_mut(slab, next).prev = prev;
        }
        channel.count -= 1;
        let (id, left) = (channel.id, channel.count);
        self.renumber(slab, index, number);
        (id, if left == 0 { self.remove(key) } else { VecDeque::new() })
    }

    /// The last subscription takes the number of one that went: its neighbours learn its new address.
    fn renumber<S>(&mut self, slab: &mut Slab<Slot<S>>, index: usize, number: usize) {
        let last = slab[index].subs.len() - 1;
        slab[index].subs.swap_remove(number);
        if last == number {
            return;
        }
        let (old, new) = (node(index, last), node(index, number));
        let Sub { channel: key, prev, next } = *sub_mut(slab, new);
        let channel = &mut self.channels[key as usize];
        if let Some(work) = &mut channel.work
            && work.at == old
        {
            work.at = new;
        }
        if prev == NIL {
            channel.head = new;
        } else {
            sub_mut(slab, prev).next = new;
        }
        if next != NIL {
            sub_mut(slab, next).prev = new;
        }
    }

    fn remove(&mut self, key: u32) -> VecDeque<Rc<Owed>> {
        let channel = self.channels.remove(key as usize).expect("a member's channel is there");
        let channels = &self.channels;
        if let Ok(entry) = self.by_id.find_entry(hash(channel.id), |other| *other == key) {
            entry.remove();
        }
        if self.by_id.capacity() > 4 * self.by_id.len() + 64 {
            self.by_id.shrink_to(2 * self.by_id.len(), |key| hash(channels[*key as usize].id));
        }
        channel.work.map(|work| work.pending).unwrap_or_default()
    }
}

impl LocalChannel {
    /// Members are owed this too. True: there was no job, and now there is one.
    pub(crate) fn owe(&mut self, owed: Rc<Owed>) -> bool {
        if let Some(work) = &mut self.work {
            work.pending.push_back(owed);
            return false;
        }
        let until = owed.position();
        self.work = Some(Box::new(VisitJob {
            pending: VecDeque::from([owed]),
            at: self.head,
            until,
            is_first: true,
        }));
        true
    }

    /// The member to visit next, and up to which place it is given what it is owed. The job then stands at the one
    /// behind it, whatever the visit does.
    pub(crate) fn step<S>(&mut self, slab: &Slab<Slot<S>>) -> Option<(u32, Position)> {
        let work = self.work.as_mut()?;
        let at = work.at;
        if at == NIL {
            return None;
        }
        let (index, number) = parts(at);
        work.at = slab[index].subs.get(number).expect("a member has this subscription").next;
        Some((at, if work.is_first { work.until } else { Position::END }))
    }

    /// A walk is over: drops what all members have by now, into `done`. True: another walk is needed,
    /// for what came meanwhile.
    pub(crate) fn walked(&mut self, done: &mut Vec<Rc<Owed>>) -> bool {
        let Some(work) = &mut self.work else { return false };
        while work.pending.front().is_some_and(|owed| owed.position() <= work.until) {
            done.extend(work.pending.pop_front());
        }
        match work.pending.back() {
            Some(newest) => {
                work.until = newest.position();
                work.at = self.head;
                work.is_first = false;
                true
            }
            None => {
                self.work = None;
                false
            }
        }
    }
}

fn sub_mut<S>(slab: &mut Slab<Slot<S>>, node: u32) -> &mut Sub {
    let (index, number) = parts(node);
    slab[index].subs.get_mut(number).expect("a member has this subscription")
}

/// Ids are small numbers given by the hub, not by strangers; they only have to be spread.
fn hash(id: ChannelId) -> u64 {
    u64::from(id.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

const _: () = assert!(size_of::<LocalChannel>() <= 24);
