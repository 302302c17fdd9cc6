//! `multiplexor listen` and `watch`: print messages, or who comes and goes, over lost connections too.
//!
//! It reads the endless stream of JSON lines. Every line with a cursor is a place to go on from, so
//! after a failure nothing is missed and nothing printed twice; what the server no longer had is told.

mod line;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{self, ExitCode};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Arg, ArgMatches, Command};
use nix::sys::signal::{SigSet, Signal};
use rustix::rand::{GetRandomFlags, getrandom};
use ureq::Agent;

use crate::args::{authority, flag, since, tail};
use crate::http::{
    self, Trust, base, config, encode, encode_names, in_url, no_answer, refusal, wait_url, with_key,
};
use crate::limits::{BACKOFF_MAX, BACKOFF_MIN, LINE_LEN_MAX, SILENCE_MAX};
use line::StreamLine;

/// `multiplexor listen`.
pub(crate) fn command() -> Command {
    Command::new("listen")
        .visible_alias("subscribe")
        .about("Wait for messages and print them")
        .after_help(EXAMPLES)
        .arg(
            Arg::new("channel")
                .value_name("CHANNEL")
                .required(true)
                .num_args(1..)
                .value_delimiter(',')
                .help("What to listen to"),
        )
        .arg(since())
        .arg(tail("Begin with the last N messages of each channel"))
        .arg(flag("json", "Print the objects of the server as they come, cursors included, one a line"))
        .arg(
            Arg::new("listen-url")
                .long("listen-url")
                .value_name("URL")
                .env("MULTIPLEXOR_LISTEN_URL")
                .default_value(wait_url())
                .help("The WAIT line of the server, where one subscribes"),
        )
        .arg(authority())
}

/// What to listen to, and from where.
struct ListenArgs {
    base: String,
    trust: Trust,
    key: Option<String>,
    /// What to ask for, without from where.
    target: String,
    /// A cursor as soon as there was one.
    since: Option<String>,
    tail: Option<u32>,
    json: bool,
}

impl ListenArgs {
    /// Reads it from the command line.
    fn read(matches: &ArgMatches) -> anyhow::Result<Self> {
        let url = matches.get_one::<String>("listen-url").cloned().unwrap_or_default();
        let names = matches.get_many::<String>("channel").into_iter().flatten();
        let names = encode_names(names.map(String::as_str));
        let base = base(&url, "--listen-url", &wait_url())?;
        Ok(Self {
            trust: Trust::read(matches, &base)?,
            base,
            key: None,
            target: format!("/sub/{names}?transport=stream"),
            since: matches.get_one("since").cloned(),
            tail: matches.get_one("tail").copied(),
            json: matches.get_flag("json"),
        })
    }

    /// Reads from the command line what is to be watched.
    fn to_watch(matches: &ArgMatches) -> anyhow::Result<Self> {
        let url = matches.get_one::<String>("server").cloned().unwrap_or_default();
        let prefix = matches.get_one::<String>("prefix").map(String::as_str).unwrap_or_default();
        let base = base(&url, "--server", &in_url())?;
        Ok(Self {
            trust: Trust::read(matches, &base)?,
            base,
            key: http::key(matches),
            target: format!(
                "/watch?transport=stream&prefix={}{}",
                encode(prefix),
                if matches.get_flag("users") { "&users=1" } else { "" }
            ),
            since: matches.get_one("since").cloned(),
            tail: None,
            json: matches.get_flag("json"),
        })
    }

    fn url(&self) -> String {
        let url = http::url(&self.base, &self.target);
        match (&self.since, self.tail) {
            (Some(since), _) => format!("{url}&since={}", encode(since)),
            (None, Some(tail)) => format!("{url}&tail={tail}"),
            (None, None) => url,
        }
    }
}

/// `multiplexor listen`.
pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    run_until_interrupted(ListenArgs::read(matches)?)
}

/// `multiplexor watch`.
pub(crate) fn run_watch(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    run_until_interrupted(ListenArgs::to_watch(matches)?)
}

/// Listens until interrupted, or until nobody reads what is printed.
fn run_until_interrupted(args: ListenArgs) -> anyhow::Result<ExitCode> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    signals.thread_block().context("signals cannot be received")?;
    // Reading blocks, so a thread waits for the signal that ends the program.
    thread::spawn(move || {
        if signals.wait().is_ok() {
            process::exit(0);
        }
    });
    listen(args)
}

/// Why a connection is over.
enum StreamEnd {
    /// Nobody reads what is printed: all is done.
    NobodyReads,
    /// Another attempt may succeed.
    Lost(String),
    /// Another attempt would fail alike.
    Final(anyhow::Error),
}

/// Connects, again and again; the first time somebody must be there.
fn listen(mut args: ListenArgs) -> anyhow::Result<ExitCode> {
    let agent = http::agent(config(&args.trust).timeout_per_read(Some(SILENCE_MAX)), &args.base);
    let (mut connected, mut attempt) = (false, 0);
    loop {
        let mut lines = 0;
        let end = match connect(&agent, &args, connected) {
            Ok(reader) => {
                connected = true;
                read(reader, &mut args, &mut lines)
            }
            Err(end) => end,
        };
        let reason = match end {
            StreamEnd::NobodyReads => return Ok(ExitCode::SUCCESS),
            StreamEnd::Final(error) => return Err(error),
            StreamEnd::Lost(reason) => reason,
        };
        attempt = if lines > 0 { 0 } else { attempt + 1 };
        if attempt <= 1 {
            eprintln!("multiplexor: {reason}; trying again");
        }
        thread::sleep(pause(attempt));
    }
}

/// Asks for the stream.
fn connect(agent: &Agent, args: &ListenArgs, connected: bool) -> Result<impl Read + 'static, StreamEnd> {
    let answer = match with_key(agent.get(args.url()), args.key.as_deref()).call() {
        Ok(answer) => answer,
        Err(error) if connected => return Err(StreamEnd::Lost(no_answer(&args.base, &error).to_string())),
        Err(error) => return Err(StreamEnd::Final(no_answer(&args.base, &error))),
    };
    match answer.status().as_u16() {
        200 => Ok(answer.into_body().into_reader()),
        429 | 500.. => {
            Err(StreamEnd::Lost(format!("the server at {} is not ready: {}", args.base, refusal(answer))))
        }
        _ => Err(StreamEnd::Final(anyhow!("the server at {} refused: {}", args.base, refusal(answer)))),
    }
}

/// Prints line by line until the connection is over; counts them.
fn read(reader: impl Read, args: &mut ListenArgs, lines: &mut u64) -> StreamEnd {
    let mut reader = BufReader::new(reader);
    let mut text = Vec::new();
    loop {
        text.clear();
        match reader.by_ref().take(LINE_LEN_MAX).read_until(b'\n', &mut text) {
            Err(error) => return StreamEnd::Lost(format!("the connection was lost: {error}")),
            // Half a line comes again, whole, on the next connection.
            Ok(_) if text.last() != Some(&b'\n') => {
                return StreamEnd::Lost("the connection was closed".into());
            }
            Ok(_) => {}
        }
        let line = match StreamLine::read(&text) {
            Ok(line) => line,
            Err(error) => {
                return StreamEnd::Final(anyhow!("the server sent what is no line of a stream: {error}"));
            }
        };
        *lines += 1;
        if let Err(error) = print(&text, &line, args.json) {
            return match error.kind() {
                io::ErrorKind::BrokenPipe => StreamEnd::NobodyReads,
                _ => StreamEnd::Final(anyhow!("standard output cannot be written: {error}")),
            };
        }
        if let Some(cursor) = line.cursor {
            args.since = Some(cursor.into_owned());
        }
    }
}

/// Prints one line: as it came, or its message for people. News about the stream go to standard error.
fn print(text: &[u8], line: &StreamLine<'_>, json: bool) -> io::Result<()> {
    if let Some(news) = line.news() {
        eprintln!("multiplexor: {news}");
    }
    let message = if json { Some(text.to_vec()) } else { line.message().map(String::into_bytes) };
    let Some(message) = message else { return Ok(()) };
    let mut out = io::stdout().lock();
    out.write_all(&message)?;
    out.flush()
}

/// How long to wait before the next attempt: longer each time, and at random, so that a crowd of
/// listeners does not come back all at once.
fn pause(attempt: u32) -> Duration {
    let longest = BACKOFF_MIN.saturating_mul(1 << attempt.min(16)).min(BACKOFF_MAX);
    let mut bytes = [0; 4];
    // Without randomness the longest pause is as good.
    let share =
        getrandom(&mut bytes, GetRandomFlags::empty()).map_or(u32::MAX, |_| u32::from_ne_bytes(bytes));
    longest.mul_f64(0.5 + f64::from(share) / f64::from(u32::MAX) / 2.0)
}

const EXAMPLES: &str = "\
Examples:
  multiplexor listen news
  multiplexor listen news user.42 --tail 10
  multiplexor listen news --since 0 --json

When the connection is lost, it is made again and goes on where it was; what the server no longer
had is told on standard error.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        for (attempt, longest) in [(0, 250), (1, 500), (2, 1_000), (5, 8_000), (6, 10_000), (99, 10_000)] {
            let (pause, longest) = (pause(attempt), Duration::from_millis(longest));
            assert!(longest / 2 <= pause && pause <= longest, "{attempt}: {pause:?}");
        }
    }

    #[test]
    fn a_cursor_beats_what_was_asked_for() {
        let args = |since: Option<&str>, tail| ListenArgs {
            base: "http://a".into(),
            trust: Trust::default(),
            key: None,
            target: "/sub/b?transport=stream".into(),
            since: since.map(Into::into),
            tail,
            json: false,
        };
        assert_eq!(args(None, None).url(), "http://a/sub/b?transport=stream");
        assert_eq!(args(None, Some(3)).url(), "http://a/sub/b?transport=stream&tail=3");
        assert_eq!(args(Some("10m"), Some(3)).url(), "http://a/sub/b?transport=stream&since=10m");
    }
}
