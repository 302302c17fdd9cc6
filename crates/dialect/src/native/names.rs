//! Lists of channel names: in a path, in a body.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Formatter;

use hub::check_name;
use hub::limits::CHANNELS_MAX;
use memchr::memchr;
use percent_encoding::percent_decode_str;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::{Code, Problem, fault};

/// The names in `news,user.42` of a path, percent-encoded or not; each once, in order.
pub fn names_in_path(list: &str) -> Result<Vec<Box<str>>, Problem> {
    if list.is_empty() {
        return Err(no_channel());
    }
    check_escapes(list)?;
    checked(list.split(',').map(|name| Cow::from(percent_decode_str(name))))
}

/// The name of a user in a part of a path, percent-encoded or not.
pub fn user_in_path(part: &str) -> Result<Box<str>, Problem> {
    let wrong = |why: &str| Problem::bad(Code::User, format!("no user has this name: {why}"));
    let user = check_escapes(part).map(|()| percent_decode_str(part).decode_utf8());
    let Ok(Ok(user)) = user else {
        return Err(wrong("it is not UTF-8, percent-encoded; encode it with encodeURIComponent or the like"));
    };
    if user.is_empty() || user.chars().any(char::is_control) {
        return Err(wrong("it is empty, or holds a control character"));
    }
    Ok(user.into())
}

/// Checks that each `%` is followed by two hexadecimal digits (RFC 3986, 2.1). One that is not might be meant as it
/// stands or be an escape that was cut off: whichever it is, it is another name than the client's.
pub fn check_escapes(path: &str) -> Result<(), Problem> {
    let mut rest = path.as_bytes();
    while let Some(at) = memchr(b'%', rest) {
        rest = &rest[at + 1..];
        if !matches!(rest, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()) {
            return Err(Problem::bad(
                Code::ChannelName,
                "a % in the path is not followed by two hexadecimal digits; write a percent sign in a name as %25, and \
                 encode names with encodeURIComponent, rawurlencode or the like",
            ));
        }
    }
    Ok(())
}

/// The names in the body of `POST /sub/`: a JSON array if `json`, else separated by commas or line ends.
pub fn names_in_body(body: &[u8], json: bool) -> Result<Vec<Box<str>>, Problem> {
    if json {
        let NameList(names) = serde_json::from_slice(body).map_err(|error| {
            Problem::bad(
                Code::ChannelList,
                format!("the body is no JSON array of channel names: {}", fault(&error)),
            )
        })?;
        return checked(names.iter().map(|name| Cow::from(name.as_bytes())));
    }
    let body = trim_end(body);
    if body.is_empty() {
        return Err(no_channel());
    }
    let lines = body.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    checked(lines.flat_map(|line| line.split(|byte| *byte == b',')).map(Cow::from))
}

/// Checks names of a list in JSON.
pub fn names_in_list(names: &NameList) -> Result<Vec<Box<str>>, Problem> {
    checked(names.0.iter().map(|name| Cow::from(name.as_bytes())))
}

/// A list of names in JSON, as it was written. Of one that is too long, one more than there may be.
#[derive(Debug, Default)]
pub struct NameList(Vec<String>);

impl NameList {
    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for NameList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = NameList;

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of channel names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NameList, A::Error> {
        let mut names = Vec::new();
        while names.len() <= CHANNELS_MAX {
            let Some(name) = items.next_element()? else { return Ok(NameList(names)) };
            names.push(name);
        }
        // What stands behind the list is read, too.
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(NameList(names))
    }
}

fn checked<'a>(names: impl Iterator<Item = Cow<'a, [u8]>>) -> Result<Vec<Box<str>>, Problem> {
    let mut list: Vec<Box<str>> = Vec::new();
    // Of a few names each is looked for among the others; a set costs more than that.
    let mut known: HashSet<Box<str>> = HashSet::new();
    for (number, name) in names.enumerate() {
        // Each name that is written costs something, and not only those that are new.
        if number == CHANNELS_MAX {
            return Err(Problem::bad(
                Code::ChannelCount,
                format!("more than {CHANNELS_MAX} channels are named; use several connections"),
            ));
        }
        let name = check_name(&name).map_err(|error| Problem::bad(Code::ChannelName, error.to_string()))?;
        if list.len() == FEW {
            known.extend(list.iter().cloned());
        }
        let is_new = if list.len() < FEW {
            !list.iter().any(|other| **other == *name)
        } else {
            known.insert(name.into())
        };
        if is_new {
            list.push(name.into());
        }
    }
    if list.is_empty() { Err(no_channel()) } else { Ok(list) }
}

fn no_channel() -> Problem {
    Problem::bad(
        Code::ChannelList,
        "no channel is named; give at least one, as in /sub/news or /sub/news,user.42",
    )
}

/// Without the line ends and blanks with which editors and shells end a file.
fn trim_end(mut body: &[u8]) -> &[u8] {
    while let [rest @ .., b'\n' | b'\r' | b' '] = body {
        body = rest;
    }
    body
}

/// So many names are few.
const FEW: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, expected: Result<&[&str], &str>) {
        let got = names_in_path(list);
        match (&got, expected) {
            (Ok(names), Ok(expected)) => {
                assert!(names.iter().map(|name| &**name).eq(expected.iter().copied()), "{names:?}")
            }
            (Err(problem), Err(code)) => assert_eq!(problem.code.name(), code),
            _ => panic!("{list}: {got:?}"),
        }
    }

    #[test]
    fn a_path_is_a_list_of_names() {
        check("news", Ok(&["news"]));
        check("news,user.42", Ok(&["news", "user.42"]));
        check("%D1%87%D0%B0%D1%82,a%20b", Ok(&["чат", "a b"]));
        check("b,a,b", Ok(&["b", "a"]));
        let ten = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        check("0,1,2,3,4,5,6,7,8,9,8,7,0,9", Ok(&ten));
        check("0,1,2,3,4,5,6,7,7,0,8,9,9", Ok(&ten));
        check("", Err("channel-list"));
        check("a,,b", Err("channel-name"));
        check("a%2Cb", Err("channel-name"));
        check("%ff", Err("channel-name"));
        check("100%25", Ok(&["100%"]));
        for bad in ["a%zz", "a%", "a%4", "%%41", "a,b%g0", "%+1"] {
            check(bad, Err("channel-name"));
        }
        check("$a", Err("channel-name"));
        let many: Vec<String> = (0..=CHANNELS_MAX).map(|n| n.to_string()).collect();
        check(&many.join(","), Err("channel-count"));
        check("a,".repeat(CHANNELS_MAX).trim_end_matches(','), Ok(&["a"]));
        check(&format!("{}a", "a,".repeat(CHANNELS_MAX)), Err("channel-count"));
    }

    #[test]
    fn a_body_is_a_list_of_names() {
        let names = |body: &[u8], json| {
            names_in_body(body, json).map(|names| names.join("|")).map_err(|p| p.code.name())
        };
        assert_eq!(names(b"a,b\r\nc\n", false), Ok("a|b|c".into()));
        assert_eq!(names(br#"["a", "b"]"#, true), Ok("a|b".into()));
        assert_eq!(names(b"", false), Err("channel-list"));
        assert_eq!(names(b"[]", true), Err("channel-list"));
        assert_eq!(names(b"{}", true), Err("channel-list"));
        assert_eq!(names(b"a,,b", false), Err("channel-name"));
        assert_eq!(names(br#"["a,b"]"#, true), Err("channel-name"));
        let many = |count| format!("[{}\"a\"]", "\"a\",".repeat(count - 1));
        assert_eq!(names(many(CHANNELS_MAX).as_bytes(), true), Ok("a".into()));
        assert_eq!(names(many(CHANNELS_MAX + 1).as_bytes(), true), Err("channel-count"));
        assert_eq!(names(many(60_000).as_bytes(), true), Err("channel-count"));
        assert_eq!(names(&b"a\n".repeat(CHANNELS_MAX + 1), false), Err("channel-count"));
    }
}
