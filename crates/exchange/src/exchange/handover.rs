//! The exchange as plain data, for another program that goes on in the place of this one.
//!
//! Nobody may change anything meanwhile, so the lock is held for as long as it takes: an exception to what holds under it. All
//! shards are at rest by then, and whoever else asks waits.

use std::sync::Arc;

use hub::{ConnectionId, FrozenPiece, Hub, Limits, ThawError, UserEnd};
use serde::{Deserialize, Serialize};

use super::{Commit, Exchange, Inner};
use crate::said_keys::PlacedKey;
use crate::sync::MutexGuard;
use crate::taken_ids::Location;
use crate::{Clock, Shares, Wake};

/// What goes over to another program, a piece at a time: for nobody's eyes, since messages and keys stand in it.
#[derive(Serialize, Deserialize)]
pub struct HandedOver(HandedPart);

#[derive(Serialize, Deserialize)]
enum HandedPart {
    /// The first.
    Beside(Box<BesideHub>),
    Hub(FrozenPiece),
}

/// What is known beside the hub.
#[derive(Serialize, Deserialize)]
struct BesideHub {
    connection_key: [u8; 16],
    /// Ids that are not their connections' own, and where those are.
    taken_ids: Vec<(ConnectionId, Location)>,
    ended_users: Vec<UserEnd>,
    /// Under which clients published.
    said_keys: Vec<PlacedKey>,
}

/// The exchange while nobody changes it.
pub struct Resting<'a> {
    exchange: &'a Exchange,
    inner: MutexGuard<'a, Inner>,
}

impl Exchange {
    /// Keeps everybody from changing anything, until what is returned is dropped. `None`: something is under way; shards that
    /// came to rest have mail again, or the store has still to keep something.
    pub fn rest(&self) -> Option<Resting<'_>> {
        let inner = self.lock();
        let is_at_rest = inner.hub.is_at_rest()
            && inner.pending.is_empty()
            && self.mailboxes.iter().all(|mailbox| mailbox.is_settled());
        is_at_rest.then_some(Resting { exchange: self, inner })
    }

    /// An exchange that goes on in the place of the one that told these pieces, in order. What was told of other shards than there
    /// are wakers for is not to be.
    pub fn thaw(
        limits: Limits,
        shares: Shares,
        commit: Box<dyn Commit>,
        wakers: Vec<Arc<dyn Wake>>,
        pieces: impl IntoIterator<Item = HandedOver>,
    ) -> Result<Self, ThawError> {
        let mut pieces = pieces.into_iter().map(|HandedOver(part)| part);
        let Some(HandedPart::Beside(beside)) = pieces.next() else { return Err(ThawError::Malformed) };
        let pieces = pieces.map_while(|part| match part {
            HandedPart::Hub(piece) => Some(piece),
            HandedPart::Beside(_) => None,
        });
        let hub = Hub::thaw(limits, pieces)?;
        let clock = Clock::system_after(hub.clock());
        let this = Self::of(hub, clock, commit, wakers).with_shares(shares);
        Ok(this.with_connection_key(beside.connection_key).with_beside(*beside))
    }

    fn with_beside(self, beside: BesideHub) -> Self {
        for (id, location) in beside.taken_ids {
            self.taken_ids.take(id, location);
        }
        for end in &beside.ended_users {
            // There were no more of them before.
            let _ = self.ended_users.put(end, true);
        }
        beside.said_keys.into_iter().for_each(|key| self.shares.messages.keys.put_back(key));
        self
    }
}

impl Resting<'_> {
    /// Tells all that another program needs to go on.
    pub fn freeze(&self, mut each: impl FnMut(HandedOver)) {
        each(HandedOver(HandedPart::Beside(Box::new(self.beside()))));
        self.inner.hub.freeze(|piece| each(HandedOver(HandedPart::Hub(piece))));
    }

    fn beside(&self) -> BesideHub {
        let exchange = self.exchange;
        BesideHub {
            connection_key: exchange.connection_ids.key(),
            taken_ids: exchange.taken_ids.all(),
            ended_users: exchange.ended_users.all(),
            said_keys: exchange.shares.messages.keys.all(),
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::{Immediate, Mail, Published};
    use hub::{Epoch, Kind, Payload, Position, Publish, Seen, ShardId, Start};

    struct Silent;

    impl Wake for Silent {
        fn wake(&self) {}
    }

    fn wakers() -> Vec<Arc<dyn Wake>> {
        vec![Arc::new(Silent)]
    }

    fn exchange() -> Exchange {
        let (limits, epoch, commit) = (Limits::default(), Epoch::new(1), Box::new(Immediate));
        Exchange::new(limits, epoch, 7, Clock::system(), commit, wakers()).with_connection_key([3; 16])
    }

    fn say(exchange: &Exchange, text: &str) {
        let payload = Payload::new(text.as_bytes(), Kind::Text);
        let channels = [Box::from("a")].into_iter().collect();
        let publish = Publish { channels, aliases: [].into_iter().collect(), payload, ttl: None };
        exchange.publisher().publish(publish, None).unwrap();
    }

    /// The one that goes on, by way of bytes.
    fn next(exchange: &Exchange, keys_age: u64) -> Exchange {
        let mut pieces = Vec::new();
        let resting = exchange.rest().expect("nothing is under way");
        resting.freeze(|piece| pieces.push(postcard::to_stdvec(&piece).unwrap()));
        let pieces = pieces.iter().map(|bytes| postcard::from_bytes(bytes).unwrap());
        let rates = crate::MessageRates { keys_age, ..Default::default() };
        let shares = Shares::default().with_messages(rates);
        Exchange::thaw(Limits::default(), shares, Box::new(Immediate), wakers(), pieces).unwrap()
    }

    #[test]
    fn another_program_goes_on_with_all_that_is_known() {
        let rates = crate::MessageRates { keys_age: 100_000, ..Default::default() };
        let exchange = exchange().with_shares(Shares::default().with_messages(rates));
        say(&exchange, "one");
        let id = ConnectionId { start: 5, shard: ShardId(0), index: 6, generation: 7 };
        let location = Location { shard: ShardId(0), token: 8 };
        assert!(exchange.taken_ids.take(id, location));
        let now = exchange.wall();
        let end = UserEnd { user: "ann".into(), at: now, until: now.after(60_000) };
        exchange.ended_users.put(&end, true).unwrap();
        let (keys, begun) = (&exchange.shares.messages.keys, exchange.now());
        let hash = |number: u8| [number; 16];
        keys.begin(hash(1), hash(2), hash(3), begun);
        let seen = [("a".into(), Seen { waiting: 4, online: true })].into_iter().collect();
        let receipt = crate::Receipt::Released(Published { position: Position::from_bits(1), seen });
        keys.settle(hash(2), Some(receipt.clone()));
        keys.begin(hash(1), hash(9), hash(3), begun);

        let next = next(&exchange, 100_000);
        let page = next.admin().history("a", Start::Everything, 9).unwrap();
        assert_eq!(page.messages[0].payload().data(), b"one");
        assert_eq!((next.end(), next.cursors()), (exchange.end(), exchange.cursors()));
        assert_eq!(next.connection_ids.text(id), exchange.connection_ids.text(id));
        assert_eq!((next.taken_ids.location(id), next.ended_users.all()), (Some(location), vec![end]));
        let begin = |key| next.shares.messages.keys.begin(hash(1), hash(key), hash(3), next.now());
        assert_eq!(begin(2), crate::SaidKey::Placed(receipt));
        assert_eq!(begin(9), crate::SaidKey::New, "nobody goes on with what was under way");
        say(&next, "two");
        assert!(next.end() > exchange.end());
    }

    #[test]
    fn nobody_hands_over_while_something_is_under_way() {
        let exchange = exchange();
        exchange.registry().subscribe(ShardId(0), &["a"], Start::Now).unwrap();
        say(&exchange, "one");
        assert!(exchange.rest().is_none(), "a message is in the mailbox");
        let mut mail = Vec::new();
        exchange.shard(ShardId(0)).take_mail(&mut mail);
        assert!(exchange.rest().is_none(), "the shard has not given it yet");
        let [Mail::Delivery(delivery)] = &mail[..] else { panic!("{mail:?}") };
        exchange.shard(ShardId(0)).settle(1, delivery.message.bytes().len());
        assert!(exchange.rest().is_some());
        let channel = next(&exchange, 0).admin().channel("a").unwrap();
        assert_eq!((channel.waiting, channel.online), (1, true), "who waits is still registered");
    }
}
