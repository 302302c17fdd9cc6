//! What those who follow ask of the hub: the order, and to be told of what comes next.

use std::sync::Arc;

use hub::{OrderPage, Position, Start};

use super::Exchange;
use crate::notice::{Followers, View};

impl Exchange {
    /// Those who follow.
    pub(crate) fn followers(&self) -> &Followers {
        &self.followers
    }

    /// What comes next behind this place is told. False: there is something.
    pub(crate) fn await_more(&self, view: View, read: Position) -> bool {
        let mut inner = self.lock();
        let last = inner.last_of(view);
        let waits = last <= read;
        if waits {
            inner.followed[view as usize] = last;
        }
        waits
    }

    /// Somebody follows all of the order, from the end that is returned on.
    pub(crate) fn follow_order(&self) -> Position {
        self.with(|hub, _| {
            hub.follow();
            hub.end()
        })
    }

    /// Somebody follows it no longer.
    pub(crate) fn unfollow_order(&self) {
        self.with(|hub, _| hub.unfollow());
    }

    /// Somebody follows the events in the order.
    pub(crate) fn follow_events(&self) -> Position {
        self.with(|hub, _| {
            hub.follow_events();
            hub.end()
        })
    }

    /// Somebody follows them no longer.
    pub(crate) fn unfollow_events(&self) {
        self.with(|hub, _| hub.unfollow_events());
    }

    /// How far those have come who follow.
    pub(crate) fn await_events(&self, place: Option<Position>, forget_restored: bool) {
        self.with(|hub, _| hub.await_events(place, forget_restored));
    }

    /// The channels of the bookmarks that a store had.
    pub(crate) fn take_bookmarked(&self) -> Vec<Arc<str>> {
        self.with(|hub, _| hub.take_bookmarked())
    }

    /// What came after the start, of all the order.
    pub(crate) fn read_order(&self, start: Start, limit: usize) -> OrderPage {
        self.with(|hub, _| hub.read_order(start, limit))
    }
}
