//! What publishers say in other words than our own: a file and a folder for each dialect.

pub(crate) mod dklab;
pub(crate) mod realplexor;
