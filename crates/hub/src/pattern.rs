//! Patterns of names: a name, or the beginning of names and a star.

use crate::hidden_names::ruled_part;
use crate::{NameError, check_name};

/// A channel's name, or the beginning of names and `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<str>);

/// Why a text is no pattern. The message says what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A star somewhere else.
    #[error("a * may stand at the end only, for all names that begin like that")]
    Star,
    /// What no name can be, or begin with.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Pattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let start = text.strip_suffix('*').unwrap_or(text);
        if start.contains('*') {
            return Err(PatternError::Star);
        }
        let named = ruled_part(start);
        if start.len() == text.len() || !named.is_empty() {
            check_name(named.as_bytes())?;
        }
        Ok(Self(text.into()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a channel of this name falls under it.
    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => *self.0 == *name,
        }
    }

    /// Whether every name that matches `other` matches this one too.
    pub fn covers(&self, other: &Self) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => other.0.strip_suffix('*').unwrap_or(&other.0).starts_with(start),
            None => self == other,
        }
    }
}
