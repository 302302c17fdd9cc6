//! The stages of one message under the lock.

use std::sync::Arc;

use hub::{IdempotencyKey, Millis, Position, Publish, Refused, Released, ShardId, addressed};
use smallvec::SmallVec;

use super::{Exchange, Inner, PublishError, Published, Receipt, Rung};
use crate::mailbox::Mailbox;
use crate::{Delivery, Pending, Unstored};

impl Exchange {
    /// Why the store would not keep a message that it is to keep.
    pub(super) fn unstored(&self, inner: &Inner, publish: &Publish) -> Option<Unstored> {
        self.publisher().store_trouble().filter(|_| inner.hub.is_durable(publish))
    }

    /// Whether every mailbox that a message to these channels would go to takes more, and the store does.
    pub(super) fn has_room(&self, inner: &Inner, channels: &[Box<str>]) -> bool {
        if channels.iter().any(|name| addressed(name).is_some()) {
            return !self.publisher().store_is_behind() && !self.mailboxes.iter().any(Mailbox::full);
        }
        !self.publisher().store_is_behind()
            && !inner.hub.interested(channels).iter().any(|shard| self.mailbox(*shard).full())
    }

    fn all_shards(&self) -> SmallVec<[ShardId; 4]> {
        (0..self.shards()).map(|number| ShardId(u16::try_from(number).expect("they are few"))).collect()
    }

    /// The message, if a store keeps it and there is room for it.
    fn admitted(&self, inner: &Inner, publish: Publish) -> Result<Publish, PublishError> {
        if let Some(why) = self.unstored(inner, &publish) {
            return Err(PublishError::Unstored(why));
        }
        if !self.has_room(inner, &publish.channels) {
            return Err(PublishError::Full(Box::new(publish)));
        }
        Ok(publish)
    }

    pub(super) fn place_if_room(
        &self,
        inner: &mut Inner,
        publish: Publish,
        key: Option<&IdempotencyKey>,
        now: Millis,
        rung: &mut Rung,
    ) -> Result<Receipt, PublishError> {
        let publish = self.admitted(inner, publish)?;
        self.place(inner, publish, key, now, rung).map_err(PublishError::Refused)
    }

    /// The same in a shard's turn. What a store has to keep first is released when it has, by its thread: a shard wakes no
    /// publisher.
    pub(super) fn place_in_turn(
        &self,
        inner: &mut Inner,
        publish: Publish,
        now: Millis,
        rung: &mut Rung,
    ) -> Result<Receipt, PublishError> {
        let publish = self.admitted(inner, publish)?;
        let position = inner.hub.order(publish, now)?;
        let committed =
            if self.journal().is_some() { Position::START } else { self.commit.ordered(position) };
        Ok(self.placed_up_to(inner, position, committed, now, rung))
    }

    /// All stages of one message, under the lock.
    pub(super) fn place(
        &self,
        inner: &mut Inner,
        publish: Publish,
        key: Option<&IdempotencyKey>,
        now: Millis,
        rung: &mut Rung,
    ) -> Result<Receipt, Refused> {
        let position = inner.hub.order(publish, now)?;
        if let Some(key) = key {
            inner.hub.answered(key, now);
        }
        Ok(self.placed(inner, position, now, rung))
    }

    /// The stages after the first.
    pub(super) fn placed(
        &self,
        inner: &mut Inner,
        position: Position,
        now: Millis,
        rung: &mut Rung,
    ) -> Receipt {
        self.placed_up_to(inner, position, self.commit.ordered(position), now, rung)
    }

    /// The same, where all up to `committed` is safe.
    fn placed_up_to(
        &self,
        inner: &mut Inner,
        position: Position,
        committed: Position,
        now: Millis,
        rung: &mut Rung,
    ) -> Receipt {
        let mut own = None;
        self.release(inner, committed, now, rung, |released| {
            if released.message.position == position {
                own = Some(published(released));
            }
        });
        if let Some(published) = own {
            self.timing.release.record(0);
            return Receipt::Released(published);
        }
        let pending = Pending::new(position, inner.now_us);
        inner.pending.push_back(pending.clone());
        Receipt::Ordered(pending)
    }

    /// Stage three, under the lock: into history and mailboxes, in order.
    pub(super) fn release(
        &self,
        inner: &mut Inner,
        committed: Position,
        now: Millis,
        rung: &mut Rung,
        mut each: impl FnMut(&Released),
    ) {
        let Inner { hub, released, pending, now_us, .. } = inner;
        let waited = |pending: &Pending| {
            self.timing.release.record(now_us.saturating_sub(pending.placed_us()));
        };
        hub.release(committed, now, released);
        for item in released.drain(..) {
            each(&item);
            let told = |is_it: bool| is_it.then(|| published(&item));
            rung.answer(pending, item.message.position, waited, told);
            let shards = if item.is_for_all_shards { self.all_shards() } else { item.shards };
            if shards.is_empty() {
                continue;
            }
            let delivery = Arc::new(Delivery::new(item.message, item.channels, *now_us));
            for shard in shards {
                self.mailbox(shard).put(Arc::clone(&delivery));
                if !rung.shards.contains(&shard) {
                    rung.shards.push(shard);
                }
            }
        }
        rung.answer(pending, hub.end(), waited, |_| None);
    }
}

/// What the publisher of a message is told. Who waits on a channel that nobody listens to by name, only shards know.
fn published(released: &Released) -> Published {
    let names = released.message.targets().iter().map(|target| Arc::clone(&target.name));
    Published {
        position: released.message.position,
        seen: names
            .zip(released.seen.iter().copied())
            .filter(|(name, _)| addressed(name).is_none())
            .collect(),
    }
}
