//! A dialect that no program has: lines of words over a bare connection. It keeps a count of each connection's lines, its clients
//! join and leave channels, and it has words of its own for who is there. `telegraph/README.md` describes it.
//!
//! All there is of it is in this folder, but for the line that names this module: that this is enough is what it shows.

#[cfg(test)]
mod tests;
mod told;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::value::RawValue;
use transport::Shape;
use transport::dialect::hub::{Start, check_name};
use transport::dialect::native::{Credentials, Shown, since};
use transport::dialect::{
    Claim, Code, Command, Dialect, Dialects, ExtraDialect, Heard, Held, HeldError, Input, Moment, Ours,
    Problem, State, Up, Wait, Wants,
};

use told::{ROW, over};

/// The dialect.
#[derive(Debug, Default)]
pub struct Telegraph {
    /// Connections that began, and were not told to have ended.
    up: AtomicUsize,
}

/// What it keeps of a connection.
#[derive(Debug)]
struct Talk {
    /// Lines that came. Each answer says which one it is for.
    lines: u64,
}

impl Telegraph {
    /// Connections of which it keeps something.
    pub fn up(&self) -> usize {
        self.up.load(Ordering::Relaxed)
    }

    /// The dialects of a server that is given this one. Its listeners must say that they understand it, too.
    pub fn given() -> (Arc<Self>, Dialects) {
        Shape::give(&ROW);
        let telegraph = Arc::<Self>::default();
        let guest = Some(ExtraDialect(Arc::clone(&telegraph) as Arc<dyn Dialect>));
        (telegraph, Dialects { guest, ..Dialects::default() })
    }
}

impl Dialect for Telegraph {
    fn claims(&self, bytes: &[u8], _: Ours<'_>) -> Option<Claim> {
        match bytes.strip_prefix(HELLO) {
            Some([]) => None,
            Some([next, ..]) => Some(if next.is_ascii_whitespace() { Claim::Theirs } else { Claim::Ours }),
            None => (!HELLO.starts_with(bytes)).then_some(Claim::Ours),
        }
    }

    fn wants(&self, bytes: &[u8], _: bool, limit: usize) -> Wants {
        let Some((line, taken)) = first_line(bytes) else {
            return if bytes.len() > limit { Wants::Nothing } else { Wants::Undecided };
        };
        let token = str::from_utf8(&line[HELLO.len()..]).unwrap_or_default().trim();
        let shown = |token: &str| Credentials {
            shown: Shown::Tokens(vec![token.into()]),
            ambient: false,
            foreign: None,
        };
        let mut wait = Wait::of(Vec::new(), Start::Now);
        wait.credentials = (!token.is_empty()).then(|| Box::new(shown(token)));
        self.up.fetch_add(1, Ordering::Relaxed);
        Wants::Up(Box::new(Up { taken, wait, state: Some(Box::new(Talk { lines: 1 })) }))
    }

    fn is_told_late(&self, input: &[u8], ours: Ours<'_>) -> bool {
        self.claims(input, ours) == Some(Claim::Ours)
    }

    fn command(&self, state: Option<&mut dyn State>, input: Input<'_>, at: Moment) -> (usize, Heard) {
        let Input::Bytes(bytes) = input else { unreachable!("its framing has no messages") };
        let Some((line, taken)) = first_line(bytes) else {
            let is_long = bytes.len() > LINE_LEN_MAX;
            return if is_long { (bytes.len(), Heard::End(over(1009, TOO_LONG))) } else { (0, Heard::More) };
        };
        let talk: &mut Talk = state.and_then(<dyn State>::of).expect("all its connections begin with one");
        talk.lines += 1;
        let id = RawValue::from_string(talk.lines.to_string()).expect("a number is JSON");
        let heard = match read(line, at) {
            Ok(TelegraphCommand::Join(names, start, presence)) => {
                Heard::Command(Command::Subscribe { names, start, presence, id: Some(id) })
            }
            Ok(TelegraphCommand::Leave(names)) => {
                Heard::Command(Command::Unsubscribe { names, id: Some(id) })
            }
            Ok(TelegraphCommand::Ping) => Heard::Answer(format!("PONG {id}\n").into_bytes()),
            Ok(TelegraphCommand::Bye) => Heard::End(over(1000, "bye")),
            Ok(TelegraphCommand::Nothing) => Heard::Nothing,
            Err(problem) => Heard::Refused(problem, Some(id)),
        };
        (taken, heard)
    }

    fn freeze(&self, _: &Held, state: Option<&dyn State>) -> Vec<u8> {
        let Some(talk) = state.and_then(<dyn State>::seen_as::<Talk>) else { return Vec::new() };
        [&[VERSION][..], &talk.lines.to_le_bytes()].concat()
    }

    fn thaw(&self, bytes: &[u8]) -> Result<(Held, Option<Box<dyn State>>), HeldError> {
        // Nothing is heard any more on a connection of which it keeps nothing.
        let Some((version, lines)) = bytes.split_first() else { return Ok((Held::default(), None)) };
        if *version != VERSION {
            return Err(HeldError::Version(*version, VERSION));
        }
        let lines = lines.try_into().map(u64::from_le_bytes).ok().filter(|lines| *lines > 0);
        let talk = Talk { lines: lines.ok_or(HeldError::Malformed)? };
        Ok((Held::default(), Some(Box::new(talk))))
    }

    fn ended(&self, mut state: Box<dyn State>) {
        let talk: Option<&mut Talk> = state.of();
        assert!(talk.is_some_and(|talk| talk.lines > 0), "it is told of its own connections");
        self.up.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a line asks for.
enum TelegraphCommand {
    Join(Vec<Box<str>>, Start, bool),
    Leave(Vec<Box<str>>),
    Ping,
    Bye,
    Nothing,
}

fn read(line: &[u8], at: Moment) -> Result<TelegraphCommand, Problem> {
    let unknown = || {
        let why = "the line is none of JOIN NAMES [FROM CURSOR] [WHO], LEAVE NAMES, PING and BYE";
        Problem::bad(Code::Command, why)
    };
    let line = str::from_utf8(line).map_err(|_| unknown())?;
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        [] => Ok(TelegraphCommand::Nothing),
        ["JOIN", names] => Ok(TelegraphCommand::Join(names_of(names)?, Start::Now, false)),
        ["JOIN", names, "WHO"] => Ok(TelegraphCommand::Join(names_of(names)?, Start::Now, true)),
        ["JOIN", names, "FROM", from] => {
            Ok(TelegraphCommand::Join(names_of(names)?, since(from, at.cursors, at.now)?, false))
        }
        ["JOIN", names, "FROM", from, "WHO"] => {
            Ok(TelegraphCommand::Join(names_of(names)?, since(from, at.cursors, at.now)?, true))
        }
        ["LEAVE", names] => Ok(TelegraphCommand::Leave(names_of(names)?)),
        ["PING"] => Ok(TelegraphCommand::Ping),
        ["BYE"] => Ok(TelegraphCommand::Bye),
        _ => Err(unknown()),
    }
}

/// Names with commas between them, each once.
fn names_of(list: &str) -> Result<Vec<Box<str>>, Problem> {
    let mut names: Vec<Box<str>> = Vec::new();
    for name in list.split(',') {
        let name = check_name(name.as_bytes())
            .map_err(|error| Problem::bad(Code::ChannelName, error.to_string()))?;
        if !names.iter().any(|known| **known == *name) {
            names.push(name.into());
        }
    }
    Ok(names)
}

/// The line at the front without its end, and how long it is with it.
fn first_line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]), end + 1))
}

/// Of what is written of a connection that is handed over.
const VERSION: u8 = 1;
/// How a connection begins.
const HELLO: &[u8] = b"HELLO";
/// Bytes of a line of a client.
const LINE_LEN_MAX: usize = 1_000;
const TOO_LONG: &str = "the line has more than 1000 bytes";
