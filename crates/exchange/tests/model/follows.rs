//! Somebody who follows all of the order: comes, reads page by page, goes, and comes back by its cursor.

use std::sync::Arc;

use multiplexor_exchange::hub::{OrderItem, Position, Start};
use multiplexor_exchange::{Exchange, OrderFollower};
use testkit::seeds::Chance;

use crate::reader::Said;

#[derive(Default)]
pub(crate) struct Follows {
    follower: Option<OrderFollower>,
    /// Up to here all was read.
    read: u64,
    /// The places of the messages that it got.
    got: Vec<u64>,
    /// Where it was told that some are missing: behind the first place, and before the second.
    gaps: Vec<(u64, u64)>,
}

impl Follows {
    pub(crate) fn go_on(&mut self, exchange: &Arc<Exchange>, chance: &mut Chance) {
        if self.follower.is_some() && chance.once_in(10) {
            self.follower = None;
            return;
        }
        self.read(exchange, 1 + chance.index(5));
    }

    /// Reads a page. Whether there is more.
    fn read(&mut self, exchange: &Arc<Exchange>, limit: usize) -> bool {
        let start = Start::After(Position::from_bits(self.read));
        let follower = self.follower.get_or_insert_with(|| OrderFollower::new(Arc::clone(exchange), start));
        let page = follower.read(limit);
        let mut last = self.read;
        let mut messages = Vec::new();
        for item in &page.items {
            assert!(item.position().to_bits() > last, "in order, and each once");
            last = item.position().to_bits();
            messages.extend(matches!(item, OrderItem::Message(_)).then_some(last));
        }
        let position = page.position.to_bits();
        assert!(last <= position && page.items.len() <= limit);
        if page.gap || page.changes_gap {
            self.gaps.push((self.read, messages.first().copied().unwrap_or(position + 1)));
        }
        self.got.extend(messages);
        self.read = position;
        page.more
    }

    /// At the end it has had all that was said, but for what it was told is missing.
    pub(crate) fn check(&mut self, exchange: &Arc<Exchange>, said: &[Said]) {
        while self.read(exchange, 7) {}
        let is_missing = |place: u64| self.gaps.iter().any(|(from, to)| place > *from && place < *to);
        let owed = said.iter().map(|said| said.place);
        let missed: Vec<u64> = owed.filter(|place| self.got.binary_search(place).is_err()).collect();
        assert!(missed.iter().all(|place| is_missing(*place)), "{missed:?} without a gap in {:?}", self.gaps);
        assert!(self.got.iter().all(|place| said.iter().any(|said| said.place == *place)));
    }
}
