//! Every limit of the settings, by name.

use std::time::Duration;

/// How long both lines serve on after SIGTERM where somebody looks at `/readyz`.
pub(crate) const LAME_DUCK: Duration = Duration::from_secs(5);
/// Bytes of a file with a public key.
pub(crate) const PEM_LEN_MAX: u64 = 64 << 10;
/// Bytes of a settings file.
pub(crate) const FILE_LEN_MAX: u64 = 1 << 20;
/// Errors of the settings that are told at once; of the others only the number.
pub(crate) const ERRORS_TOLD_MAX: usize = 20;
