//! What may be set of the hub.

use crate::limits::{CHANGES_MAX, CHANNELS_BUDGET, PRESENCE_LIST};
use crate::{Door, Millis, Rule};

/// What may be set about remembering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Messages kept a channel; 0 keeps none.
    pub history_messages: u32,
    /// How long a message is kept, in milliseconds.
    pub history_age: Millis,
    /// Whether a message renews the time of all that is kept of its channel.
    pub history_renew: bool,
    /// Bytes of payload kept a channel.
    pub history_bytes: u64,
    /// Bytes of payload kept in all; the oldest of all go first.
    pub history_budget: u64,
    /// How long a trimmed channel is remembered after it fell silent; at least `history_age` counts.
    pub resume_window: Millis,
    /// How long a channel stays online after its last connection left.
    pub grace: Millis,
    /// Bytes that the records of channels may take: a name and [`RECORD_LEN`](crate::limits::RECORD_LEN) each, whatever is kept of messages aside.
    pub channels_budget: u64,
    /// Changes (online, offline) kept for those who watch: so many of channels that were published to, and so many of
    /// all others.
    pub changes: usize,
    /// How long a user who has no connection to a channel any more has not left it.
    pub presence_grace: Millis,
    /// Changes of a channel's users that are kept for those who come back; their age is the resume window.
    pub presence_history: u32,
    /// Users in the list that a newcomer gets; at most [`PRESENCE_LIST_MAX`](crate::limits::PRESENCE_LIST_MAX).
    pub presence_list: usize,
    /// Whether users are followed who have any connection at all: that costs something for each of them.
    pub follow_users: bool,
    /// Who may listen to a channel of which no rule says so.
    pub listen: Door,
    /// What is set for channels by their names; the first rule that matches counts. At most [`RULES_MAX`](crate::limits::RULES_MAX).
    pub rules: Vec<Rule>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            history_messages: 100,
            history_age: 3_600_000,
            history_renew: false,
            history_bytes: 1 << 20,
            history_budget: 256 << 20,
            resume_window: 3_600_000,
            grace: 30_000,
            presence_grace: 10_000,
            presence_history: 1_000,
            presence_list: PRESENCE_LIST,
            channels_budget: CHANNELS_BUDGET,
            changes: CHANGES_MAX,
            follow_users: false,
            listen: Door::Open,
            rules: Vec::new(),
        }
    }
}
