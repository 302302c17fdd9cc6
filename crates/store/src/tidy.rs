//! Tidying up: what is still needed of the oldest segment is carried on to the end of the log, and the segment
//! goes. A step at a time, so that publishers do not wait for it.
//!
//! Where history itself takes more than half of what the log may, the segment's messages are evicted instead.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use exchange::hub::{Answered, Change, Fact, Message, Millis};
use exchange::{Exchange, Needed, Place};

use crate::disk::Disk;
use crate::limits::{MESSAGE_COST, TIDY_PLACES, TIDY_STEP};
use crate::log::{Batch, Log, Sync};
use crate::record::{self, ReadRecord, Record};
use crate::segment::HEADER_LEN;

/// A segment on its way out.
pub struct Tidy {
    bytes: Vec<u8>,
    at: usize,
    /// Channels of which something stands in it.
    names: BTreeSet<Arc<str>>,
}

impl Tidy {
    /// Begins with a segment, of which these bytes are good.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: HEADER_LEN, names: BTreeSet::new() }
    }

    /// One step; true when the segment is gone.
    pub fn step<D: Disk>(
        &mut self,
        log: &mut Log<D>,
        exchange: &Exchange,
        now: Millis,
        keys_age: Millis,
    ) -> io::Result<bool> {
        let mut batch = Batch::default();
        let mut read = 0;
        while read < TIDY_STEP
            && let Some(ReadRecord::Content(content, len)) = self.bytes.get(self.at..).map(record::read)
        {
            let whole = self.at..self.at + len;
            let Some(record) = record::decode(content) else { break };
            let is_needed = self.carry(record, log.options().len_max, exchange, now, keys_age, &mut batch);
            if is_needed {
                batch.add_bytes(&self.bytes[whole.clone()]);
            }
            (self.at, read) = (whole.end, read + 1);
        }
        let is_over = read < TIDY_STEP;
        if is_over {
            self.put_states(exchange, &mut batch);
        }
        if !batch.is_empty() {
            log.append(&mut batch)?;
        }
        if is_over {
            log.remove_oldest()?;
        } else if log.options().sync == Sync::Always {
            log.sync()?;
        }
        log.settle();
        Ok(is_over)
    }

    /// Whether a record is to be carried on as it is. What is needed of it otherwise goes into the batch.
    fn carry(
        &mut self,
        record: Record,
        len_max: u64,
        exchange: &Exchange,
        now: Millis,
        keys_age: Millis,
        batch: &mut Batch,
    ) -> bool {
        match record {
            Record::Fact(Fact::Message { message, key }) => {
                let held = self.held(&message, len_max, exchange);
                let is_held = held.is_some();
                if is_held && exchange.store().is_outdated(&message) {
                    // What says that this user left may go before this does.
                    batch.add(&Record::Outdated(message));
                    return false;
                }
                // It was taken back from some of its channels.
                if let Some(held) = held.filter(|held| held.targets().len() < message.targets().len()) {
                    batch.add_fact(&Fact::Message { message: held, key });
                    return false;
                }
                let key = key.filter(|key| !is_held && is_young(key, now, keys_age));
                key.into_iter().for_each(|key| batch.add(&Record::Key(*key)));
                is_held
            }
            Record::Outdated(message) => self.held(&message, len_max, exchange).is_some(),
            Record::Fact(Fact::Change { change: Change { position, name, .. }, .. }) => {
                self.names.insert(name);
                position > exchange.store().needed(&[]).changes_floor
            }
            Record::Fact(Fact::State(state)) => {
                self.names.insert(state.name);
                false
            }
            Record::Fact(Fact::UserEnd(end)) => exchange.ended_users().needs(&end, exchange.wall()),
            Record::Key(key) => is_young(&key, now, keys_age),
            // What these said is said again where the segment ends.
            Record::Floor(_) | Record::ChangesFloor(_) | Record::Batch { .. } | Record::Gone(_) => false,
        }
    }

    /// The message that is to be carried on, as history has it; `None`: it has not, or the log has no room for it.
    fn held(&mut self, message: &Message, len_max: u64, exchange: &Exchange) -> Option<Message> {
        let names = message.targets().iter().map(|target| &target.name);
        self.names.extend(names.clone().cloned());
        let places: Vec<Place<'_>> =
            names.map(|name| Place { name, position: Some(message.position) }).collect();
        let mut carried = exchange.store().is_awaited(message).then(|| message.clone());
        for places in places.chunks(TIDY_PLACES) {
            let Needed { held, history: (bytes, messages), .. } = exchange.store().needed(places);
            if bytes + messages * MESSAGE_COST <= len_max / 2 {
                carried = carried.or_else(|| held.into_iter().flatten().next());
                continue;
            }
            let held = places.iter().zip(held).filter(|(_, held)| held.is_some());
            held.for_each(|(place, _)| exchange.store().evict(place.name, message.position));
        }
        carried
    }

    /// The state of each channel, and what stands in for those forgotten.
    fn put_states(&self, exchange: &Exchange, batch: &mut Batch) {
        let names: Vec<&Arc<str>> = self.names.iter().collect();
        for names in names.chunks(TIDY_PLACES) {
            let places: Vec<Place<'_>> = names.iter().map(|name| Place { name, position: None }).collect();
            let Needed { states, emptied, .. } = exchange.store().needed(&places);
            for state in states.into_iter().flatten().chain(emptied) {
                batch.add_fact(&Fact::State(state));
            }
        }
        let Needed { floor, changes_floor, .. } = exchange.store().needed(&[]);
        batch.add(&Record::Floor(floor));
        batch.add(&Record::ChangesFloor(changes_floor));
    }
}

fn is_young(key: &Answered, now: Millis, age: Millis) -> bool {
    key.time.saturating_add(age) > now
}
