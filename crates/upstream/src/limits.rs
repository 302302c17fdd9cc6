//! Every limit of asking others, by name.

use std::time::Duration;

/// Default for [`crate::Hook::timeout`].
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// Default for [`crate::Hook::age`].
pub const HOOK_AGE: Duration = Duration::from_secs(600);
/// Default for [`crate::Hook::calls`].
pub const HOOK_CALLS: usize = 32;
/// Bytes of a hook's answer.
pub const HOOK_ANSWER_LEN_MAX: usize = 64 << 10;
/// Clients that may wait for a call of the hook at once, those with the same credentials counted as one. Beyond, whoever
/// has most of them waiting gives way.
pub const SUBJECTS_MAX: usize = 16_384;
/// Verdicts that are remembered.
pub const VERDICTS_MAX: usize = 100_000;
/// How long a refusal of the application counts: whoever signs in meanwhile is let in soon.
pub const REFUSED_AGE: Duration = Duration::from_secs(5);
/// How long a failure counts, so that an application that is down is not run over when it comes back.
pub const FAILED_AGE: Duration = Duration::from_secs(1);

/// Bytes of an answer of the application that is passed on.
pub const PAGE_LEN_MAX: usize = 1 << 20;

/// Default for [`crate::PublishHook::calls`].
pub const MESSAGE_CALLS: usize = 64;
/// Messages of one sender that wait for a call about one before them to end.
pub const MESSAGES_EACH_MAX: usize = 8;
/// Senders whose messages wait for a call. Beyond, whoever has most of them gives way.
pub const SENDERS_MAX: usize = 16_384;
/// Bytes of an answer about a message.
pub const MESSAGE_ANSWER_LEN_MAX: usize = 256 << 10;

/// How often keys are fetched.
pub const KEYS_AGE: Duration = Duration::from_secs(600);
/// How long to wait between two tries, whoever asks for a key that is not known.
pub const KEYS_RETRY: Duration = Duration::from_secs(10);
/// How long keys count that could not be fetched again.
pub const KEYS_STALE_MAX: Duration = Duration::from_secs(86_400);
/// How long a fetch of keys may take.
pub const KEYS_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a set of keys.
pub const KEYS_LEN_MAX: usize = 256 << 10;

/// Webhooks that may be set.
pub const WEBHOOKS_MAX: usize = 16;
/// Default for [`crate::Webhooks::timeout`].
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Default for [`crate::Webhooks::retry`].
pub const WEBHOOK_RETRY: Duration = Duration::from_secs(86_400);
/// Default for [`crate::Webhooks::backlog`].
pub const WEBHOOK_BACKLOG: usize = 64 << 20;
/// Events in one call.
pub const WEBHOOK_BATCH_EVENTS_MAX: usize = 1_000;
/// Bytes of events in one call; a single event may have more.
pub const WEBHOOK_BATCH_LEN_MAX: usize = 256 << 10;
/// How long an event waits for others to go with it.
pub const WEBHOOK_BATCH_DELAY: Duration = Duration::from_millis(100);
/// Bytes of a webhook's answer that are read.
pub const WEBHOOK_ANSWER_LEN_MAX: usize = 64 << 10;
/// The pause after the first call that failed; twice as long after each further one.
pub const WEBHOOK_PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest of these pauses, before chance makes it half as long or half as long again.
pub const WEBHOOK_PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long a webhook may ask to be left alone.
pub const WEBHOOK_RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// How often a batch is refused before it is given up.
pub const WEBHOOK_REFUSALS_MAX: u32 = 10;
/// For how long it must have been refused by then.
pub const WEBHOOK_REFUSALS_TIME: Duration = Duration::from_secs(300);
/// Items of the order that are read in one hold of the lock.
pub const WEBHOOK_PAGE: usize = 256;
/// How often it is noted of webhooks that are owed nothing how far they have come.
pub const WEBHOOK_BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// How often a note is made of it that events were left out for which a webhook's backlog had no room.
pub const WEBHOOK_LEFT_OUT_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before the system's certificates are looked for again, where they could not be read.
pub const CERTIFICATES_RETRY: Duration = Duration::from_secs(3);

/// How long to wait before a shard whose mailbox has no room is told once more.
pub const TELL_RETRY: Duration = Duration::from_millis(10);
/// How often it is tried.
pub const TELL_TRIES: usize = 500;
