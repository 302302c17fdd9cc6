//! WebSocket as a server reads and writes it (RFC 6455), with compressed messages (RFC 7692) where both want it.
//!
//! Frames come in masked and go out unmasked. A message that came in one frame is handed out where
//! it lies; only a message in fragments is gathered, and only while it is incomplete does its
//! connection hold anything at all.
//!
//! What a message says, and when to ping, is not known here.

mod error;
mod extension;
mod frame;
mod handshake;
mod reader;

pub use error::Error;
pub use extension::accept_deflate;
pub use frame::{
    CONTROL_PAYLOAD_MAX, FrameHeader, HEADER_BYTES_MAX, Opcode, RSV1, decode_header, encode_client_frame,
    encode_close, encode_deflated, encode_frame, unmask,
};
pub use handshake::accept_key;
pub use reader::{FrameFact, FrameReader, FrozenPartial, MessageLimits};
