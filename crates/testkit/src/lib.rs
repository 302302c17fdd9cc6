//! What tests share: conversation files, chance that can be replayed, and a kernel of lies.

pub mod conversation;
pub mod seeds;
