//! What somebody sent, as far as it is repeated in an answer: an error is short whatever it is about.

use std::borrow::Cow;

use crate::limits::QUOTED_CHARS_MAX;

/// At most [`QUOTED_CHARS_MAX`] characters of what somebody sent; `…` stands for the rest.
pub fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &text[..cut]).into(),
        None => text.into(),
    }
}

/// What a reader of JSON says of a fault, with at most so much of the text in it: it names members and values whole.
pub fn excerpt_of_fault(fault: &str) -> Cow<'_, str> {
    let start = fault.find(['`', '"']).map_or(fault.len(), |quote| quote + 1);
    // What was expected instead stands behind the last of these, since no member of ours is called so.
    let end = ["`, expected", "\", expected"].iter().filter_map(|behind| fault.rfind(behind)).max();
    let end = end.unwrap_or(fault.len()).max(start);
    match excerpt(&fault[start..end]) {
        Cow::Owned(quoted) => format!("{}{quoted}{}", &fault[..start], &fault[end..]).into(),
        Cow::Borrowed(_) => fault.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(excerpt("short"), "short");
        assert_eq!(excerpt(&"é".repeat(80)), "é".repeat(80));
        assert_eq!(excerpt(&"é".repeat(81)), format!("{}…", "é".repeat(80)));
    }

    #[test]
    fn a_fault_keeps_what_is_said_of_it() {
        let fault = |name: &str| format!("unknown field `{name}`, expected `a` or `b` at line 1 column 9");
        assert_eq!(excerpt_of_fault(&fault("c")), fault("c"));
        let (long, cut) = ("c".repeat(1_000), format!("{}…", "c".repeat(80)));
        assert_eq!(excerpt_of_fault(&fault(&long)), fault(&cut));
        let fault = |text: &str| format!("invalid type: string \"{text}\", expected a sequence at line 1");
        assert_eq!(excerpt_of_fault(&fault(&long)), fault(&cut));
        assert_eq!(excerpt_of_fault("EOF while parsing a value"), "EOF while parsing a value");
        assert!(excerpt_of_fault(&format!("a fault of no known form `{long}")).chars().count() < 120);
    }
}
