//! What is counted of asking others.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_many(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: usize) {
        self.0.store(value as u64, Ordering::Relaxed);
    }
}

/// Declares the counters, and their names in one order.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters, for whoever reads them.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub(crate) $name: Count,)*
        }

        impl Counters {
            /// Name and value of each.
            pub fn read(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.0.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Calls of the hook.
    hook_calls,
    /// Of these, those that failed.
    hook_failed,
    /// Of these, those that ended in a refusal.
    hook_refused,
    /// Questions answered by a verdict that was known, or by a call under way.
    hook_shared,
    /// Questions that could not be asked in time, since too many calls were under way.
    hook_busy,
    /// Verdicts remembered now.
    hook_verdicts,
    /// Requests passed on to the application.
    pages_passed,
    /// Of these, those whose clients are held by its word.
    pages_held,
    /// Requests that the application did not answer.
    pages_failed,
    /// Calls of the hook for messages.
    publish_hook_calls,
    /// Of these, those that failed.
    publish_hook_failed,
    /// Of these, those that ended in a refusal.
    publish_hook_refused,
    /// Messages that it was not asked about, since too many waited.
    publish_hook_busy,
    /// Fetches of keys.
    keys_fetched,
    /// Of these, those that failed.
    keys_failed,
    /// Keys of the URL that count now.
    keys_known,
    /// Calls of webhooks.
    webhook_calls,
    /// Of these, those that were not taken.
    webhook_failed,
    /// Reloads of webhooks that found no certificates.
    webhook_faults,
    /// Events that webhooks took.
    webhook_events,
    /// Events that were left out, of which a gap is told.
    webhook_lost,
    /// Events that wait for webhooks now.
    webhook_backlog_events,
    /// Bytes of these.
    webhook_backlog_bytes,
    /// Webhooks that are tried again and again now.
    webhooks_failing,
    /// Webhooks that said they were gone.
    webhooks_stopped,
}
