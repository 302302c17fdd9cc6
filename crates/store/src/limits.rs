//! Every limit of the store, by name.

use std::time::Duration;

use exchange::hub::Millis;

/// Bytes that the log takes, unless it is said otherwise.
pub const LOG_LEN: u64 = 1 << 30;
/// The least that may be set.
pub const LOG_LEN_MIN: u64 = 16 << 20;
/// A segment is this part of the log.
pub const SEGMENTS: u64 = 16;
/// Bytes of a segment at the most; one record may exceed it.
pub const SEGMENT_LEN_MAX: u64 = 16 << 20;
/// Segments at the most, however small: each start begins one.
pub const SEGMENTS_MAX: usize = 256;
/// Bytes of a record, which hold the largest message that may be set, its names and what was said of it.
pub const RECORD_LEN_MAX: usize = 1 << 30;
/// Places reserved ahead of those that are given. Reserved again when half of them are used.
pub const RESERVED: u64 = 1 << 24;
/// How often what was written is synced where the store does so by time.
pub const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How often a disk that failed is tried again.
pub const RETRY_EVERY: Duration = Duration::from_secs(1);
/// Bytes written in one go; one record may exceed it.
pub const WRITE_LEN: usize = 4 << 20;
/// Records of the oldest segment that are looked at between two batches.
pub const TIDY_STEP: usize = 256;
/// A log that has more than it may, since all of it was needed, is looked at again after so long, though it has not grown.
pub const TIDY_AGAIN: Duration = Duration::from_secs(60);
/// Channels that are asked about in one hold of the exchange's lock.
pub const TIDY_PLACES: usize = 64;
/// Bytes that a message takes in the log beside its payload, as a guess.
pub const MESSAGE_COST: u64 = 64;

/// A time in the exchange's unit.
pub(crate) fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
