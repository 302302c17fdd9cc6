//! An exchange on trial: short ways to say things, a clock and a commit by hand, bells that count.

#![allow(dead_code, reason = "each file of tests uses its part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use multiplexor_exchange::hub::{
    Bytes, ChannelId, Epoch, Kind, Limits, Next, Payload, Position, Publish, ShardId, Start,
};
use multiplexor_exchange::{Clock, Commit, Exchange, Immediate, Mail, Order, PublishError, Receipt, Wake};

/// An exchange with what its test holds in its hands.
pub(crate) struct Trial {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) bells: Vec<Arc<Bell>>,
}

/// Counts how often a shard was woken.
#[derive(Default)]
pub(crate) struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    /// How often it rang since it was last asked.
    pub(crate) fn rung(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// Commits what it was told to, and nothing before.
#[derive(Clone, Default)]
pub(crate) struct Manual(pub(crate) Arc<AtomicU64>);

impl Commit for Manual {
    fn ordered(&self, _: Position) -> Position {
        Position::from_bits(self.0.load(Ordering::SeqCst))
    }
}

impl Trial {
    pub(crate) fn new(shards: usize) -> Self {
        Self::with(shards, Limits::default(), Box::new(Immediate))
    }

    pub(crate) fn with(shards: usize, limits: Limits, commit: Box<dyn Commit>) -> Self {
        let bells: Vec<Arc<Bell>> = (0..shards).map(|_| Arc::default()).collect();
        let wakers = bells.iter().map(|bell| Arc::clone(bell) as Arc<dyn Wake>).collect();
        let clock = Clock::manual(Arc::new(AtomicU64::new(1_000)));
        Self { exchange: Arc::new(Exchange::new(limits, Epoch::new(1), 7, clock, commit, wakers)), bells }
    }

    /// Registers a shard on channels separated by commas.
    pub(crate) fn join(&self, shard: u16, names: &str) -> Vec<ChannelId> {
        let names: Vec<&str> = names.split(',').collect();
        match self.exchange.registry().subscribe(ShardId(shard), &names, Start::Now).unwrap().next {
            Next::Live { channels, .. } => channels,
            Next::More(_) => panic!("nothing is read"),
        }
    }

    pub(crate) fn say(&self, names: &str, data: &str) -> Result<Receipt, PublishError> {
        self.exchange.publisher().publish(publish(names, data.as_bytes().into()), None)
    }

    /// What is in a mailbox, in words; it is empty then, and all in it is settled.
    pub(crate) fn mail(&self, shard: u16) -> Vec<String> {
        let mut mail = Vec::new();
        self.exchange.shard(ShardId(shard)).take_mail(&mut mail);
        let words = mail.iter().map(words).collect();
        for item in mail {
            if let Mail::Delivery(delivery) = item {
                self.exchange.shard(ShardId(shard)).settle(1, delivery.message.bytes().len());
            }
        }
        words
    }

    /// Messages a channel keeps, as others may know it.
    pub(crate) fn kept(&self, name: &str) -> u32 {
        self.exchange.admin().channel(name).map_or(0, |info| info.messages)
    }
}

fn words(item: &Mail) -> String {
    match item {
        Mail::Delivery(delivery) => String::from_utf8_lossy(delivery.message.payload().data()).into_owned(),
        Mail::Order(Order::Deleted { name, .. }) => format!("deleted {name}"),
        Mail::Order(Order::Canary(canary)) => {
            canary.passed();
            "canary".to_owned()
        }
        Mail::Order(Order::Snapshot(_)) => "snapshot".to_owned(),
        Mail::Order(Order::Users(_)) => "users".to_owned(),
        Mail::Order(Order::Finish(_)) => "finish".to_owned(),
        Mail::Order(Order::Rest) => "rest".to_owned(),
        Mail::Order(Order::Look) => "look".to_owned(),
        Mail::Order(Order::AskConnection { .. }) => "ask".to_owned(),
        Mail::Order(Order::TellConnection { .. }) => "tell".to_owned(),
        Mail::Order(Order::Drain(_)) => "drain".to_owned(),
    }
}

/// What is published to channels separated by commas.
pub(crate) fn publish(names: &str, bytes: Bytes) -> Publish {
    let payload = Payload::new(bytes, Kind::Either);
    let channels = names.split(',').map(Box::from).collect();
    Publish { channels, aliases: [].into_iter().collect(), payload, ttl: None }
}
