//! HTTP/1.1 as a server reads and writes it (RFC 9110, RFC 9112).
//!
//! Framing is judged strictly: where two readers could disagree on where a request ends, it is
//! refused, since that disagreement is what request smuggling lives on. So a bare line feed, a
//! folded header, two lengths, a length beside chunks are all errors, although older texts allowed
//! some of them.
//!
//! What a path, a header or a body *means* is not known here.

mod body;
mod error;
mod request;
mod response;

pub mod loose;

pub use body::Body;
pub use error::Error;
pub use request::{BodyFraming, HEADERS_MAX, HeadLimits, RequestHead, decode, decode_framing};
pub use response::{Head, LAST_CHUNK, enclose_chunk, reason, status_line};
