//! In whose words: what a request wants, and how a message is put. One file or folder a protocol.
//!
//! A dialect knows no socket and no framing: it turns a request into an [`Intent`] and a message into
//! the payload of a frame. How bytes reach a client is the transport's business.

mod classic;
mod intent;
mod origin;
mod problem;
mod shows;
mod slips;

pub mod dklab;
pub mod limits;
pub mod native;
pub mod realplexor;

pub use classic::Classic;
pub use hub;
pub use intent::{Answer, GUARDS, Intent, NO_STORE, Request, Transport, Wait};
pub use origin::{Cors, OriginError, Origins, Page, is_same_origin};
pub use problem::{Code, Problem, fault};
pub use shows::Shows;
pub use slips::slips;
