//! The marker and the list behind it: `identifier=[login:password@][*][cursor:]id,…`.

use std::collections::HashMap;

use hub::limits::NAME_LEN_MAX;
use hub::{After, Decimal};
use memchr::{memmem, memrchr};

use super::is_word;
use super::told::ListCursors;

/// The word that begins a list, and its `=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    bytes: [u8; MARKER_LEN_MAX + 1],
    len: u8,
}

/// How bytes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Nothing more comes, which ends a list too.
    pub ended: bool,
    /// `%2C`, `%3A` and `%2A` in the list stand for `,`, `:` and `*`.
    pub decodes: bool,
    /// A password has no `&`, so that an `@` in a later parameter makes none.
    pub query: bool,
}

/// What was found in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No marker.
    None,
    /// A marker whose list is not at its end.
    More,
    /// The first marker's list.
    List(List),
}

/// What stands behind a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Who says so.
    pub credentials: Option<Credentials>,
    /// What fits the grammar, each id once, with and without a star; of a repeated one the last cursor counts.
    pub items: Vec<Item>,
}

/// A login and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Letters, digits and `_`.
    pub login: Box<str>,
    /// Anything but white space and `@`.
    pub password: Box<[u8]>,
}

/// One item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// It has a star: on the IN line it limits who sees the message.
    pub star: bool,
    /// The cursor, as it stands there.
    pub cursor: Option<Box<str>>,
    /// The id.
    pub id: Box<str>,
}

impl Marker {
    /// The marker of a word of letters, digits and `_`, at most [`MARKER_LEN_MAX`] of them.
    pub fn new(word: &str) -> Option<Self> {
        if word.is_empty() || word.len() > MARKER_LEN_MAX || !word.bytes().all(is_word) {
            return None;
        }
        let mut bytes = [b'='; MARKER_LEN_MAX + 1];
        bytes[..word.len()].copy_from_slice(word.as_bytes());
        Some(Self { bytes, len: u8::try_from(word.len()).ok()? + 1 })
    }

    /// The word.
    pub fn word(&self) -> &str {
        let word = self.needle();
        str::from_utf8(&word[..word.len() - 1]).expect("the word is ASCII")
    }

    /// Reads the list of the first marker that stands in no `Referer` line: there it is part of the address
    /// of the page before.
    pub fn find(&self, bytes: &[u8], reading: Reading) -> Found {
        let markers = memmem::find_iter(bytes, self.needle());
        let first =
            markers.filter(|at| *at == 0 || !is_word(bytes[at - 1])).find(|at| !is_referer(bytes, *at));
        let Some(at) = first else { return Found::None };
        let text = &bytes[at + self.needle().len()..];
        let Some(credentials_len) = credentials_len(text, reading) else { return Found::More };
        let Some(list) = list(&text[credentials_len..], reading) else { return Found::More };
        Found::List(List { credentials: credentials(&text[..credentials_len]), items: items(&list) })
    }

    fn needle(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Default for Marker {
    fn default() -> Self {
        Self::new("identifier").expect("it is a word")
    }
}

impl Reading {
    /// Bytes of any kind.
    pub const RAW: Self = Self { ended: false, decodes: false, query: false };

    /// A query.
    pub fn query(ended: bool) -> Self {
        Self { ended, decodes: true, query: true }
    }
}

impl List {
    /// What is listened to, and from where. A star says nothing to those who wait.
    pub fn wishes(self) -> Vec<(Box<str>, After)> {
        let items = self.items.into_iter().map(|item| Item { star: false, ..item });
        let items = last_of_each(items.collect());
        let told = ListCursors::of(&items);
        items.into_iter().enumerate().map(|(n, item)| (item.id, told.after(n, item.cursor))).collect()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:(a password)", self.login)
    }
}

/// Whether the line around `at` begins with `Referer:`.
fn is_referer(bytes: &[u8], at: usize) -> bool {
    let start = memrchr(b'\n', &bytes[..at]).map_or(0, |end| end + 1);
    let line = bytes[start..at].trim_ascii_start();
    line.get(..REFERER.len()).is_some_and(|name| name.eq_ignore_ascii_case(REFERER))
}

/// How much of the text is a login and its password; `None` while that may still change.
fn credentials_len(text: &[u8], reading: Reading) -> Option<usize> {
    let login_len = text.iter().take_while(|byte| is_word(**byte)).count();
    if login_len == 0 || text.get(login_len) != Some(&b':') {
        return Some(0);
    }
    let stops = |byte: &u8| *byte == b'@' || is_space(*byte) || (reading.query && *byte == b'&');
    let Some(stop) = text.iter().position(stops) else { return reading.ended.then_some(0) };
    Some(if text[stop] == b'@' && stop > login_len + 1 { stop + 1 } else { 0 })
}

fn credentials(text: &[u8]) -> Option<Credentials> {
    let text = text.strip_suffix(b"@")?;
    let colon = text.iter().position(|byte| *byte == b':')?;
    let login = str::from_utf8(&text[..colon]).ok()?.into();
    Some(Credentials { login, password: text[colon + 1..].into() })
}

/// The characters of the list; `None` while more of them may come.
fn list(text: &[u8], reading: Reading) -> Option<String> {
    let mut list = String::new();
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        if is_word(*first) || b",.:*".contains(first) {
            list.push(char::from(*first));
            rest = behind;
            continue;
        }
        if *first != b'%' || !reading.decodes {
            return Some(list);
        }
        let Some(code) = behind.get(..2) else { return reading.ended.then_some(list) };
        match &code.to_ascii_uppercase()[..] {
            b"2C" => list.push(','),
            b"3A" => list.push(':'),
            b"2A" => list.push('*'),
            _ => return Some(list),
        }
        rest = &behind[2..];
    }
    reading.ended.then_some(list)
}

fn items(list: &str) -> Vec<Item> {
    last_of_each(list.split(',').filter_map(item).collect())
}

fn item(text: &str) -> Option<Item> {
    let bare = text.strip_prefix('*');
    let (cursor, id) = match bare.unwrap_or(text).rsplit_once(':') {
        Some((cursor, id)) => (Some(Decimal::read(cursor).map(|_| Box::from(cursor))?), id),
        None => (None, bare.unwrap_or(text)),
    };
    let fits = (1..=NAME_LEN_MAX).contains(&id.len()) && id.bytes().all(is_word);
    fits.then(|| Item { star: bare.is_some(), cursor, id: id.into() })
}

/// Each once, in the place of its first, with what its last says.
fn last_of_each(items: Vec<Item>) -> Vec<Item> {
    let mut known = HashMap::with_capacity(items.len());
    let mut last: Vec<Item> = Vec::with_capacity(items.len());
    for item in items {
        let at = *known.entry((item.star, item.id.clone())).or_insert(last.len());
        match last.get_mut(at) {
            Some(first) => *first = item,
            None => last.push(item),
        }
    }
    last
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Bytes of a marker's word.
pub const MARKER_LEN_MAX: usize = 30;
const REFERER: &[u8] = b"referer:";
