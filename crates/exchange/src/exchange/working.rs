//! Working: which shards go on with long jobs now.

use hub::ShardId;

use super::Exchange;
use crate::lanes::Lanes;

impl Exchange {
    /// The same, where no more than so many shards carry out long jobs at a time: as many as there are processors.
    pub fn with_lanes(mut self, count: usize) -> Self {
        self.lanes = Lanes::new(count, self.mailboxes.len());
        self
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
