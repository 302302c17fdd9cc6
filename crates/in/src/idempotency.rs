//! What came of messages under their idempotency keys, so that a repeat publishes nothing.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use dialect::hub::{Answered, HASH_LEN, IdempotencyKey, Millis, Publish, excerpt};
use dialect::{Code, Problem};
use exchange::{Keys, KeysLoad, Published, Receipt};
use tokio::sync::Mutex;

/// All keys that are remembered.
pub(crate) struct Idempotency {
    keys: Keys<First>,
}

/// What came of the message under a key; held while the first who came with it is under way.
pub(crate) type First = Arc<Mutex<Option<FirstPublish>>>;

/// The first message that came under a key, and what became of it.
pub(crate) struct FirstPublish {
    /// Tells it from any other; `None`: not known.
    pub(crate) hash: Option<[u8; HASH_LEN]>,
    pub(crate) receipt: Receipt,
}

impl Idempotency {
    /// Remembers so many keys for so long; `answered` are those that came before the program was started anew.
    pub(crate) fn new(age: Duration, count: usize, answered: Vec<Answered>) -> Self {
        let keys = Keys::new(u64::try_from(age.as_millis()).unwrap_or(u64::MAX), count);
        for Answered { key, time, position, seen } in answered {
            let weight = seen.len();
            let receipt = Receipt::Released(Published { position, seen });
            let first = FirstPublish { hash: key.hash, receipt };
            keys.keep(&key.id(), weight, time, Arc::new(Mutex::new(Some(first))));
        }
        Self { keys }
    }

    /// What came of the message under a key, which is one to so many channels.
    pub(crate) fn entry(&self, key: &IdempotencyKey, channels: usize, now: Millis) -> First {
        self.keys.entry(&key.id(), channels, now)
    }

    /// All of them, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<(Arc<str>, usize, Millis, First)> {
        self.keys.all()
    }

    /// One that came at this time. They come in the order of their times.
    pub(crate) fn keep(&self, id: &str, weight: usize, since: Millis, first: First) {
        self.keys.keep(id, weight, since, first);
    }

    /// How many there are.
    pub(crate) fn load(&self) -> KeysLoad {
        self.keys.load()
    }

    /// Forgets those whose time is over.
    pub(crate) fn tick(&self, now: Millis) {
        self.keys.tick(now);
    }
}

impl FirstPublish {
    /// Whether the store gave it up, which is as good as never tried.
    pub(crate) fn is_given_up(&self) -> bool {
        matches!(&self.receipt, Receipt::Ordered(pending) if matches!(pending.look(), Some(Err(_))))
    }
}

/// A key as it is remembered: whose it is, and for what.
pub(crate) fn known_as(key: &str, owner: Option<Box<str>>, publish: &Publish) -> IdempotencyKey {
    let mut context = Context::new(&SHA256);
    let mut add = |piece: Option<&[u8]>| {
        // Pieces have their length in front, so that none can be taken for a part of another.
        let len = piece.map_or(u64::MAX, |piece| piece.len() as u64);
        context.update(&len.to_le_bytes());
        context.update(piece.unwrap_or_default());
    };
    add(Some(&(publish.channels.len() as u64).to_le_bytes()));
    publish.channels.iter().for_each(|name| add(Some(name.as_bytes())));
    let payload = &publish.payload;
    add(payload.event.as_deref().map(str::as_bytes));
    add(payload.content_type.as_deref().map(str::as_bytes));
    add(publish.ttl.map(u64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
    add(Some(payload.data()));
    let hash = context.finish().as_ref().first_chunk().copied();
    IdempotencyKey { owner, text: key.into(), hash }
}

pub(crate) fn reused(key: &str) -> Problem {
    Problem::new(
        422,
        Code::KeyReused,
        format!(
            "the idempotency key {:?} came before with another message; give each message a key of its own, and \
             repeat it as it was: channels, data, event, type and ttl",
            excerpt(key)
        ),
    )
}
