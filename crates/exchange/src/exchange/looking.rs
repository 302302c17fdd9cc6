//! Looking: what is known of channels, their history and their changes; nobody is registered by it.

use hub::limits::SCAN_STEP_MAX;
use hub::{Before, Changes, ChannelId, ChannelInfo, OlderPage, Page, Position, Rules, Start, Totals};

use super::Exchange;
use crate::Returns;
use crate::sync::Ordering;

impl Exchange {
    /// Who came back to the same message.
    pub fn returns(&self) -> &Returns {
        &self.returns
    }

    /// What is set for channels by their names.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Reads history without registering; `None` when nothing is known of the channel.
    pub fn history(&self, name: &str, start: Start, limit: usize) -> Option<Page> {
        self.with(|hub, now| hub.history(name, start, limit, now))
    }

    /// Reads a page of what was said before, `limit` messages at the most.
    pub fn older(&self, name: &str, before: Before, limit: usize) -> OlderPage {
        loop {
            if let Some(page) = self.with(|hub, now| hub.try_older(name, before, limit, now)) {
                return page;
            }
        }
    }

    /// The records of channels, where there are any.
    pub fn find(&self, names: &[Box<str>]) -> Vec<Option<ChannelId>> {
        self.with(|hub, _| hub.find_each(names))
    }

    /// One channel, if it is remembered.
    pub fn channel(&self, name: &str) -> Option<ChannelInfo> {
        self.with(|hub, _| hub.channel(name))
    }

    /// All channels that pass; the lock is free between steps, so this is no snapshot.
    pub fn channels(&self, pass: &dyn Fn(&str, bool) -> bool, mut take: impl FnMut(&mut Vec<ChannelInfo>)) {
        let (mut from, mut found) = (0, Vec::with_capacity(SCAN_STEP_MAX));
        loop {
            let next = self.with(|hub, _| hub.scan(from, pass, &mut found));
            take(&mut found);
            found.clear();
            match next {
                Some(next) => from = next,
                None => return,
            }
        }
    }

    /// Changes of online and offline after the start.
    pub fn changes(&self, start: Start, limit: usize) -> Changes {
        self.with(|hub, _| hub.changes(start, limit))
    }

    /// The place of the last change; whoever waits for one looks here, and takes no lock.
    pub fn last_change(&self) -> Position {
        Position::from_bits(self.changed.load(Ordering::Acquire))
    }

    /// How many changes of online and offline are kept.
    pub fn changes_kept(&self) -> usize {
        self.with(|hub, _| hub.changes_kept())
    }

    /// Sums over all channels.
    pub fn totals(&self) -> Totals {
        self.with(|hub, _| hub.totals())
    }
}
