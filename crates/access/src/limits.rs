//! Every limit of access, by name.

/// API keys at the most: each is compared with what a request brings.
pub const KEYS_MAX: usize = 256;
/// Bytes of chance in an API key.
pub const KEY_LEN: usize = 32;
