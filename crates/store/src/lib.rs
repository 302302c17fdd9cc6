//! What outlives the program: the order of messages as a log of segments on a disk.
//!
//! The hub's order is the log. Memory stays the source for readers; the log is read once, at the start. It stands
//! behind the exchange's commit stage: a message is released when the log has it.
//!
//! What is promised: no place is given twice in an epoch; what was answered is found again, unless the disk lost
//! it, and then clients are told; what was never answered may be found or not. The crate does not know clients,
//! lines or settings.

pub mod disk;
pub mod keeper;
pub mod limits;
pub mod log;
pub mod meta;
pub mod record;
pub mod recover;
pub mod segment;
pub mod stats;
pub mod tidy;

pub use disk::{Disk, Folder, FolderError};
pub use keeper::Keeper;
pub use log::{Batch, Log, Options, Sync};
pub use recover::{FoundStore, RecoverError, recover};
pub use stats::Stats;
