//! Every limit of the IN line, by name.

use std::time::Duration;

/// Bytes that stand around a message's data at the most, whatever the transport, where it goes to one channel and nothing in
/// its name and event is escaped: both have 255 bytes, and SSE says the event twice.
pub const ENVELOPE_LEN_MAX: usize = 1_000;
/// Default for [`crate::InSettings::payload_limit`], in bytes: many libraries take no message of more than a mebibyte, and some
/// of no more than a megabyte.
pub const PAYLOAD_LEN_MAX: usize = 1_000_000 - ENVELOPE_LEN_MAX;
/// Default for [`crate::InSettings::publish_wait`]: how long a publish waits for a full mailbox.
pub const PUBLISH_WAIT: Duration = Duration::from_secs(1);
/// How often a publish that waits tries again.
pub const PUBLISH_RETRY: Duration = Duration::from_millis(10);
/// What `Retry-After` says to a publisher who waited in vain, in seconds.
pub const RETRY_AFTER_S: u32 = 1;
/// Default for [`crate::InSettings::idempotency_age`].
pub const IDEMPOTENCY_AGE: Duration = Duration::from_secs(600);
/// Default for [`crate::InSettings::idempotency_keys`]. A key costs about 280 bytes.
pub const IDEMPOTENCY_KEYS_MAX: usize = 1_000_000;

/// Default for [`crate::InSettings::classic_limit`], in bytes.
pub const CLASSIC_LEN_MAX: usize = 102_400;
/// Default for [`crate::InSettings::classic_timeout`].
pub const CLASSIC_TIMEOUT: Duration = Duration::from_secs(20);
/// Passwords that are checked at once: each may take a thread for a while.
pub const PASSWORD_CHECKS_MAX: usize = 4;
/// Lines in which those stand whose passwords are checked one after the other.
pub const PASSWORD_LINES: usize = 256;
/// How long one waits there.
pub const PASSWORD_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes read at once until it is known whose words they are.
pub const CLASSIC_READ_LEN: usize = 4 << 10;
/// How long the rest of what a refused publisher says is read and thrown away.
pub const CLASSIC_LINGER: Duration = Duration::from_secs(1);
/// Bytes of a batch. Where messages may be so large that two of them would not fit, two of them.
pub const BATCH_LEN_MAX: usize = 64 << 20;
/// Messages of a batch.
pub const BATCH_ITEMS_MAX: usize = 100_000;
/// Messages of a batch that are read before they are published and others have their turn.
pub const BATCH_STEP_MAX: usize = 64;

/// Default for [`crate::InSettings::sign_in_age`].
pub const SIGN_IN_AGE: Duration = Duration::from_secs(12 * 3_600);
/// Sign-ins that count at once; the oldest are forgotten early. One costs about 300 bytes.
pub const SIGN_INS_MAX: usize = 1_000;
/// Bytes of a form that signs in; a key has 47.
pub const SIGN_IN_LEN_MAX: usize = 1 << 10;
/// Wrong keys a second at `/sign-in` in all that are told of; right ones are taken whatever others do.
pub const WRONG_KEYS_PER_S_MAX: u32 = 20;

/// Connections open at once; further ones wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Default for [`crate::InSettings::request_timeout`]; and how long a connection that has said nothing yet may go on so.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Default for [`crate::InSettings::keep_alive`].
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Default for [`crate::InSettings::tls_handshakes`].
pub const TLS_HANDSHAKES_MAX: usize = 1_000;
/// How much longer a connection stays open than its client was told.
pub const KEEP_ALIVE_EXTRA: Duration = Duration::from_secs(1);
/// Bytes a connection reads ahead; a head must fit. Enough for a path of 1,000 short names.
pub const HEAD_LEN_MAX: usize = 128 << 10;
/// Bytes of a request to publish that is read ahead of the service; longer ones are the service's.
pub const QUICK_LEN_MAX: usize = 64 << 10;
/// Headers of such a request.
pub const QUICK_HEADERS_MAX: usize = 32;
/// Bytes read at once for such a request.
pub const QUICK_READ_LEN: usize = 4 << 10;
/// Bytes of answers to requests that came together, until they are sent.
pub const QUICK_ANSWERS_LEN_MAX: usize = 64 << 10;
/// Requests of one connection that are carried out before the store has the message of the first.
pub const PIPELINED_MAX: usize = 256;
/// Of so many the memory is kept when none waits any more.
pub const WAITING_KEPT: usize = 4;
/// Bytes of a body that are taken while memory is short.
pub const SMALL_LEN_MAX: usize = 64 << 10;
/// Bytes for which there is room at once where a body is announced; more is made when it comes.
pub const BODY_BEGUN_LEN: usize = 1 << 20;
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

/// How long shards may take to say who listens in the words of Realplexor; what they have not said by then is left out.
pub const SNAPSHOT_MAX: Duration = Duration::from_secs(1);
/// Pairs of cursors and ids that one answer to STATS lists, and numbers of connections by ids.
pub const STATS_PAIRS_MAX: usize = 10_000;

/// Channels on one page of `/channels`, where `limit` does not say.
pub const CHANNELS_PAGE: usize = 1_000;
/// Default for [`crate::InSettings::poll_timeout`].
pub const POLL_TIMEOUT: Duration = Duration::from_secs(25);
/// Default for [`crate::InSettings::heartbeat`].
pub const HEARTBEAT: Duration = Duration::from_secs(25);
/// Changes a watcher reads at a time.
pub const WATCH_PAGE: usize = 256;
/// Pieces of a watcher's stream that wait to be sent.
pub const WATCH_CHUNKS_MAX: usize = 4;
/// After how long a browser that lost its watch comes back at the latest.
pub const WATCH_RETRY: Duration = Duration::from_secs(3);
/// Users on one page of a channel's, where `limit` does not say.
pub(crate) const PRESENT_PAGE: u32 = 100;
/// Users on one page of a channel's at the most: all of them are read in one step.
pub(crate) const PRESENT_PAGE_MAX: u32 = 1_000;
/// Messages on one page of history, where `limit` does not say; fewer when they are large.
pub const HISTORY_PAGE: u32 = 100;
/// Messages on one page of history at the most.
pub const HISTORY_PAGE_MAX: u32 = 1_000;
/// The same of a page backwards.
#[allow(clippy::cast_possible_truncation, reason = "it is small")]
pub const OLDER_PAGE_MAX: u32 = dialect::hub::limits::OLDER_MESSAGES_MAX as u32;
/// Channels on one page of `/channels` at the most.
pub const CHANNELS_PAGE_MAX: usize = 10_000;
/// Users on one page of `/users`, where `limit` does not say.
pub const USERS_PAGE: usize = 1_000;
/// Users on one page at the most.
pub const USERS_PAGE_MAX: usize = 10_000;
/// Requests a second for reasons, of all who ask.
pub const EXPLAINED_PER_S_MAX: u32 = 20;
/// Bytes of such a request.
pub const EXPLAINED_LEN_MAX: usize = 16 << 10;
/// Of so many channels it is told which rule holds.
pub const EXPLAINED_NAMES_MAX: usize = 10;
/// Questions about users that shards are asked at once.
pub const SURVEYS_MAX: usize = 4;
/// How long shards may take to answer one.
pub const SURVEY_MAX: Duration = Duration::from_secs(5);
/// How often it is looked for.
pub const SURVEY_LOOK: Duration = Duration::from_millis(2);
/// Bytes of the reason for which connections are ended: a WebSocket's close has no room for more than 123.
pub const REASON_LEN_MAX: usize = 120;
/// For how long what a user was issued is refused at the least after it was ended, where nobody says for how long, in
/// milliseconds.
pub const USER_END_MS_MIN: u64 = 60_000;
/// The same at the most, in milliseconds.
pub const USER_END_MS_MAX: u64 = 86_400_000;
/// How often it is looked whether a store has kept that.
pub const KEPT_LOOK: Duration = Duration::from_millis(2);
/// Channels that the connections of a user are made to join, or to leave, by one request.
pub const JOINS_MAX: usize = 100;
/// Bytes of such a request.
pub const CHANGES_LEN_MAX: usize = 256 << 10;
