//! A seat: a connection as whoever goes on with it gets it, its socket and all else as bytes.
//!
//! The bytes begin with the version of their format, two bytes, the lower one first. What follows is plain data of at most
//! [`SEAT_LEN_MAX`] bytes in `postcard`'s way. Bytes of another version are refused with a sentence, and so are those that are
//! none of ours; both never panic. Times are told as what is left of them, since the clocks of two shards have nothing to do
//! with each other; people's time, by which credentials end, is told as it is.
//!
//! A seat names channels by the numbers of their records, and says nothing of counts: what the hub, the shares and the ids
//! know of a connection goes over with them, or stays where it is.

mod session;

use std::net::SocketAddr;

use exchange::hub::ConnectionId;
use exchange::hub::ShardId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use transport::Frozen;
use transport::dialect::HeldError;

use crate::callers::Caller;
use crate::kernel::Errno;
use crate::limits::SEAT_LEN_MAX;

pub(crate) use session::FrozenSession;

/// A connection on its way from one shard to another.
pub struct Seat<S> {
    /// Its socket, which no kernel watches.
    pub socket: S,
    /// All else: for nobody's eyes, since what its client has said and keys stand in it.
    pub bytes: Vec<u8>,
}

/// What a shard leaves to the one that goes on in its place, besides its seats.
pub struct Estate<L> {
    /// Its listeners, with what waits there to be accepted, each with the dialect that is understood there.
    pub listeners: Vec<(L, transport::dialect::DialectSet)>,
    /// What it knows itself.
    pub bytes: Vec<u8>,
}

/// Why a seat, or an estate, cannot be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeatError {
    /// Another version of the program wrote it.
    #[error(
        "it is of version {} of the format, and this program reads version {}: go by way of a release that reads both", .0, VERSION
    )]
    Version(u16),
    /// It has so many bytes.
    #[error("it has {} bytes; at most {} are taken over", .0, SEAT_LEN_MAX)]
    Length(usize),
    /// The bytes are not what a program wrote.
    #[error("its bytes are cut off, or are none that a program of ours wrote")]
    Malformed,
    /// The dialect in which it waits does not take it.
    #[error("{0}")]
    Dialect(HeldError),
    /// It is of the shard of the first number, and this is that of the second.
    #[error("it is of shard {0}, and this is shard {1}; a connection stays in its shard")]
    Shard(u16, u16),
    /// Another connection is there.
    #[error("its place in the shard is taken; a place is kept from one program to the next")]
    Taken,
    /// The hub knows nothing of it.
    #[error("it waits on a channel of which the hub has no record; the hub goes over first")]
    Channel,
    /// The shard has read on in its mailbox, so that it would miss something.
    #[error("the shard has gone on in the order without it; connections come before its first turn")]
    Late,
    /// It cannot be watched.
    #[error("the system does not watch it: {0}")]
    System(Errno),
}

/// All that a shard has of a connection.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct SeatRecord {
    /// Its shard.
    pub(crate) shard: u16,
    /// Its place in the shard, and which of those that had this place it is: by both it has its id.
    pub(crate) index: u32,
    pub(crate) generation: u32,
    /// Up to here its shard had taken in its mail.
    pub(crate) seen: u64,
    pub(crate) conn: Frozen,
    /// Milliseconds until its timer is due, and until a stream has had its time.
    pub(crate) due_left_ms: u64,
    pub(crate) ends_left_ms: Option<u64>,
    /// It is known that its client says no more.
    pub(crate) is_heard_out: bool,
    /// The records of the channels it waits on, and up to where it is owed nothing of each.
    pub(crate) channels: Vec<(u32, u64)>,
    /// What its dialect has of it.
    pub(crate) held: Vec<u8>,
    pub(crate) guest: Option<FrozenGuest>,
    /// Its id, where that is not made of its place.
    pub(crate) id: Option<FrozenId>,
    pub(crate) caller: Option<Caller>,
    /// What has come of a proxy's header.
    pub(crate) header: Vec<u8>,
    /// What the connection log calls it.
    pub(crate) logged: Option<(Option<SocketAddr>, String)>,
    /// Its keys, where it speaks TLS, and what is sealed already.
    pub(crate) tls: Option<(Vec<u8>, Vec<u8>)>,
}

/// Who a connection is, since when, and what that brings it.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct FrozenGuest {
    pub(crate) session: FrozenSession,
    pub(crate) since_s: u64,
    /// It is counted among the connections of its user.
    pub(crate) is_counted: bool,
    /// The channels that the application has it listen to.
    pub(crate) joined: Vec<String>,
}

/// The id of a connection.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct FrozenId(u64, u16, u32, u32);

/// What a shard knows itself.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct ShardFacts {
    pub(crate) shard: u16,
    pub(crate) start: u64,
    pub(crate) generation: u32,
    pub(crate) polls: u64,
    pub(crate) seen: u64,
    pub(crate) random: u64,
}

/// This as bytes; `None`: they are too many.
pub(crate) fn to_bytes(data: &impl Serialize) -> Option<Vec<u8>> {
    let bytes = postcard::to_extend(data, VERSION.to_le_bytes().to_vec()).expect("plain data fit a vector");
    (bytes.len() <= SEAT_LEN_MAX).then_some(bytes)
}

/// What [`to_bytes`] wrote.
pub(crate) fn of_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SeatError> {
    if bytes.len() > SEAT_LEN_MAX {
        return Err(SeatError::Length(bytes.len()));
    }
    let (version, data) = bytes.split_first_chunk().ok_or(SeatError::Malformed)?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(SeatError::Version(version));
    }
    match postcard::take_from_bytes(data) {
        Ok((data, [])) => Ok(data),
        _ => Err(SeatError::Malformed),
    }
}

impl FrozenId {
    pub(crate) fn freeze(id: ConnectionId) -> Self {
        Self(id.start, id.shard.0, id.index, id.generation)
    }

    /// `None`: no connection has such an id.
    pub(crate) fn thaw(self) -> Option<ConnectionId> {
        let Self(start, shard, index, generation) = self;
        (index < 1 << ConnectionId::INDEX_BITS).then_some(ConnectionId {
            start,
            shard: ShardId(shard),
            index,
            generation,
        })
    }
}

impl<S> std::fmt::Debug for Seat<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seat({} bytes)", self.bytes.len())
    }
}

impl<L> std::fmt::Debug for Estate<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Estate({} listeners)", self.listeners.len())
    }
}

/// Of the format of seats and estates; goes up with each change of it.
const VERSION: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> ShardFacts {
        ShardFacts { shard: 3, start: 7, generation: 1, polls: 300, seen: u64::MAX, random: 9 }
    }

    #[test]
    fn what_was_written_is_read_and_the_version_stands_in_front() {
        let bytes = to_bytes(&own()).unwrap();
        assert_eq!(bytes[..2], [1, 0]);
        assert!(of_bytes::<ShardFacts>(&bytes) == Ok(own()));
    }

    #[test]
    fn what_is_none_of_ours_is_refused_with_a_reason() {
        let bytes = to_bytes(&own()).unwrap();
        let refused = |bytes: &[u8]| of_bytes::<ShardFacts>(bytes).err();
        for cut in 0..bytes.len() {
            assert_eq!(refused(&bytes[..cut]), Some(SeatError::Malformed), "{cut}");
        }
        assert_eq!(refused(&[&bytes[..], &[0]].concat()), Some(SeatError::Malformed), "something follows");
        let other = [&[2, 1], &bytes[2..]].concat();
        assert_eq!(refused(&other), Some(SeatError::Version(258)));
        let told = SeatError::Version(258).to_string();
        assert!(told.contains("version 258") && told.contains("reads version 1"), "{told}");
        assert_eq!(refused(&vec![1; SEAT_LEN_MAX + 1]), Some(SeatError::Length(SEAT_LEN_MAX + 1)));
        assert!(to_bytes(&vec![0u8; SEAT_LEN_MAX]).is_none(), "what nobody reads is not written");
    }
}
