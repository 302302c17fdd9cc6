//! Bytes to facts and back: one file a grammar, and no grammar knows another.
//!
//! Every decoder here is sans-IO: it is given the bytes that have come so far and tells what they
//! say. What is not complete yet is `Ok(None)`; what cannot be right is an error which names the
//! fault and maps to exactly one answer (an HTTP status, a WebSocket close code). How the network
//! cut the bytes never changes what is told.
//!
//! No socket, no clock, no limit of its own invention: limits are arguments. Nothing a stranger
//! sends makes this crate panic.

pub mod deflate;
pub mod http;
pub mod http2;
pub mod proxy;
pub mod sse;
pub mod ws;
