//! Working: what a shard does with its mail, and which shards go on with long jobs now.

use hub::ShardId;

use super::Exchange;
use crate::lanes::Lanes;
use crate::{Mail, MailboxLoad};

impl Exchange {
    /// The same, where no more than so many shards carry out long jobs at a time: as many as there are processors.
    pub fn with_lanes(mut self, count: usize) -> Self {
        self.lanes = Lanes::new(count, self.mailboxes.len());
        self
    }

    /// Takes all mail of a shard into `mail`, which must be empty.
    pub fn take_mail(&self, shard: ShardId, mail: &mut Vec<Mail>) {
        self.mailbox(shard).take(mail);
    }

    /// The shard has given so many messages, of so many bytes, to all its connections.
    pub fn settle(&self, shard: ShardId, messages: usize, bytes: usize) {
        self.mailbox(shard).settle(messages, bytes);
    }

    /// The shard wants to sleep. True: it may, and will be woken; false: it has mail.
    pub fn may_sleep(&self, shard: ShardId) -> bool {
        self.mailbox(shard).may_sleep()
    }

    /// The shard no longer sleeps.
    pub fn awake(&self, shard: ShardId) {
        self.mailbox(shard).awake();
    }

    /// How much a shard owes.
    pub fn load(&self, shard: ShardId) -> MailboxLoad {
        self.mailbox(shard).load()
    }

    /// A shard wants to go on with a long job. False: it is others' turn; it will be woken for its own.
    pub fn enter_lane(&self, shard: ShardId) -> bool {
        self.lanes.enter(shard)
    }

    /// Whether others wait to go on with theirs.
    pub fn is_lane_wanted(&self) -> bool {
        self.lanes.is_wanted()
    }

    /// A shard that entered goes on no longer: the next one does.
    pub fn leave_lane(&self) {
        if let Some(next) = self.lanes.leave() {
            self.mailbox(next).call();
        }
    }

    /// A shard ends, in its turn or not.
    pub fn forget_lane(&self, shard: ShardId) {
        if self.lanes.forget(shard) {
            self.leave_lane();
        }
    }
}
