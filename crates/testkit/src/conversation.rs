//! Conversation files: what is said on a wire, and what is to be understood, as plain text.
//!
//! A file is a list of cases, in lines:
//!
//! ```text
//! # A comment. Empty lines mean nothing.
//! == A ping is told with its payload
//! with message_bytes=10
//! > "GET / HTTP/1.1\r\n" x0d0a "a"*100
//! > frame fin ping "abc"
//! = ping "abc"
//! ```
//!
//! `==` begins a case with its title. `with` gives settings to whoever runs it. `>` adds bytes to its
//! input: words in quotes (escapes `\r \n \t \0 \" \\ \xNN`) or in hexadecimal after `x`, each repeated by
//! `*COUNT`. A `>` line that begins with another word is a directive: the caller turns it into bytes.
//! `=` is a fact, in words the caller chose, in order. A case without facts must tell nothing.
//!
//! A file that cannot be read so is a broken test: everything here panics, naming the line.

use std::fs;
use std::path::Path;

/// One case of a conversation file.
#[derive(Clone, Debug)]
pub struct Case {
    /// File and line.
    pub place: String,
    /// What it shows, as a sentence.
    pub title: String,
    /// The settings of its `with` lines.
    pub settings: Vec<(String, String)>,
    /// All its bytes.
    pub input: Vec<u8>,
    /// What they are to tell.
    pub facts: Vec<String>,
}

/// A word of an input line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// A bare word: part of a directive.
    Plain(String),
    /// A word in quotes or in hexadecimal.
    Bytes(Vec<u8>),
}

impl Case {
    /// The number that a setting gives.
    pub fn setting(&self, name: &str) -> Option<usize> {
        let (_, value) = self.settings.iter().find(|(key, _)| key == name)?;
        Some(value.parse().unwrap_or_else(|_| panic!("{}: {name} is no number", self.place)))
    }

    /// Checks that `run`, given the input in parts, tells the case's facts however the input is cut:
    /// whole, in two at every place, and byte by byte.
    ///
    /// A long input is cut at each place near its ends and at every 61st between them.
    pub fn check(&self, run: impl Fn(&[&[u8]]) -> Vec<String>) {
        let agree = |parts: &[&[u8]], how: &str| {
            assert_eq!(run(parts), self.facts, "{}: {} ({how})", self.place, self.title);
        };
        agree(&[&self.input], "whole");
        agree(&self.input.chunks(1).collect::<Vec<_>>(), "byte by byte");
        let len = self.input.len();
        for cut in (1..len).filter(|cut| *cut < NEAR || len - cut < NEAR || cut % 61 == 0) {
            let (front, back) = self.input.split_at(cut);
            agree(&[front, back], &format!("cut at {cut}"));
        }
    }
}

/// The cases of all `.txt` files in a folder, by file name. `directive` turns the words of a directive
/// into bytes; what it does not know is `None`.
pub fn read_folder(folder: &Path, directive: impl Fn(&[Word]) -> Option<Vec<u8>>) -> Vec<Case> {
    let entries = fs::read_dir(folder).unwrap_or_else(|fault| panic!("{}: {fault}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        cases.extend(read(&path.display().to_string(), &text, &directive));
    }
    cases
}

/// The cases of one file's text; `name` is how faults call it.
pub fn read(name: &str, text: &str, directive: impl Fn(&[Word]) -> Option<Vec<u8>>) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", index + 1);
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        if kind.is_empty() || kind.starts_with('#') {
            continue;
        }
        if kind == "==" {
            let title = rest.to_owned();
            cases.push(Case { place, title, settings: vec![], input: vec![], facts: vec![] });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{place}: a case begins with =="));
        match kind {
            "with" => case.settings.extend(rest.split_whitespace().map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or_else(|| panic!("{place}: not KEY=VALUE"));
                (key.to_owned(), value.to_owned())
            })),
            ">" => {
                let words = words(rest).unwrap_or_else(|| panic!("{place}: not words: {rest}"));
                let bytes = plain_bytes(&words).or_else(|| directive(&words));
                case.input.extend(bytes.unwrap_or_else(|| panic!("{place}: not understood: {rest}")));
            }
            "=" => case.facts.push(rest.to_owned()),
            _ => panic!("{place}: a line begins with ==, with, >, = or #"),
        }
    }
    cases
}

/// Bytes as a fact shows them: in quotes with escapes, a long run of one byte as `"a"*COUNT`.
pub fn quoted(bytes: &[u8]) -> String {
    match bytes {
        [first, rest @ ..] if rest.len() >= 16 && rest.iter().all(|byte| byte == first) => {
            format!("\"{}\"*{}", [*first].escape_ascii(), bytes.len())
        }
        _ => format!("\"{}\"", bytes.escape_ascii().to_string().replace("\\'", "'")),
    }
}

/// The bytes of a line without a directive.
fn plain_bytes(words: &[Word]) -> Option<Vec<u8>> {
    let parts = words.iter().map(|word| match word {
        Word::Bytes(bytes) => Some(bytes.as_slice()),
        Word::Plain(_) => None,
    });
    Some(parts.collect::<Option<Vec<_>>>()?.concat())
}

fn words(line: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (bytes, tail) = match rest.strip_prefix('"') {
            Some(text) => quoted_word(text)?,
            None => {
                let word = rest.split(' ').next().unwrap_or(rest);
                let digits = word.split('*').next().and_then(|word| word.strip_prefix('x'));
                let Some(bytes) = digits.and_then(hexadecimal) else {
                    words.push(Word::Plain(word.to_owned()));
                    rest = rest[word.len()..].trim_start();
                    continue;
                };
                let written_len = 1 + 2 * bytes.len();
                (bytes, &rest[written_len..])
            }
        };
        let (count, tail) = tail.split_at(tail.find(' ').unwrap_or(tail.len()));
        let count = if count.is_empty() { 1 } else { count.strip_prefix('*')?.parse().ok()? };
        words.push(Word::Bytes(bytes.repeat(count)));
        rest = tail.trim_start();
    }
    Some(words)
}

/// The bytes up to the closing quote, and what follows it.
fn quoted_word(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut bytes = Vec::new();
    let mut characters = text.chars();
    loop {
        let character = match characters.next()? {
            '"' => return Some((bytes, characters.as_str())),
            '\\' => match characters.next()? {
                'r' => '\r',
                'n' => '\n',
                't' => '\t',
                '0' => '\0',
                'x' => {
                    bytes.extend(hexadecimal(characters.as_str().get(..2)?)?);
                    characters.nth(1);
                    continue;
                }
                escaped @ ('"' | '\\') => escaped,
                _ => return None,
            },
            character => character,
        };
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// The bytes that pairs of hexadecimal digits spell.
pub fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let values = digits.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()));
    let values = values.collect::<Option<Vec<_>>>()?;
    (values.len() % 2 == 0).then(|| values.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// So far from both ends of an input, every place is a cut.
const NEAR: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read() {
        let text = "# why\n\n== One\nwith a=1 b=2\n> \"x\\r\\n\\x41\\\"\" x0d0A \"ab\"*2\n> say x01\n= it said \"x\"\n== Two\n";
        let cases = read("file", text, |words| match words {
            [Word::Plain(name), Word::Bytes(bytes)] if name == "say" => {
                Some([b"said".as_slice(), bytes].concat())
            }
            _ => None,
        });
        assert_eq!(cases.len(), 2);
        assert_eq!((cases[0].place.as_str(), cases[0].title.as_str()), ("file:3", "One"));
        assert_eq!((cases[0].setting("b"), cases[0].setting("c")), (Some(2), None));
        assert_eq!(cases[0].input, b"x\r\nA\"\r\nababsaid\x01");
        assert_eq!(cases[0].facts, ["it said \"x\""]);
        assert!(cases[1].input.is_empty() && cases[1].facts.is_empty());
    }

    #[test]
    #[should_panic(expected = "file:2: not understood")]
    fn an_unknown_directive_is_a_broken_test() {
        read("file", "== One\n> shout \"x\"\n", |_| None);
    }

    #[test]
    #[should_panic(expected = "cut at 2")]
    fn a_reader_that_depends_on_cuts_is_found() {
        let cases = read("file", "== One\n> \"abcd\"\n= 4\n", |_| None);
        cases[0].check(|parts| vec![if parts[0].len() == 2 { "2".to_owned() } else { "4".to_owned() }]);
    }

    #[test]
    fn bytes_are_shown_as_they_are_written() {
        assert_eq!(quoted(b"it's\r\n\xff\""), "\"it's\\r\\n\\xff\\\"\"");
        assert_eq!(quoted(&[b'a'; 17]), "\"a\"*17");
    }
}
