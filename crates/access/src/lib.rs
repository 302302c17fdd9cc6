//! Who may: credentials become sessions here, whatever they are, and nowhere else.
//!
//! Pure, like the hub: no I/O, no clock. What a session may then do is asked of the session.

mod key;

pub mod limits;

pub use hub;
pub use key::{Key, KeyError, KeyHash, Keyring, Secret};
