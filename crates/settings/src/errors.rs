//! All that is wrong with the settings, told at once.

use std::fmt;

use crate::limits::ERRORS_TOLD_MAX;

/// What is wrong, a line each; the first of many and how many more there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors {
    told: Vec<String>,
    more: usize,
}

impl Errors {
    /// One more.
    pub fn push(&mut self, error: String) {
        if self.told.len() < ERRORS_TOLD_MAX {
            self.told.push(error);
        } else {
            self.more += 1;
        }
    }

    /// All of these, too.
    pub(crate) fn append(&mut self, others: Self) {
        others.told.into_iter().for_each(|error| self.push(error));
        self.more += others.more;
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

impl FromIterator<String> for Errors {
    fn from_iter<I: IntoIterator<Item = String>>(all: I) -> Self {
        let mut errors = Self::default();
        all.into_iter().for_each(|error| errors.push(error));
        errors
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.join("\n"))?;
        match self.more {
            0 => Ok(()),
            1 => f.write_str("\nand 1 more error"),
            more => write!(f, "\nand {more} more errors"),
        }
    }
}

impl std::error::Error for Errors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_many_are_told() {
        let many: Errors = (0..ERRORS_TOLD_MAX + 2).map(|n| n.to_string()).collect();
        assert!(many.to_string().ends_with("\n18\n19\nand 2 more errors"));
        assert_eq!(Errors::from_iter(["a".to_owned(), "b".to_owned()]).to_string(), "a\nb");
    }
}
