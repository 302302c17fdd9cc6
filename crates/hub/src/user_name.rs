//! A user's name as lists of users hold it. A short one lies where it is compared, so that looking somebody up among a hundred
//! thousand reads few places in memory.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A user's name: text, in the order of its bytes.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct UserName(Text);

#[derive(Clone)]
enum Text {
    Short { len: u8, bytes: [u8; SHORT_MAX] },
    Long(Arc<str>),
}

/// As many bytes as fit beside their length where a pointer to a longer name would stand.
const SHORT_MAX: usize = 22;
const _: () = assert!(size_of::<UserName>() == 24);

impl UserName {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Short { len, bytes } => &bytes[..usize::from(*len)],
            Text::Long(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for UserName {
    #[allow(clippy::cast_possible_truncation, reason = "it was compared before")]
    fn from(text: &str) -> Self {
        if text.len() > SHORT_MAX {
            return Self(Text::Long(text.into()));
        }
        let mut bytes = [0; SHORT_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Self(Text::Short { len: text.len() as u8, bytes })
    }
}

impl From<String> for UserName {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<UserName> for String {
    fn from(name: UserName) -> Self {
        (*name).to_owned()
    }
}

impl Deref for UserName {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Text::Short { .. } => str::from_utf8(self.as_bytes()).expect("it was made of text"),
            Text::Long(text) => text,
        }
    }
}

impl Borrow<[u8]> for UserName {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for UserName {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for UserName {}

impl PartialOrd for UserName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UserName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_lengths_are_what_they_were_made_of_in_the_order_of_text() {
        let mut texts: Vec<String> = (0..40).map(|len| "ä".repeat(len / 2) + &"z".repeat(len % 2)).collect();
        texts.extend(["", "b", "ab", "a\u{0}", "a"].map(String::from));
        let mut names: Vec<UserName> = texts.iter().map(|text| UserName::from(&**text)).collect();
        assert!(names.iter().map(|name| &**name).eq(texts.iter().map(|text| &**text)));
        names.sort();
        texts.sort();
        assert!(names.iter().map(|name| &**name).eq(texts.iter().map(|text| &**text)));
    }
}
