//! Every limit of the IN line, by name.

use std::time::Duration;

/// Default for [`crate::Settings::payload_limit`], in bytes.
pub const PAYLOAD_LEN_MAX: usize = 1 << 20;
/// Default for [`crate::Settings::publish_wait`]: how long a publish waits for a full mailbox.
pub const PUBLISH_WAIT: Duration = Duration::from_secs(1);
/// How often a publish that waits tries again.
pub const PUBLISH_RETRY: Duration = Duration::from_millis(10);
/// What `Retry-After` says to a publisher who waited in vain, in seconds.
pub const RETRY_AFTER_S: u32 = 1;
/// How long a ttl may be, in milliseconds: a thousand years, which every sum of times can hold.
pub const TTL_MS_MAX: u64 = 1_000 * 366 * 86_400_000;

/// Default for [`crate::Settings::classic_limit`], in bytes.
pub const CLASSIC_LEN_MAX: usize = 102_400;
/// Default for [`crate::Settings::classic_timeout`].
pub const CLASSIC_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes read at once until it is known whose words they are.
pub const CLASSIC_READ_LEN: usize = 4 << 10;
/// How long the rest of what a refused publisher says is read and thrown away.
pub const CLASSIC_LINGER: Duration = Duration::from_secs(1);

/// Connections open at once; further ones wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 10_000;
/// How long a head may take, and how long a connection may be silent between two requests.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a body may take, from its first byte to its last.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes a connection reads ahead; a head must fit. Enough for a path of 1,000 short names.
pub const HEAD_LEN_MAX: usize = 128 << 10;
/// Bytes of a body too long that are read and thrown away, so that its sender gets to read the answer.
pub const OVERLONG_LEN_MAX: usize = 16 << 20;
/// How long the line stops accepting when the system has no room for another connection.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests under way may take when the program ends.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(1);

/// How often the exchange is told to do what is due.
pub const TICK: Duration = Duration::from_millis(100);
/// How long a canary may take through all shards.
pub const CANARY_MAX: Duration = Duration::from_secs(1);
/// How often it is looked for.
pub const CANARY_LOOK: Duration = Duration::from_millis(2);

/// Channels on one page of `/channels`, where `limit` does not say.
pub const CHANNELS_PAGE: usize = 1_000;
/// Channels on one page of `/channels` at the most.
pub const CHANNELS_PAGE_MAX: usize = 10_000;
