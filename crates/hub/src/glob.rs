//! Names in a grant: one name, the beginning of names, or any pattern with stars.
//!
//! Wider than the [`crate::Pattern`] of settings: no grant needs to be compared with another, so a star may
//! stand anywhere.

use crate::limits::NAME_LEN_MAX;

/// A channel's name in which `*` stands for any characters, none included; or a name as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glob<T = Box<str>> {
    pub(crate) text: T,
    /// A star is only a star.
    pub(crate) literal: bool,
}

/// Why a text names no channels. The message says what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Nothing at all.
    #[error("a pattern is empty; give a channel's name, or one with * for any characters")]
    Empty,
    /// More than a name can have.
    #[error("a pattern has {0} bytes; at most 255 are allowed")]
    Long(usize),
    /// What no name has.
    #[error("a pattern holds a comma or a control character, which no channel's name has; leave it out")]
    Character,
}

impl Glob {
    /// Reads a pattern.
    pub fn new(text: &str) -> Result<Self, GlobError> {
        match text {
            "" => Err(GlobError::Empty),
            _ if text.len() > NAME_LEN_MAX => Err(GlobError::Long(text.len())),
            _ if text.contains(|c: char| c == ',' || c.is_control()) => Err(GlobError::Character),
            _ => Ok(Self { text: text.into(), literal: false }),
        }
    }

    /// The one channel of this name, which may have stars in it.
    pub fn name(name: &str) -> Self {
        Self { text: name.into(), literal: true }
    }
}

impl<'a> Glob<&'a str> {
    /// The one name that it means, if it is no pattern.
    pub fn only(self) -> Option<&'a str> {
        (self.literal || !self.text.contains('*')).then_some(self.text)
    }
}

impl<T: AsRef<str>> Glob<T> {
    /// Whether it is a name as it is, in which a star is a star.
    pub fn is_name(&self) -> bool {
        self.literal
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.text.as_ref()
    }

    /// Whether it is `*`, which every name matches.
    pub fn is_everything(&self) -> bool {
        !self.literal && self.as_str().bytes().all(|byte| byte == b'*')
    }

    /// Whether a channel of this name is meant. Takes no longer than both lengths multiplied, whatever the stars.
    pub fn matches(&self, name: &str) -> bool {
        if self.literal {
            return self.as_str() == name;
        }
        let mut pieces = self.as_str().split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        // The first place where a piece fits leaves the most to those behind it.
        for piece in pieces {
            let Some((_, behind)) = rest.split_once(piece) else { return false };
            rest = behind;
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, matching: &[&str], others: &[&str]) {
        let glob = Glob::new(text).unwrap();
        assert!(matching.iter().all(|name| glob.matches(name)), "{text}");
        assert!(!others.iter().any(|name| glob.matches(name)), "{text}");
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        check("chat", &["chat"], &["cha", "chat.1", "Chat", ""]);
        check("chat.*", &["chat.1", "chat.", "chat.a.b"], &["chat", "chats.1"]);
        check("*", &["a", "chat.1"], &[]);
        check("room.*.said", &["room.1.said", "room..said", "room.1.2.said"], &["room.said", "room.1.saids"]);
        check("*.a", &["x.a", ".a", "a.a.a"], &["a", "x.ab"]);
        check("a*a", &["aa", "aba"], &["a", "ab"]);
        check("a*b*c", &["abc", "axbxc", "abbcc"], &["acb", "ab", "abcd"]);
        check("**", &["", "a"], &[]);
    }

    #[test]
    fn what_no_name_can_match_is_refused() {
        assert_eq!(Glob::new(""), Err(GlobError::Empty));
        assert_eq!(Glob::new("a,b"), Err(GlobError::Character));
        assert_eq!(Glob::new("a\n*"), Err(GlobError::Character));
        assert_eq!(Glob::new(&"x".repeat(256)), Err(GlobError::Long(256)));
    }
}
