//! Why credentials are worth nothing, in a sentence for whoever showed them.

use hub::Code;

/// Credentials that were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// For programs.
    pub code: Code,
    /// For people: what is wrong, and what would be right. Never the credentials themselves.
    pub detail: String,
}

impl Denied {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}
