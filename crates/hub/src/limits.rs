//! Every limit of the hub, by name.

use crate::Millis;

/// Default for [`crate::Limits::channels_budget`]: 1.8 million channels with names of 50 bytes.
pub const CHANNELS_BUDGET: u64 = 512 << 20;
/// What a channel's record takes beside its name, in bytes: itself, the head of its name, its places in the tables by name
/// and by id, and in the agenda.
pub const RECORD_LEN: u64 = 240;
/// The part of the budget of records that is for those who publish, and not for those who wait: one of so many.
pub const PUBLISHERS_PART: u64 = 8;
/// Default for [`crate::Limits::presence_list`].
pub const PRESENCE_LIST: usize = 200;
/// Users in one list at the most: all of them are read in one step.
pub const PRESENCE_LIST_MAX: usize = 1_000;
/// Users of a channel that one look at it looks at.
pub const ROSTER_STEP_MAX: usize = 256;
/// Users of a channel that are looked at in one step to find those who are shown.
pub const ROSTER_LOOK_MAX: usize = 2_048;
/// When it is tried again to tell of a user for whom no place was left, in milliseconds.
pub const WAKE_AGAIN_MS: Millis = 1_000;
/// Default for [`crate::Limits::changes`].
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
/// Bytes of changes kept in one block: some 200, which are what a search may have to read one by one.
pub const BLOCK_LEN: usize = 4_096;
