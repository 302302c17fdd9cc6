//! Another program goes on in the place of this one, and nobody notices: the upgrade of the binary.
//!
//! The running program starts the new file, with its own arguments and environment, and with a line between both as standard input.
//! The new one reads its settings, and greets with the version of what goes over, where it is to listen, and how many shards it has.
//! Only then does anything change: the shards accept nobody and finish handshakes, the IN line answers what is under way, all
//! come to rest, and everything goes over (`give.rs`, `take.rs`). The new one says that it is ready, is told to go, and says that
//! it serves. **Until the old one has read that, it takes all back** where anything fails, and serves on as if nothing had been;
//! from then on it only ends. The new one serves nobody before it has said so.

mod candidate;
pub(crate) mod control;
mod give;
mod said;
mod take;

pub(crate) use give::{Ends, Upgrade};
pub(crate) use take::Predecessor;
