//! Following the order: whoever reads it from a cursor on is woken when there is more. There are those who read its changes
//! of presence, and those who read all of it: messages, too.
//!
//! Something may come about in a shard's thread, which must wake no task. So followers are told through a notifier, a
//! descriptor that was there before all shards: by a shard at the end of its turn, by others at once, and only if
//! somebody waits (notice.rs). Behind it stands one task, which wakes those who wait for what came about
//! ([`Admin::wake_followers`](crate::Admin::wake_followers)) and then leaves them alone for
//! [`FOLLOW_PAUSE`](crate::limits::FOLLOW_PAUSE). In that time nothing is written: what comes is noted, and found by
//! [`Admin::followers_go_on`](crate::Admin::followers_go_on).

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use hub::{Changes, OrderPage, Position, Start, bookmark_name};

use crate::Exchange;
use crate::notice::View;

/// Follows the changes of presence from a place on: for `/watch`. It reads page by page; whoever has read all there is
/// waits for more, and misses nothing that comes about in between.
pub struct Follower {
    waiter: FollowerWaiter,
    /// Where the next page begins.
    start: Start,
}

impl Follower {
    /// Follows from here on. As many as there are connections and settings that ask for one.
    pub fn new(exchange: Arc<Exchange>, start: Start) -> Self {
        Self { waiter: FollowerWaiter::new(exchange, View::Changes), start }
    }

    /// The next page, of so many changes at the most.
    pub fn read(&mut self, limit: usize) -> Changes {
        let page = self.waiter.exchange.admin().changes(self.start, limit);
        self.start = Start::After(page.position);
        page
    }

    /// Waits until there is something behind this place, up to which all was read, or until everybody who waits is
    /// woken for another reason: so look, and wait again.
    pub async fn more(&self, read: Position) {
        self.waiter.more(read).await;
    }
}

/// Follows the whole order from a place on, messages and changes of presence: for whoever tells others of them. Messages
/// are kept for it beside the histories, as long as it is there; if it falls behind the last
/// [`RECENT_MESSAGES_MAX`](hub::limits::RECENT_MESSAGES_MAX) of them it is told of the gap. A task of any runtime may be one.
pub struct OrderFollower {
    waiter: FollowerWaiter,
    /// Where the next page begins.
    start: Start,
    /// Lets go of what was kept for it.
    unfollow: fn(&Exchange),
}

impl OrderFollower {
    /// Follows from here on. What was said before is kept only if somebody else followed then; otherwise it is a gap. As
    /// many as there are settings that ask for one.
    pub fn new(exchange: Arc<Exchange>, start: Start) -> Self {
        let end = exchange.follow_order();
        let start = if start == Start::Now { Start::After(end) } else { start };
        Self { waiter: FollowerWaiter::new(exchange, View::Order), start, unfollow: Exchange::unfollow_order }
    }

    /// Follows the changes of presence, and in their places who joins and leaves which channel, for `/watch`: what is no event is
    /// not kept for it. A time, or a number of changes, is where the changes of channels begin.
    pub fn of_users(exchange: Arc<Exchange>, start: Start) -> Self {
        let end = exchange.follow_events();
        let start = match start {
            Start::Now => Start::After(end),
            Start::Time(_) | Start::Tail(_) => {
                let page = exchange.admin().changes(start, 1);
                let first = page.changes.first().map(|change| change.position.before());
                Start::After(first.unwrap_or(page.position))
            }
            other => other,
        };
        Self {
            waiter: FollowerWaiter::new(exchange, View::Events),
            start,
            unfollow: Exchange::unfollow_events,
        }
    }

    /// The next page, of so much at the most; among it may be messages that somebody else follows.
    pub fn read(&mut self, limit: usize) -> OrderPage {
        let page = self.waiter.exchange.read_order(self.start, limit);
        self.start = Start::After(page.position);
        page
    }

    /// The same as [`Follower::more`].
    pub async fn more(&self, read: Position) {
        self.waiter.more(read).await;
    }
}

impl Drop for OrderFollower {
    fn drop(&mut self) {
        (self.unfollow)(&self.waiter.exchange);
    }
}

/// Follows the events in the order from a place on: changes of presence, and what is said of users. No other messages are kept
/// for it, so no publisher makes it fall behind; it is told of a gap as an [`OrderFollower`] is.
pub struct EventFollower {
    waiter: FollowerWaiter,
    /// The end when it began to follow.
    from: Position,
}

impl EventFollower {
    /// Follows from here on, and from where a store's memory begins. To be made before anybody waits or publishes.
    pub fn new(exchange: Arc<Exchange>) -> Self {
        let from = exchange.follow_events();
        Self { waiter: FollowerWaiter::new(exchange, View::Events), from }
    }

    /// The end when it began to follow: nothing behind it is missed.
    pub fn from(&self) -> Position {
        self.from
    }

    /// A page of what came after a place, of so much at the most.
    pub fn read(&mut self, after: Position, limit: usize) -> OrderPage {
        self.waiter.exchange.read_order(Start::After(after), limit)
    }

    /// The same as [`Follower::more`].
    pub async fn more(&self, read: Position) {
        self.waiter.more(read).await;
    }

    /// Bookmarks of an earlier run are forgotten, but for those of these names: whoever has one believes that nothing was dropped
    /// behind it.
    pub fn keep_bookmarks(&self, names: &[Box<str>]) {
        let kept: Vec<Box<str>> = names.iter().map(|name| bookmark_name(name)).collect();
        for channel in self.waiter.exchange.take_bookmarked() {
            if !kept.iter().any(|name| **name == *channel) {
                self.waiter.exchange.publisher().delete(&channel, true);
            }
        }
    }

    /// Up to here nobody will ask again, should the program be started anew: a store keeps what is behind it. `None`: nobody
    /// will ask for anything. Once all that a store remembered was read, it may be forgotten.
    pub fn settle(&self, place: Option<Position>, forget_restored: bool) {
        self.waiter.exchange.await_events(place, forget_restored);
    }
}

impl Drop for EventFollower {
    fn drop(&mut self) {
        self.waiter.exchange.unfollow_events();
    }
}

impl std::fmt::Debug for EventFollower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventFollower")
    }
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Follower(from {:?})", self.start)
    }
}

impl std::fmt::Debug for OrderFollower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OrderFollower(from {:?})", self.start)
    }
}

/// Where a follower waits.
struct FollowerWaiter {
    exchange: Arc<Exchange>,
    number: u64,
    view: View,
}

impl FollowerWaiter {
    fn new(exchange: Arc<Exchange>, view: View) -> Self {
        let number = exchange.followers().number();
        Self { exchange, number, view }
    }

    async fn more(&self, read: Position) {
        let mut was_parked = false;
        poll_fn(|context| {
            let is_woken = std::mem::replace(&mut was_parked, true);
            if is_woken { Poll::Ready(()) } else { self.park(read, context) }
        })
        .await;
    }

    fn park(&self, read: Position, context: &Context<'_>) -> Poll<()> {
        let last = match self.view {
            View::Changes => self.exchange.last_change(),
            View::Order => self.exchange.end(),
            // That is looked at with the lock below.
            View::Events => Position::START,
        };
        if last > read {
            return Poll::Ready(());
        }
        self.exchange.followers().park(self.number, self.view, context.waker().clone());
        if self.exchange.await_more(self.view, read) { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for FollowerWaiter {
    fn drop(&mut self) {
        self.exchange.followers().leave(self.number);
    }
}
