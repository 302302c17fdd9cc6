//! What tests share: conversation files, chance that can be replayed, and a kernel of lies.

pub mod conversation;
#[cfg(feature = "disk")]
pub mod disk;
#[cfg(feature = "kernel")]
pub mod kernel;
#[cfg(feature = "kernel")]
pub mod scene;
pub mod seeds;
#[cfg(feature = "kernel")]
pub mod telegraph;
#[cfg(feature = "kernel")]
pub mod wire;
