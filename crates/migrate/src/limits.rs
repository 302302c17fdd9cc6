//! Every limit of reading old configurations, by name.

/// Bytes of an old configuration file.
pub(crate) const FILE_LEN_MAX: u64 = 1 << 20;
/// Bytes of a value in an old configuration file.
pub(crate) const VALUE_LEN_MAX: usize = 64 << 10;
/// Expressions within expressions in an old configuration file.
pub(crate) const EXPRESSION_DEPTH_MAX: usize = 32;
