//! What is watched: the feed of changes alone, or with the users who join and leave.

use std::sync::Arc;

use dialect::hub::{OrderItem, Position, Start, is_of_all_users, presence_of};
use exchange::{Follower, OrderFollower};

use crate::state::InLine;

/// Where a watcher reads.
pub(super) enum WatchSource {
    /// Who comes online and who goes.
    Changes(Follower),
    /// That, and who joins and leaves.
    Users(OrderFollower),
}

/// What comes next.
pub(super) struct WatchPage {
    /// In order.
    pub(super) items: Vec<OrderItem>,
    /// Some of what the asker was owed is gone.
    pub(super) gap: bool,
    /// Ask again after this place.
    pub(super) position: Position,
    /// Whether there is more right now.
    pub(super) more: bool,
}

impl WatchSource {
    pub(super) fn new(line: &InLine, users: bool, start: Start) -> Self {
        let exchange = || Arc::clone(&line.exchange);
        if !users {
            return Self::Changes(Follower::new(exchange(), start));
        }
        line.follows_users.get_or_init(|| OrderFollower::of_users(exchange(), Start::Now));
        Self::Users(OrderFollower::of_users(exchange(), start))
    }

    /// The next page, of so much at the most.
    pub(super) fn read(&mut self, limit: usize) -> WatchPage {
        match self {
            Self::Changes(follower) => {
                let page = follower.read(limit);
                let items = page.changes.into_iter().map(OrderItem::Change).collect();
                WatchPage { items, gap: page.gap, position: page.position, more: page.more }
            }
            Self::Users(follower) => {
                let page = follower.read(limit);
                let gap = page.gap || page.changes_gap;
                WatchPage { items: page.items, gap, position: page.position, more: page.more }
            }
        }
    }

    /// Waits until there is something behind this place.
    pub(super) async fn more(&self, read: Position) {
        match self {
            Self::Changes(follower) => follower.more(read).await,
            Self::Users(follower) => follower.more(read).await,
        }
    }
}

/// Of which channel this is told; `None`: it is nothing that is watched.
pub(super) fn channel_of(item: &OrderItem) -> Option<&str> {
    match item {
        OrderItem::Change(change) => Some(&change.name),
        OrderItem::Message(message) => {
            message.movement()?;
            presence_of(&message.targets()[0].name).filter(|channel| !is_of_all_users(channel))
        }
    }
}
