//! Every limit of access, by name.

/// API keys at the most: each is compared with what a request brings.
pub const KEYS_MAX: usize = 256;
/// Bytes of chance in an API key.
pub const KEY_LEN: usize = 32;
/// Bytes of a token; its signature is checked over all of them.
pub const TOKEN_LEN_MAX: usize = 8 << 10;
/// Bytes of a secret that signs tokens.
pub const TOKEN_SECRET_LEN: std::ops::RangeInclusive<usize> = 32..=512;
/// Bytes of a webhook's secret, decoded (Standard Webhooks, "Signature scheme").
pub const WEBHOOK_SECRET_LEN: std::ops::RangeInclusive<usize> = 24..=64;
/// How much the clock of whoever made a token may be ahead of ours, for `nbf`, in milliseconds.
pub const NBF_EARLY_MS_MAX: u64 = 60_000;
/// Secrets, and public keys, at the most: each may have to be tried.
pub const TOKEN_KEYS_MAX: usize = 16;
/// Sessions of tokens that a shard remembers, so that whoever polls is not checked anew each time. As many as a table of
/// 4,096 places takes.
pub const SESSIONS_MAX: usize = 3_584;
/// Keys found at a URL.
pub const FOUND_KEYS_MAX: usize = 64;
/// Channels and patterns that the application may name for a client, in a token or as a verdict.
pub const GRANTS_MAX: usize = 1_000;
/// How long the application may say that its verdict holds, in seconds.
pub const LASTS_S: std::ops::RangeInclusive<f64> = 1.0..=2_592_000.0;
/// Bytes of a password in the words of Realplexor: hashing costs by length.
pub const PASSWORD_LEN_MAX: usize = 128;
/// Characters of the sentence with which an application refuses a message.
pub const MESSAGE_DETAIL_CHARS_MAX: usize = 200;
/// Channels that a token, or a hook's answer, joins.
pub const JOINS_MAX: usize = 100;
