//! What pages written for Realplexor load: the page in their frame, and the library. `$NAME` in them stands for
//! a setting; see `docs/realplexor.md`.

/// The page in the frame, at `?identifier=IFRAME`.
pub const LOADER: &str = include_str!("loader.html");
/// The library, at `?identifier=SCRIPT`: built from `clients/js`, like the client of today.
pub const LIBRARY: &str = include_str!("../../../../clients/js/dist/realplexor.js");
/// When they last changed, in seconds since the Unix epoch.
pub const CHANGED: u64 = 1_795_998_300;
