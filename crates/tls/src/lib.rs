//! TLS for both lines: certificates from files, handshakes, and records; sans-IO.
//!
//! Handshakes are rustls's. When one is over, rustls hands the keys out and its buffers, transcript and
//! ciphers are freed: an idle connection is its keys and counters, in a few hundred bytes. What is left to do
//! is the record layer of RFC 8446, section 5, and RFC 5246, section 6.2, on the ciphers of aws-lc.

mod certificate;
mod failure;
mod record;
mod secret;
mod server;
mod session;

pub mod limits;

pub use certificate::{Certificate, FileError, Pair, names};
pub use failure::Failure;
pub use rustls;
pub use server::{Server, ServerOptions, Tickets, fingerprint, read_authorities};
pub use session::{HandshakeStep, ReadBytes, TlsSession};
