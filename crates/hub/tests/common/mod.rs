//! What the seeded tests share: short ways to say things.

use multiplexor_hub::{Kind, Payload, Publish};

/// A publish of `len` bytes.
pub(crate) fn publish(channels: &[&str], len: usize, ttl: Option<u64>) -> Publish {
    let payload = Payload::new(vec![b'x'; len], Kind::Either);
    let channels = channels.iter().map(|name| Box::from(*name)).collect();
    Publish { channels, aliases: [].into_iter().collect(), payload, ttl }
}
