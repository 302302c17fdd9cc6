//! What can be wrong with a client's frames, and the close code that answers it.

/// A frame that is refused. Its text says what is wrong and what would be right.
///
/// After any of these nothing more can be read: send a close frame, then close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A reserved bit without an extension that gave it a meaning.
    #[error("a reserved bit is set, but no extension that gives it a meaning there was negotiated")]
    ReservedBits,
    /// An opcode without a meaning.
    #[error("opcode {0} is reserved: use 0, 1, 2, 8, 9 or 10")]
    ReservedOpcode(u8),
    /// A control frame that is not final.
    #[error("a control frame must not be fragmented")]
    FragmentedControl,
    /// A control frame with more than 125 bytes.
    #[error("a control frame must not be longer than 125 bytes")]
    LongControl,
    /// A length in more bytes than it needs.
    #[error("a frame's length must be written in as few bytes as it needs")]
    LengthNotMinimal,
    /// A length with its highest bit set.
    #[error("a frame's length must not have its highest bit set")]
    LengthTopBit,
    /// A client frame without a mask.
    #[error("a client's frames must be masked")]
    Unmasked,
    /// A continuation of nothing.
    #[error("a continuation frame must follow the beginning of a message")]
    StrayContinuation,
    /// A new message inside an unfinished one.
    #[error("a new message must not begin before the last one is complete")]
    NestedMessage,
    /// A close frame with one byte.
    #[error("a close frame must be empty or begin with a code of two bytes")]
    CloseLength,
    /// A close code that must not be sent.
    #[error("close code {0} must not be sent: use 1000 to 1003, 1007 to 1014 or 3000 to 4999")]
    CloseCode(u16),
    /// A compressed message that cannot be inflated.
    #[error("the message is said to be compressed, but is no deflate data")]
    Deflate,
    /// Text that is not UTF-8.
    #[error("text must be valid UTF-8")]
    Utf8,
    /// A message over its limit.
    #[error("the message is too long")]
    MessageTooLong,
    /// A message that becomes too much longer than it came.
    #[error("the message becomes too many times as long as it came: send it uncompressed")]
    InflateRatio,
    /// A message in more fragments than the limit.
    #[error("the message is in too many fragments: send fewer, longer ones")]
    TooManyFragments,
}

impl Error {
    /// The code of the close frame that answers it.
    pub fn close_code(&self) -> u16 {
        match self {
            Self::Utf8 | Self::Deflate => 1007,
            Self::TooManyFragments => 1008,
            Self::MessageTooLong | Self::InflateRatio => 1009,
            _ => 1002,
        }
    }
}
