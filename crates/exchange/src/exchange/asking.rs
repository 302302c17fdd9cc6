//! What shards are told to do, and who follows what they do.

use std::sync::Arc;

use hub::{Position, ShardId};

use super::Exchange;
use crate::connection_ids::ConnectionIds;
use crate::follower::Followers;
use crate::{Order, TakenIds, Wake};

impl Exchange {
    /// The same, whose followers are told through this notifier. It must be there before all shards.
    #[must_use]
    pub fn with_follower_notifier(self, notifier: Arc<dyn Wake>) -> Self {
        Self { followers: Followers::with_notifier(notifier), ..self }
    }

    /// The same, whose ids of connections are made with this key, which nobody else may know.
    #[must_use]
    pub fn with_connection_key(self, key: [u8; 16]) -> Self {
        Self { connection_ids: ConnectionIds::new(key), ..self }
    }

    /// Makes and reads ids of connections.
    pub fn connection_ids(&self) -> &ConnectionIds {
        &self.connection_ids
    }

    /// Ids that connections took over.
    pub fn taken_ids(&self) -> &TakenIds {
        &self.taken_ids
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

    /// Puts an order into the mailbox of a shard. False: it has no room left even in its reserve.
    pub fn order(&self, shard: ShardId, order: Order) -> bool {
        let taken = self.post(shard, order);
        self.wake_shard(shard);
        taken
    }

    /// The same, without waking it.
    pub(crate) fn post(&self, shard: ShardId, order: Order) -> bool {
        self.mailbox(shard).order(order)
    }

    /// Wakes a shard that sleeps though it has mail.
    pub(crate) fn wake_shard(&self, shard: ShardId) {
        self.mailbox(shard).ring();
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
