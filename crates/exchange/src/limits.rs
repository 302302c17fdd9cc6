//! Every limit of the exchange, by name.

use std::time::Duration;

/// Messages a shard may owe its connections, in its mailbox and in its jobs together.
pub const MAILBOX_MESSAGES_MAX: usize = 65_536;
/// Bytes of payload a shard may owe its connections; one message may exceed it.
pub const MAILBOX_BYTES_MAX: usize = 64 << 20;
/// Orders waiting in a mailbox: a reserve of their own, so that they fit when messages do not.
pub const ORDERS_MAX: usize = 4_096;
/// Of these, how many are kept for orders that nobody may refuse.
pub const ORDERS_SPARE: usize = 64;
/// Ways a message can be rendered for a client with one match; see [`crate::Delivery::frame`].
pub const SHAPES_MAX: usize = 32;
/// Matches of a message whose frames are shared; the rest of a very wide message is rendered on demand.
pub const SHARED_MATCHES_MAX: usize = 16;
/// Idempotency keys of clients that are remembered, each client's.
pub const CLIENT_KEYS_EACH_MAX: usize = 64;
/// The same of all clients.
pub const CLIENT_KEYS_MAX: usize = 100_000;
/// Keys one call looks at, to forget those whose time is over.
pub const KEYS_STEP_MAX: usize = 16;
/// Steps of housekeeping one call of `tick` does at the most, the lock being free between them.
pub const TICK_STEPS_MAX: usize = 1_024;
/// Steps by which channels go over to other limits at once; the rest go with the ticks.
pub const RULE_STEPS_MAX: usize = 64;
/// Questions of shards that nobody has taken yet.
pub const QUESTIONS_MAX: usize = 16_384;
/// Commands of one kind that a shard has not taken yet.
pub const COMMANDS_MAX: usize = 4_096;
/// Refusals that are kept to be asked for; the oldest are forgotten.
pub const DENIALS_KEPT: usize = 256;
/// Facts that a store has not kept yet; further messages wait.
pub const UNCOMMITTED_FACTS_MAX: usize = 65_536;
/// Bytes of payload that a store has not kept yet; one message may exceed it.
pub const UNCOMMITTED_BYTES_MAX: usize = 64 << 20;
/// Messages of a batch that are published in one hold of the lock.
pub const PUBLISH_STEP_MAX: usize = 64;
/// Channels that the messages of a batch published in one hold of the lock may name together; one
/// message may exceed it.
pub const PUBLISH_STEP_TARGETS_MAX: usize = 1_000;
/// Default for [`crate::Shares::checks`]: of ECDSA on P-256, so many take about a tenth of a processor.
pub const CHECKS_PER_S: u32 = 1_000;
/// Below so many percent of memory left, new clients are refused.
pub const LEFT_FOR_NEW_PERCENT: u64 = 5;
/// Below so many percent of memory left, large requests are refused.
pub const LEFT_FOR_LARGE_PERCENT: u64 = 10;
/// Parts of a table of quotas, each with a lock of its own.
pub const QUOTA_PARTS: usize = 64;
/// Entries a part may have before those that remember nothing are looked for.
pub const QUOTA_SWEEP_MIN: usize = 64;
/// Parts of the table of those who came back to a message, each with a lock of its own.
pub const RETURN_PARTS: usize = 64;
/// Entries of a part; the one that came least often goes first.
pub const RETURNS_PER_PART: usize = 256;
/// How long one is remembered, in milliseconds, where others want its place.
pub const RETURN_KEPT_MS: u64 = 600_000;
/// Refusals a second that are lines of the log, below 256; the others are counted in the next.
pub const DENIALS_TOLD_PER_S: u64 = 5;
/// How long followers that were woken are left alone: what comes meanwhile is told in one.
pub const FOLLOW_PAUSE: Duration = Duration::from_millis(5);
/// Messages after which shards that sleep are woken, though more are about to be published.
pub const WAKE_AFTER: u32 = 32;
/// Users that are refused since the application ended them: an entry is its name and 48 bytes.
pub const ENDED_USERS_MAX: usize = 100_000;
/// How often those that are over are removed, in milliseconds.
pub const ENDED_USERS_SWEEP_MS: u64 = 10_000;
