//! What the seeded tests share: short ways to say things.

use multiplexor_hub::{AudienceKind, Kind, Origin, Payload, Publish};

/// A publish of `len` bytes.
pub(crate) fn publish(channels: &[&str], len: usize, ttl: Option<u64>) -> Publish {
    let payload = Payload {
        bytes: vec![b'x'; len].into(),
        data: 0..len as u32,
        origin: Origin::Native,
        audience: AudienceKind::All,
        event: None,
        content_type: None,
        kind: Kind::Either,
    };
    let channels = channels.iter().map(|name| Box::from(*name)).collect();
    Publish { channels, aliases: [].into_iter().collect(), payload, ttl }
}
