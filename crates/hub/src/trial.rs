//! A hub on trial: short ways to say things in unit tests. One shard, times and places as numbers.

use crate::limits::{PUBLISHERS_PART, RECORD_LEN};
use crate::{ChannelId, Epoch, Hub, Kind, Limits, Message, Next, Page, Payload, Position, Publish, Released};
use crate::{ShardId, Start};

pub(crate) const SHARD: ShardId = ShardId(0);

/// A hub with these limits.
pub(crate) fn hub(limits: Limits) -> Hub {
    Hub::new(limits, Epoch::new(1), 7)
}

/// A budget in which so many channels with names of one byte fit if somebody waits on them, and no more of any kind.
pub(crate) fn room_for(count: u64) -> u64 {
    (count * (RECORD_LEN + 1) * PUBLISHERS_PART).div_ceil(PUBLISHERS_PART - 1)
}

/// What is published to these channels, separated by commas.
pub(crate) fn publish(names: &str, len: u32, ttl: Option<u64>) -> Publish {
    let payload = Payload::new(vec![b'x'; len as usize], Kind::Either);
    let channels = names.split(',').map(Box::from).collect();
    Publish { channels, aliases: [].into_iter().collect(), payload, ttl }
}

/// Orders and releases a message of this length; returns it released.
pub(crate) fn say(hub: &mut Hub, names: &str, len: u32, now: u64) -> Released {
    hub.order(publish(names, len, None), now).unwrap();
    release(hub, now).pop().expect("it was just ordered")
}

/// Releases all that is ordered.
pub(crate) fn release(hub: &mut Hub, now: u64) -> Vec<Released> {
    let mut out = Vec::new();
    hub.release(Position::END, now, &mut out);
    hub.audit();
    out
}

/// A page of these channels, separated by commas.
pub(crate) fn page(hub: &mut Hub, names: &str, start: Start, now: u64) -> Page {
    let names: Vec<&str> = names.split(',').collect();
    let page = hub.subscribe(SHARD, &names, start, now).unwrap();
    hub.audit();
    page
}

/// Registers on one channel.
pub(crate) fn join(hub: &mut Hub, name: &str, now: u64) -> ChannelId {
    match page(hub, name, Start::Now, now).next {
        Next::Live { channels, .. } => channels[0],
        Next::More(_) => panic!("nothing is read"),
    }
}

pub(crate) fn after(place: u64) -> Start {
    Start::After(Position::from_bits(place))
}

pub(crate) fn places(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.position.to_bits()).collect()
}

/// All changes so far: name, online, time.
pub(crate) fn changes(hub: &Hub) -> Vec<(String, bool, u64)> {
    let changes = hub.changes(Start::Everything, usize::MAX).changes;
    changes.iter().map(|change| (change.name.to_string(), change.what.is_online(), change.time)).collect()
}
