//! In whose words: what a request wants, and how a message is put. One file or folder a protocol.
//!
//! A dialect knows no socket and no framing: it turns a request into an [`Intent`] and a message into
//! the payload of a frame. How bytes reach a client is the transport's business.

mod intent;
mod problem;

pub mod limits;
pub mod native;

pub use hub;
pub use intent::{Answer, Intent, Request, Transport, Wait};
pub use problem::Problem;
