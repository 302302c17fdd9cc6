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

/// How long to wait before a shard whose mailbox has no room is told once more.
pub const TELL_RETRY: Duration = Duration::from_millis(10);
/// How often it is tried.
pub const TELL_TRIES: usize = 500;
