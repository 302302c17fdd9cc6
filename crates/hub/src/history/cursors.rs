//! The order of cursors in a history to which a publisher brings his own. Where nobody does, it is the order of places.

use super::{History, Removed};
use crate::limits::ALIASED_MAX;
use crate::rule::Keep;
use crate::trash::Trash;
use crate::{Decimal, Message, Millis};

impl History {
    /// Enters the message that is about to come last where its cursor stands, if the order of cursors is not that of
    /// places. When the first such message comes, only so many stay as may be kept from then on.
    pub(super) fn enter_by_cursor(
        &mut self,
        name: &str,
        message: &Message,
        now: Millis,
        keep: &Keep,
        removed: &mut Removed,
        trash: &mut Trash,
    ) {
        let is_aliased = message.about().is_aliased();
        if is_aliased && self.by_cursor().is_none() {
            while self.entries.len() > (keep.messages as usize).min(ALIASED_MAX) {
                self.pop(now, keep, removed, trash);
            }
            self.rare.get_or_insert_default().begin(self.entries.len());
        } else if self.by_cursor().is_none() {
            return;
        }
        let rare = self.rare.get_or_insert_default();
        rare.aliased += u32::from(is_aliased);
        let cursor = message.outside_in(name, &mut 0);
        let at = self.partition(name, |other| *other <= cursor);
        self.rare.get_or_insert_default().add(at);
    }

    /// Index of the message that goes first: the oldest of those with the least cursor.
    pub(super) fn least(&self) -> usize {
        self.by_cursor().map_or(0, |order| usize::from(order[0]))
    }

    /// The messages with a greater cursor than this one, in the order of cursors; and how many were looked at to find them.
    pub(crate) fn greater<'a>(
        &'a self,
        name: &str,
        cursor: &Decimal,
    ) -> (usize, impl Iterator<Item = &'a Message>) {
        let mut looked = 0;
        let first = self.partition(name, |other| {
            looked += 1;
            other <= cursor
        });
        (looked, (first..self.entries.len()).map(|place| self.at_cursor(place)))
    }

    /// The oldest message that came with just this cursor of its publisher's; and how many were looked at to find it.
    pub(crate) fn find_cursor(&self, name: &str, cursor: &Decimal) -> (usize, Option<&Message>) {
        if self.by_cursor().is_none() {
            return (0, None);
        }
        let mut looked = 1;
        let first = self.partition(name, |other| {
            looked += 1;
            other < cursor
        });
        let found = (first < self.entries.len()).then(|| self.at_cursor(first));
        (looked, found.filter(|message| message.outside_in(name, &mut 0) == *cursor))
    }

    /// Of how many messages, in the order of cursors, the cursor is such that others come behind it.
    fn partition(&self, name: &str, mut is_before: impl FnMut(&Decimal) -> bool) -> usize {
        let mut hint = 0;
        let mut is_before = |message: &Message| is_before(&message.outside_in(name, &mut hint));
        match self.by_cursor() {
            Some(order) => order.partition_point(|index| is_before(&self.entries[usize::from(*index)])),
            None => self.entries.partition_point(is_before),
        }
    }

    /// The message at this place in the order of cursors.
    fn at_cursor(&self, place: usize) -> &Message {
        &self.entries[self.by_cursor().map_or(place, |order| usize::from(order[place]))]
    }

    /// The indices of all messages in the order of cursors, where that is not the order of places.
    pub(super) fn by_cursor(&self) -> Option<&[u16]> {
        self.rare.as_ref()?.by_cursor()
    }

    /// Checks that all messages stand in that order.
    pub(super) fn audit_cursors(&self, name: &str) {
        let sorted = (0..self.entries.len()).map(|place| self.at_cursor(place));
        let sorted = sorted.map(|message| (message.outside_in(name, &mut 0), message.position));
        assert!(self.by_cursor().is_none_or(|order| order.len() == self.entries.len()));
        assert!(sorted.is_sorted());
    }
}
