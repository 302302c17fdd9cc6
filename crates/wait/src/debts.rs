//! What some connections of a shard have not got yet.

use std::sync::Arc;

use exchange::Delivery;
use exchange::hub::Position;

/// A delivery that some connections of this shard have still to be given.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) delivery: Arc<Delivery>,
}

impl Owed {
    pub(crate) fn position(&self) -> Position {
        self.delivery.message.position
    }

    pub(crate) fn len(&self) -> usize {
        self.delivery.message.bytes().len()
    }
}
