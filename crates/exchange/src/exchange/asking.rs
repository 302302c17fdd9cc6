//! What shards ask, who takes it, and what they are told to do.

use std::sync::Arc;

use hub::{Position, ShardId};

use super::Exchange;
use crate::follower::Followers;
use crate::inquiries::{Inquiries, Inquiry};
use crate::{Order, Wake};

impl Exchange {
    /// The same, with somebody who takes questions; this is rung when there are some.
    #[must_use]
    pub fn with_bell(self, bell: Arc<dyn Wake>) -> Self {
        Self { inquiries: Some(Inquiries::new(bell)), ..self }
    }

    /// The same, whose followers are told through this notifier. It must be there before all shards.
    #[must_use]
    pub fn with_follower_notifier(self, notifier: Arc<dyn Wake>) -> Self {
        Self { followers: Followers::with_notifier(notifier), ..self }
    }

    /// Wakes all who follow: something was written to their notifier, or there is another reason to look.
    pub fn wake_followers(&self) {
        self.followers.wake();
    }

    /// To be asked when followers had their pause. True: they are to be woken again; false: the next change is written to
    /// their notifier.
    pub fn followers_go_on(&self) -> bool {
        self.followers.go_on()
    }

    /// A shard's turn ends: followers are told what came about in it.
    pub fn end_turn(&self) {
        self.followers.end_turn();
    }

    /// The next change behind this place is told. False: there is one.
    pub(crate) fn await_change(&self, read: Position) -> bool {
        let mut inner = self.lock();
        let (last, waits) = (inner.hub.last_change(), inner.hub.last_change() <= read);
        if waits {
            inner.followed = last;
        }
        waits
    }

    /// A shard asks something that it cannot find out itself. False: nobody takes questions, or there are too many.
    pub fn ask(&self, inquiry: Inquiry) -> bool {
        self.inquiries.as_ref().is_some_and(|inquiries| inquiries.put(inquiry))
    }

    /// Takes all questions there are.
    pub fn asked(&self) -> Vec<Inquiry> {
        self.inquiries.as_ref().map(Inquiries::take).unwrap_or_default()
    }

    /// Puts an order into the mailbox of a shard. False: it has no room left even in its reserve.
    pub fn order(&self, shard: ShardId, order: Order) -> bool {
        let mailbox = self.mailbox(shard);
        let taken = mailbox.order(order);
        mailbox.ring();
        taken
    }

    /// Puts an order into every mailbox. False when one had no room left even in its reserve.
    pub fn order_all(&self, order: &Order) -> bool {
        // One that is full keeps the order from no other.
        let mut all = true;
        for mailbox in &self.mailboxes {
            all &= mailbox.order(order.clone());
            mailbox.ring();
        }
        all
    }

    /// Channels of whose history time has left nothing since this was last called; see [`hub::Hub::outlived`].
    pub fn outlived(&self) -> Vec<Arc<str>> {
        self.with(|hub, _| hub.outlived())
    }
}
