//! What application servers ask on the IN line: who is online, who came and went, what is held.

use memchr::memchr_iter;

/// A question, with what it says of ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Who is online, of those whose ids begin so; nothing: all.
    Online(Vec<String>),
    /// What changed after a cursor, if there is one, with ids that begin so.
    Watch(Option<u64>, Vec<String>),
    /// All there is.
    Stats,
}

impl Command {
    /// As somebody would write it.
    pub fn name(&self) -> String {
        match self {
            Self::Online(prefixes) => format!("ONLINE {}", prefixes.join(" ")).trim_end().to_owned(),
            Self::Watch(cursor, prefixes) => {
                format!("WATCH {} {}", cursor.unwrap_or(0), prefixes.join(" ")).trim_end().to_owned()
            }
            Self::Stats => "STATS".to_owned(),
        }
    }
}

/// Reads the command at the front of bytes or right behind a blank line: a word, perhaps what is asked for, and
/// a blank line. `ended`: nothing more comes, which does instead of the blank line.
pub fn command(bytes: &[u8], ended: bool) -> Option<Command> {
    let behind_blank = memchr_iter(b'\n', bytes).filter_map(|end| match bytes[end + 1..] {
        [b'\n', ..] => Some(end + 2),
        [b'\r', b'\n', ..] => Some(end + 3),
        _ => None,
    });
    [0].into_iter().chain(behind_blank).find_map(|start| at_front(&bytes[start..], ended))
}

fn at_front(bytes: &[u8], ended: bool) -> Option<Command> {
    let word_len = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (word, rest) = bytes.split_at(word_len);
    let word = word.to_ascii_lowercase();
    if !matches!(&word[..], b"online" | b"watch" | b"stats") {
        return None;
    }
    let line_len = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (argument, behind) = rest.split_at(line_len);
    let argument = argument.strip_suffix(b"\r").unwrap_or(argument);
    let over = match behind {
        [b'\n', b'\n', ..] | [b'\n', b'\r', b'\n', ..] => true,
        [] | [b'\n'] => ended,
        _ => false,
    };
    if !over || argument.first().is_some_and(|first| !first.is_ascii_whitespace()) {
        return None;
    }
    let mut words = argument.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let prefixes = |words: &mut dyn Iterator<Item = &[u8]>| {
        words.map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<String>>()
    };
    Some(match &word[..] {
        b"online" => Command::Online(prefixes(&mut words)),
        b"watch" => {
            let cursor = words.next().and_then(|word| str::from_utf8(word).ok()?.parse().ok());
            Command::Watch(cursor.filter(|cursor| *cursor > 0), prefixes(&mut words))
        }
        _ => Command::Stats,
    })
}

/// Appends a line of the answer to `ONLINE`.
pub fn online_line(id: &str, waiting: u32, out: &mut String) {
    out.push_str(&format!("{id} {waiting}\n"));
}

/// Appends a line of the answer to `WATCH`; a place in the one order is its number.
pub fn event_line(kind: &str, place: u64, id: &str, out: &mut String) {
    out.push_str(&format!("{kind} {}:{id}\n", place.saturating_add(FIRST_EVENT)));
}

/// The place in the one order behind which the events after a cursor are.
pub fn watch_from(cursor: u64) -> u64 {
    cursor.saturating_sub(FIRST_EVENT)
}

/// The cursor of a server that has seen nothing.
const FIRST_EVENT: u64 = 10;
