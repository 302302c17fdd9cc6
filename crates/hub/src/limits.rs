//! Every limit of the hub, by name.

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
    /// Bytes that the records of channels may take: a name and [`RECORD_LEN`] each, whatever is kept of messages aside.
    pub channels_budget: u64,
    /// Changes (online, offline) kept for those who watch: so many of channels that were published to, and so many of
    /// all others.
    pub changes: usize,
    /// How long a user who has no connection to a channel any more has not left it.
    pub presence_grace: Millis,
    /// Changes of a channel's users that are kept for those who come back; their age is the resume window.
    pub presence_history: u32,
    /// Users in the list that a newcomer gets; at most [`PRESENCE_LIST_MAX`].
    pub presence_list: usize,
    /// Whether users are followed who have any connection at all: that costs something for each of them.
    pub follow_users: bool,
    /// Who may listen to a channel of which no rule says so.
    pub listen: Door,
    /// What is set for channels by their names; the first rule that matches counts. At most [`RULES_MAX`].
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

/// Default for [`Limits::channels_budget`]: 1.8 million channels with names of 50 bytes.
pub const CHANNELS_BUDGET: u64 = 512 << 20;
/// What a channel's record takes beside its name, in bytes: itself, the head of its name, its places in the tables by name
/// and by id, and in the agenda.
pub const RECORD_LEN: u64 = 240;
/// The part of the budget of records that is for those who publish, and not for those who wait: one of so many.
pub const PUBLISHERS_PART: u64 = 8;
/// Default for [`Limits::presence_list`].
pub const PRESENCE_LIST: usize = 200;
/// Users in one list at the most: all of them are read in one step.
pub const PRESENCE_LIST_MAX: usize = 1_000;
/// Users of a channel that one look at it looks at.
pub const ROSTER_STEP_MAX: usize = 256;
/// Users of a channel that are looked at in one step to find those who are shown.
pub const ROSTER_LOOK_MAX: usize = 2_048;
/// When it is tried again to tell of a user for whom no place was left, in milliseconds.
pub const WAKE_AGAIN_MS: Millis = 1_000;
/// Default for [`Limits::changes`].
pub const CHANGES_MAX: usize = 100_000;
/// Rules for channels by their names; each new record is compared with all of them.
pub const RULES_MAX: usize = 64;
/// A channel's name, in bytes of UTF-8.
pub const NAME_LEN_MAX: usize = 255;
/// Bytes of what others may know of a user, JSON.
pub const INFO_LEN_MAX: usize = 1 << 10;
/// Characters of what somebody sent that an error repeats.
pub const QUOTED_CHARS_MAX: usize = 80;
/// Channels one message may go to.
pub const TARGETS_MAX: usize = 1_000;
/// Channels one subscription may name.
pub const CHANNELS_MAX: usize = 1_000;
/// Messages in one page of a backlog.
pub const PAGE_MESSAGES_MAX: usize = 64;
/// Messages that one reading by outside cursors brings; each channel has its share, at least one.
pub const DUE_MESSAGES_MAX: usize = 1_024;
/// Messages that one step of such a reading looks at; all of the channel at which it is over are looked at.
pub const OUTSIDE_STEP_MAX: usize = 1_024;
/// Messages kept of a channel whose publisher brings cursors: each that comes or goes moves places in their order.
pub const ALIASED_MAX: usize = 1_000;
/// Messages in one page of what was said before.
pub const OLDER_MESSAGES_MAX: usize = 100;
/// Entries of a history, messages and words that one was taken back, that are looked at for such a page.
pub const OLDER_LOOK_MAX: usize = 400;
/// Bytes of payload in one page of a backlog; one message may exceed it.
pub const PAGE_BYTES_MAX: usize = 256 << 10;
/// Messages evicted by one publish for the common budget; more wait for the next step.
pub const EVICT_STEP_MAX: usize = 256;
/// Channels of whose history time has left nothing, noted until somebody asks.
pub const OUTLIVED_MAX: usize = 10_000;
/// Messages that have outlived their time and are removed in one step for those who read, or by one call of `tick`; all of the
/// channel at which it is over are looked at where some have an end of their own.
pub const EXPIRE_STEP_MAX: usize = 4_096;
/// Channels one call of `tick` looks at.
pub const TICK_STEP_MAX: usize = 256;
/// Messages kept for those who follow the whole order, while there are some.
pub const RECENT_MESSAGES_MAX: usize = 4_096;
/// Bytes of their payloads.
pub const RECENT_BYTES_MAX: usize = 8 << 20;
/// Bytes of payloads of what a store knows and somebody who follows the order may not have had before the program was started
/// anew.
pub const RESTORED_BYTES_MAX: usize = 64 << 20;
/// Records looked at to find one that may be forgotten when there is no room for more; two more for each one wanted.
pub const FORGET_LOOK_MAX: usize = 64;
/// How long a record keeps its id after its subscriptions were deleted, in milliseconds.
pub const DELETED_HOLD: Millis = 60_000;
/// Messages one call of `evict` removes.
pub const STATE_STEP_MAX: usize = 256;
/// Messages evicted while a past is restored, before they are freed.
pub const RESTORED_TRASH_MAX: usize = 4_096;
/// Channel records one call of `scan` looks at.
pub const SCAN_STEP_MAX: usize = 1_024;
