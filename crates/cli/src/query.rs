//! `multiplexor online`, `history`, `stats`, `delete`: questions to a running server, answered for people
//! or, with `--json`, for programs.

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::Agent;
use ureq::http::Response;

use crate::args::{flag, server, since, tail};
use crate::http::{self, Trust, base, config, encode, in_url, no_answer, refusal, with_key};
use crate::limits::{LINE_LEN_MAX, OLDER_PAGE, SEND_TIMEOUT};
use crate::text::utc;
use crate::users;

/// All of them, as the help lists them.
pub(crate) fn commands() -> [Command; 7] {
    [
        Command::new("online")
            .about("Print who is online: channels and how many wait on each")
            .arg(prefix())
            .arg(flag("json", "Print the server's objects, one channel a line"))
            .args(server()),
        users::command(),
        Command::new("history")
            .about("Print what a channel's history holds, oldest first")
            .arg(channel())
            .arg(since())
            .arg(tail("Only the last N messages"))
            .arg(
                Arg::new("before")
                    .long("before")
                    .value_name("CURSOR")
                    .conflicts_with("since")
                    .help("Only what came before the message with this cursor"),
            )
            .arg(flag("json", "Print the server's objects, cursors included, one message a line"))
            .args(server()),
        Command::new("stats")
            .about("Print all that is counted")
            .arg(flag("json", "Print the server's whole answer"))
            .args(server()),
        Command::new("watch")
            .about("Print who comes online and who goes, as it happens")
            .arg(prefix())
            .arg(flag("users", "Also which users join and leave channels of which a rule tells presence"))
            .arg(since())
            .arg(flag("json", "Print the objects of the server as they come, cursors included, one a line"))
            .args(server()),
        Command::new("delete")
            .about("End a channel: its subscriptions and its history; or take one message back")
            .arg(channel())
            .arg(flag("history", "Forget its history only; whoever listens stays"))
            .arg(
                Arg::new("message")
                    .long("message")
                    .value_name("CURSOR")
                    .conflicts_with("history")
                    .help("Take back the message with this cursor only, and tell whoever listens"),
            )
            .arg(flag("json", "Print the server's whole answer"))
            .args(server()),
        users::end_command(),
    ]
}

/// Prints all channels that are online, page by page.
pub(crate) fn online(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let in_line = InClient::new(matches)?;
    let prefix = matches.get_one::<String>("prefix").map(String::as_str).unwrap_or_default();
    in_line.print_list("/channels", prefix, "nobody is online")
}

/// Prints a channel's history, page by page.
pub(crate) fn history(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let in_line = InClient::new(matches)?;
    let name = matches.get_one::<String>("channel").cloned().unwrap_or_default();
    if let Some(before) = matches.get_one::<String>("before") {
        return older(&in_line, &name, before, matches.get_one::<u32>("tail").copied());
    }
    let mut from = match (matches.get_one::<String>("since"), matches.get_one::<u32>("tail")) {
        (Some(since), _) => format!("since={}", encode(since)),
        (None, Some(tail)) => format!("tail={tail}"),
        (None, None) => String::new(),
    };
    loop {
        let text = in_line.get(&format!("/channels/{}/history?{from}", encode(&name)))?;
        let page: HistoryPage<'_> = serde_json::from_str(&text).context(NOT_OURS)?;
        if page.gap {
            eprintln!("multiplexor: gap: the server no longer has all messages of {name}");
        }
        for object in &page.messages {
            let message: HistoryMessage<'_> = serde_json::from_str(object.get()).context(NOT_OURS)?;
            if !in_line.print(object.get(), || message.line())? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        if !page.more {
            return Ok(ExitCode::SUCCESS);
        }
        from = format!("since={}", encode(&page.cursor));
    }
}

/// Prints what came before a message, the last `tail` of it where that is given: read page by page backwards.
fn older(in_line: &InClient, name: &str, before: &str, tail: Option<u32>) -> anyhow::Result<ExitCode> {
    let (mut before, mut left) = (before.to_owned(), tail.unwrap_or(u32::MAX));
    let (mut pages, mut gap) = (Vec::new(), false);
    while left > 0 {
        let (name, cursor, limit) = (encode(name), encode(&before), left.min(OLDER_PAGE));
        let text = in_line.get(&format!("/channels/{name}/history?before={cursor}&limit={limit}"))?;
        let page: HistoryPage<'_> = serde_json::from_str(&text).context(NOT_OURS)?;
        left -= u32::try_from(page.messages.len()).unwrap_or(left).min(left);
        gap |= page.gap;
        let is_last = !page.more;
        before = page.cursor;
        pages.push(text);
        if is_last {
            break;
        }
    }
    if gap {
        eprintln!("multiplexor: gap: the server no longer has all messages of {name}");
    }
    for text in pages.iter().rev() {
        let page: HistoryPage<'_> = serde_json::from_str(text).context(NOT_OURS)?;
        for object in &page.messages {
            let message: HistoryMessage<'_> = serde_json::from_str(object.get()).context(NOT_OURS)?;
            if !in_line.print(object.get(), || message.line())? {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints all that is counted.
pub(crate) fn stats(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let in_line = InClient::new(matches)?;
    let text = in_line.get("/stats")?;
    let value: Value = serde_json::from_str(&text).context(NOT_OURS)?;
    in_line.print(text.trim_end(), || {
        let (mut lines, is_table) = (Vec::new(), io::stdout().is_terminal());
        flatten("", &value, &mut lines);
        let line = |(way, value): &(String, String)| match is_table {
            true => format!("{way:<32} {value}"),
            false => format!("{way}\t{value}"),
        };
        lines.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Ends a channel, or takes one of its messages back.
pub(crate) fn delete(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    #[derive(Deserialize)]
    struct Answer {
        deleted: bool,
    }
    let in_line = InClient::new(matches)?;
    let name = matches.get_one::<String>("channel").cloned().unwrap_or_default();
    if let Some(cursor) = matches.get_one::<String>("message") {
        return take_back(&in_line, &name, cursor);
    }
    let history_only = matches.get_flag("history");
    let query = if history_only { "?forget=history" } else { "" };
    let text = in_line.delete(&format!("/channels/{}{query}", encode(&name)))?;
    let answer: Answer = serde_json::from_str(&text).context(NOT_OURS)?;
    in_line.print(text.trim_end(), || match (answer.deleted, history_only) {
        (true, false) => format!("deleted {name}"),
        (true, true) => format!("forgot the history of {name}"),
        (false, _) => format!("nothing is known of {name}"),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Takes one message back.
fn take_back(in_line: &InClient, name: &str, cursor: &str) -> anyhow::Result<ExitCode> {
    let text = in_line.delete(&format!("/channels/{}/history/{}", encode(name), encode(cursor)))?;
    in_line.print(text.trim_end(), || format!("took {cursor} back from {name}"))?;
    Ok(ExitCode::SUCCESS)
}

/// The way to a server, and how its answers are to be printed.
pub struct InClient {
    base: String,
    key: Option<String>,
    pub(crate) json: bool,
    agent: Agent,
}

impl InClient {
    /// By the flags `--server`, `--key`, `--ca` and `--json`.
    pub fn new(matches: &ArgMatches) -> anyhow::Result<Self> {
        let url = matches.get_one::<String>("server").cloned().unwrap_or_default();
        Self::to(&url, "--server", matches, matches.get_flag("json"))
    }

    /// To the server at this URL, which this flag gave; by `--key` and `--ca`.
    pub fn to(url: &str, flag: &str, matches: &ArgMatches, json: bool) -> anyhow::Result<Self> {
        let base = base(url, flag, &in_url())?;
        let config = config(&Trust::read(matches, &base)?)
            .timeout_recv_response(Some(SEND_TIMEOUT))
            .timeout_recv_body(Some(SEND_TIMEOUT));
        let agent = http::agent(config, &base);
        Ok(Self { base, key: http::key(matches), json, agent })
    }

    /// The answer of the server, if it gives one.
    pub fn get(&self, target: &str) -> anyhow::Result<String> {
        let answer = with_key(self.agent.get(http::url(&self.base, target)), self.key.as_deref()).call();
        self.text(answer)
    }

    /// The same for something that is to be done.
    pub(crate) fn post(&self, target: &str) -> anyhow::Result<String> {
        let request = self.agent.post(http::url(&self.base, target));
        self.text(with_key(request, self.key.as_deref()).send_empty())
    }

    /// The same of a JSON body, which no log and no list of processes has.
    pub(crate) fn post_json(&self, target: &str, json: &str) -> anyhow::Result<String> {
        let request = self.agent.post(http::url(&self.base, target)).content_type("application/json");
        self.text(with_key(request, self.key.as_deref()).send(json))
    }

    /// The same for something that is to be ended.
    pub(crate) fn delete(&self, target: &str) -> anyhow::Result<String> {
        self.text(with_key(self.agent.delete(http::url(&self.base, target)), self.key.as_deref()).call())
    }

    fn text(&self, answer: Result<Response<ureq::Body>, ureq::Error>) -> anyhow::Result<String> {
        let answer = answer.map_err(|error| no_answer(&self.base, &error))?;
        if answer.status() != 200 {
            bail!("refused: {}", refusal(answer));
        }
        let mut text = String::new();
        let mut reader = answer.into_body().into_reader().take(LINE_LEN_MAX);
        reader.read_to_string(&mut text).context("the answer broke off")?;
        Ok(text)
    }

    /// Prints all that a list has, page by page: of how many connections each is, and its name. `none`: what is said where there
    /// is nothing.
    pub(crate) fn print_list(&self, path: &str, prefix: &str, none: &str) -> anyhow::Result<ExitCode> {
        #[derive(Deserialize)]
        struct Page<'a> {
            #[serde(borrow, alias = "channels", alias = "users")]
            items: Vec<&'a RawValue>,
            next: Option<String>,
        }
        #[derive(Deserialize)]
        struct Item {
            #[serde(alias = "user")]
            name: String,
            #[serde(alias = "connections")]
            waiting: u64,
        }
        let (mut after, mut count, is_table) = (String::new(), 0_u64, io::stdout().is_terminal());
        loop {
            let text = self.get(&format!("{path}?limit=1000&prefix={}{after}", encode(prefix)))?;
            let page: Page<'_> = serde_json::from_str(&text).context(NOT_OURS)?;
            for object in &page.items {
                count += 1;
                let Item { name, waiting } = serde_json::from_str(object.get()).context(NOT_OURS)?;
                let for_people = || match is_table {
                    true => format!("{waiting:>9}  {name}"),
                    false => format!("{waiting}\t{name}"),
                };
                if !self.print(object.get(), for_people)? {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            match page.next {
                Some(next) => after = format!("&after={}", encode(&next)),
                None => break,
            }
        }
        if count == 0 && !self.json {
            eprintln!("{none}");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Prints one thing in the form that was asked for. False: nobody reads it any more.
    pub(crate) fn print(&self, json: &str, for_people: impl FnOnce() -> String) -> anyhow::Result<bool> {
        let text = if self.json { json.to_owned() } else { for_people() };
        match writeln!(io::stdout(), "{text}") {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error).context("standard output cannot be written"),
        }
    }
}

/// A page of a history.
#[derive(Deserialize)]
struct HistoryPage<'a> {
    cursor: String,
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    #[serde(default)]
    gap: bool,
    #[serde(default)]
    more: bool,
}

/// A message of a history.
#[derive(Deserialize)]
struct HistoryMessage<'a> {
    time: f64,
    event: Option<String>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl HistoryMessage<'_> {
    /// As a line for people; a JSON string is shown as the text it is.
    fn line(&self) -> String {
        let data = self.data.get();
        let data = serde_json::from_str::<String>(data).unwrap_or_else(|_| data.to_owned());
        let event = self.event.as_ref().map(|event| format!("[{event}] ")).unwrap_or_default();
        format!("{}  {event}{data}", utc(self.time))
    }
}

/// Every number, named by the way to it.
fn flatten(way: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let within = |key: &str| if way.is_empty() { key.to_owned() } else { format!("{way}.{key}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| flatten(&within(key), value, lines)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, value)| flatten(&within(&n.to_string()), value, lines));
        }
        Value::String(text) => lines.push((way.to_owned(), text.clone())),
        other => lines.push((way.to_owned(), other.to_string())),
    }
}

fn prefix() -> Arg {
    Arg::new("prefix").value_name("PREFIX").help("Only channels whose names begin so")
}

fn channel() -> Arg {
    Arg::new("channel").value_name("CHANNEL").required(true).help("Which channel")
}

pub(crate) const NOT_OURS: &str = "the answer is none of multiplexor's; give the URL of its IN line";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_a_line() {
        let line = |text: &str| serde_json::from_str::<HistoryMessage<'_>>(text).unwrap().line();
        assert_eq!(line(r#"{"time":1.5,"data":"hello"}"#), "1970-01-01 00:00:01.500 UTC  hello");
        assert_eq!(
            line(r#"{"time":0,"event":"tick","data":{"n": 1}}"#),
            "1970-01-01 00:00:00.000 UTC  [tick] {\"n\": 1}"
        );
    }

    #[test]
    fn numbers_are_named_by_the_way_to_them() {
        let mut lines = Vec::new();
        let value = serde_json::json!({ "a": 1, "b": { "c": "x" }, "d": [{ "e": 2 }] });
        flatten("", &value, &mut lines);
        let lines: Vec<String> = lines.iter().map(|(way, value)| format!("{way} {value}")).collect();
        assert_eq!(lines, ["a 1", "b.c x", "d.0.e 2"]);
    }
}
