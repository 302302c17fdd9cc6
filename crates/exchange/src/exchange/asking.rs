//! What shards ask, who takes it, and what they are told to do.

use std::sync::Arc;

use hub::ShardId;

use super::Exchange;
use crate::inquiries::{Inquiries, Inquiry};
use crate::{Order, Wake};

impl Exchange {
    /// The same, with somebody who takes questions; this is rung when there are some.
    #[must_use]
    pub fn with_bell(self, bell: Arc<dyn Wake>) -> Self {
        Self { inquiries: Some(Inquiries::new(bell)), ..self }
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
