//! Every limit of the dialects, by name.

/// Bytes of a list of channels in the body of `POST /sub/`: 1,000 names of 255 bytes and their commas.
pub const LIST_LEN_MAX: usize = 256 << 10;
/// How far ahead of the server's clock a `since` may be, in milliseconds: clocks differ, but not by more. What is
/// further ahead is a mistake, mostly one of milliseconds for seconds.
pub const SINCE_AHEAD_MS_MAX: u64 = 86_400_000;
/// Bytes of the `id` of a command: each page of its answer repeats it.
pub const ID_LEN_MAX: usize = 64;
/// Bytes of what a client may have repeated by `ping`; as many as a ping of the WebSocket itself holds.
pub const PING_LEN_MAX: usize = 125;
/// Bytes of the list of headers that a preflight has repeated.
pub const PREFLIGHT_LEN_MAX: usize = 1_024;
/// How often a path's escapes may have been escaped that is passed on to an application.
pub const PATH_DECODES_MAX: usize = 3;
/// Tokens in cookies of one request that are tried: browsers show those of all paths and domains.
pub const COOKIE_TOKENS_MAX: usize = 4;
/// Bytes of a publisher's event name.
pub const EVENT_LEN_MAX: usize = 255;
/// Bytes of an idempotency key.
pub const KEY_LEN_MAX: usize = 255;
/// How long a ttl may be, in milliseconds: a thousand years, which every sum of times can hold.
pub const TTL_MS_MAX: u64 = 1_000 * 366 * 86_400_000;
/// Bytes of a publisher's media type.
pub const CONTENT_TYPE_LEN_MAX: usize = 255;
/// Parameters of a request that are looked at for what may have been meant.
pub const WARNED_PARAMETERS_MAX: usize = 16;
/// Letters of a word of which it is asked how near it is to another; no name of ours has as many.
pub const WORD_LETTERS_MAX: usize = 64;
/// Warnings about them that an answer has.
pub const WARNINGS_MAX: usize = 4;
/// Users in one page of a list.
pub const PRESENT_PAGE_USERS_MAX: usize = 64;
/// Bytes of names and infos in one page of a list of users; one user may exceed it.
pub const PRESENT_PAGE_LEN_MAX: usize = 64 << 10;
/// Bytes of infos in a list of users; beyond that it has names alone.
pub const PRESENT_INFO_MAX: usize = 256 << 10;
/// Channels to which one message of a client goes.
pub const CLIENT_TARGETS_MAX: usize = 10;
