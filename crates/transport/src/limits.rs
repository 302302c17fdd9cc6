//! Every limit of the transports, by name.

/// Bytes of a request's head.
pub const HEAD_LEN_MAX: usize = 16 << 10;
/// Bytes of a request's body.
pub const BODY_LEN_MAX: usize = dialect::limits::LIST_LEN_MAX;
/// Bytes of a WebSocket message of a client: a command with the longest list of channels.
pub const MESSAGE_LEN_MAX: usize = dialect::limits::LIST_LEN_MAX + 1_024;
/// Bytes of a body or a WebSocket message that are taken while memory is short.
pub const SMALL_LEN_MAX: usize = 4 << 10;
/// Fragments of a WebSocket message.
pub const FRAGMENTS_MAX: usize = 1_024;
/// Bytes that a compressed message of a client may become for each byte of it that came. Lists of a thousand names
/// that differ in their last letters become fifty times as long.
pub const INFLATE_RATIO_MAX: usize = 100;
/// Bytes a client may send ahead while it is not its turn.
pub const AHEAD_LEN_MAX: usize = 64 << 10;
/// Bytes of input kept for a connection: an incomplete head or frame, or what came ahead.
pub const INPUT_LEN_MAX: usize = MESSAGE_LEN_MAX + 14;
/// The shortest and the longest time after which a browser is advised to come back, in milliseconds.
pub const RETRY_MS: std::ops::Range<u32> = 1_000..3_000;
/// Bytes of pages of history that a shard compresses in one turn; the last page of them may exceed it, the others go as they
/// are. About half a millisecond.
pub const COMPRESSED_PER_TURN: usize = 64 << 10;
/// Pages of history that a shard keeps in compressed form, for those who ask for the same.
pub const PAGES_KEPT_MAX: usize = 8;
/// Bytes of them, as they are and compressed.
pub const PAGES_KEPT_LEN_MAX: usize = 1 << 20;
/// For how long they are kept, in milliseconds.
pub const PAGES_KEPT_MS: u64 = 2_000;
/// Bytes from which on it is tried to compress something: shorter texts hardly get shorter, and take as long.
pub const COMPRESS_LEN_MIN: usize = 192;
