//! Every limit of the dialects, by name.

/// Bytes of a list of channels in the body of `POST /sub/`: 1,000 names of 255 bytes and their commas.
pub const LIST_LEN_MAX: usize = 256 << 10;
/// Bytes of a publisher's event name.
pub const EVENT_LEN_MAX: usize = 255;
/// Bytes of a publisher's media type.
pub const CONTENT_TYPE_LEN_MAX: usize = 255;
