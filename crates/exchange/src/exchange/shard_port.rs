//! The port of a shard: its mail, its sleep, and its part in long jobs.

use hub::{Publish, ShardId};

use super::{Exchange, PublishError, Receipt};
use crate::{Mail, Order, ShardTiming};

/// What a shard takes, and what it says of itself.
#[derive(Clone, Copy)]
pub struct ShardPort<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) shard: ShardId,
}

impl<'a> ShardPort<'a> {
    /// Where the shard records what it measures. It alone does.
    #[inline]
    pub fn timing(&self) -> &'a ShardTiming {
        &self.exchange.shard_timing[usize::from(self.shard.0)]
    }

    /// Takes all mail into `mail`, which must be empty.
    pub fn take_mail(&self, mail: &mut Vec<Mail>) {
        self.exchange.mailbox(self.shard).take(mail);
    }

    /// The shard has given so many messages, of so many bytes, to all its connections.
    pub fn settle(&self, messages: usize, bytes: usize) {
        self.exchange.mailbox(self.shard).settle(messages, bytes);
    }

    /// The shard wants to sleep. True: it may, and will be woken; false: it has mail.
    pub fn may_sleep(&self) -> bool {
        self.exchange.mailbox(self.shard).may_sleep()
    }

    /// The shard no longer sleeps.
    pub fn awake(&self) {
        self.exchange.mailbox(self.shard).awake();
    }

    /// Puts an order into the mailbox of another shard. False: it has no room left even in its reserve.
    pub fn order(&self, to: ShardId, order: Order) -> bool {
        let taken = self.exchange.post(to, order);
        self.exchange.wake_shard(to);
        taken
    }

    /// Gives what a client says its place, on the one path that all messages take, as
    /// [`Publisher::publish`](super::Publisher::publish) does: with a store it is released when that has it.
    pub fn publish(&self, publish: Publish) -> Result<Receipt, PublishError> {
        let (result, news, rung) =
            self.exchange.hold(|inner, now, rung| self.exchange.place_in_turn(inner, publish, now, rung));
        self.exchange.ring_in_turn(&rung, news);
        result
    }

    /// A shard's turn ends: followers are told what came about in it.
    pub fn end_turn(&self) {
        self.exchange.followers.end_turn();
    }

    /// A shard wants to go on with a long job. False: it is others' turn; it will be woken for its own.
    pub fn enter_lane(&self) -> bool {
        self.exchange.lanes.enter(self.shard)
    }

    /// Whether others wait to go on with theirs.
    pub fn is_lane_wanted(&self) -> bool {
        self.exchange.lanes.is_wanted()
    }

    /// A shard that entered goes on no longer: the next one does.
    pub fn leave_lane(&self) {
        if let Some(next) = self.exchange.lanes.leave() {
            self.exchange.mailbox(next).call();
        }
    }

    /// A shard ends, in its turn or not.
    pub fn forget_lane(&self) {
        if self.exchange.lanes.forget(self.shard) {
            self.leave_lane();
        }
    }
}
