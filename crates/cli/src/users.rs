//! `multiplexor users`: which users wait, by which connections one of them does, who is on a channel; and `end`, which ends a user's
//! connections or one.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Arg, ArgGroup, ArgMatches, Command};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::args::{flag, server};
use crate::http::encode;
use crate::query::{InClient, NOT_OURS};
use crate::text::utc;

pub(crate) fn command() -> Command {
    Command::new("users")
        .about("Print which users wait, the connections of one, or who is on a channel")
        .arg(Arg::new("prefix").value_name("PREFIX").help("Only users whose names begin so"))
        .arg(
            Arg::new("user")
                .long("user")
                .value_name("USER")
                .conflicts_with("prefix")
                .help("Print the connections of this user, one a line"),
        )
        .arg(
            Arg::new("channel")
                .long("channel")
                .value_name("CHANNEL")
                .conflicts_with_all(["prefix", "user"])
                .help("Print who is on this channel, where a rule says that its users are told of"),
        )
        .arg(flag("json", "Print the server's objects, one user or connection a line"))
        .args(server())
}

/// `multiplexor end`.
pub(crate) fn end_command() -> Command {
    Command::new("end")
        .about("End a user's connections and refuse what was issued before; or end one connection")
        .after_help(END_EXAMPLES)
        .arg(Arg::new("user").value_name("USER").help("Whose connections"))
        .arg(
            Arg::new("connection")
                .long("connection")
                .value_name("ID")
                .conflicts_with_all(["user", "for"])
                .help("The one with this id, as `users --user` prints it; nothing is refused then"),
        )
        .arg(Arg::new("reason").long("reason").value_name("SENTENCE").help("What its pages are told"))
        .arg(Arg::new("for").long("for").value_name("DURATION").help(
            "How long its old tokens are refused, such as 1h; else until those that wait would have ended",
        ))
        .group(ArgGroup::new("whom").args(["user", "connection"]).required(true))
        .arg(flag("json", "Print the server's whole answer"))
        .args(server())
}

/// Ends a user's connections, or one.
pub(crate) fn end(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    #[derive(Deserialize)]
    struct Answer {
        ended: u64,
    }
    let in_line = InClient::new(matches)?;
    let said = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let path = match (said("user"), said("connection")) {
        (Some(user), _) => format!("/users/{}", encode(user)),
        (None, id) => format!("/connections/{}", encode(id.unwrap_or_default())),
    };
    let words = ["reason", "for"].map(|name| (name, said(name).unwrap_or_default()));
    let words: Vec<String> = words
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    let text = in_line.delete(&format!("{path}?{}", words.join("&")))?;
    let Answer { ended } = serde_json::from_str(&text).context(NOT_OURS)?;
    let connections = if ended == 1 { "connection" } else { "connections" };
    in_line.print(text.trim_end(), || format!("ended {ended} {connections}"))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let in_line = InClient::new(matches)?;
    let said = |name: &str| matches.get_one::<String>(name);
    match (said("user"), said("channel")) {
        (Some(user), _) => one(&in_line, user),
        (None, Some(channel)) => on_channel(&in_line, channel),
        (None, None) => {
            let prefix = matches.get_one::<String>("prefix").map(String::as_str).unwrap_or_default();
            in_line.print_list("/users", prefix, "no user is there")
        }
    }
}

/// Prints who is on a channel, page by page.
fn on_channel(in_line: &InClient, channel: &str) -> anyhow::Result<ExitCode> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        users: Vec<&'a RawValue>,
        count: u64,
        anonymous: u64,
        #[serde(default)]
        more: bool,
    }
    #[derive(Deserialize)]
    struct Present<'a> {
        user: String,
        #[serde(borrow)]
        info: Option<&'a RawValue>,
        since: f64,
    }
    let mut after = String::new();
    loop {
        let text = in_line.get(&format!("/channels/{}/users?limit=1000{after}", encode(channel)))?;
        let page: Page<'_> = serde_json::from_str(&text).context(NOT_OURS)?;
        for object in &page.users {
            let Present { user, info, since } = serde_json::from_str(object.get()).context(NOT_OURS)?;
            let info = info.map_or_else(String::new, |info| format!("  {info}"));
            if !in_line.print(object.get(), || format!("{}  {user}{info}", utc(since)))? {
                return Ok(ExitCode::SUCCESS);
            }
            after = format!("&after={}", encode(&user));
        }
        if !page.more || page.users.is_empty() {
            if !in_line.json {
                eprintln!("{} users, and {} connections without a user", page.count, page.anonymous);
            }
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Prints the connections of a user.
fn one(in_line: &InClient, user: &str) -> anyhow::Result<ExitCode> {
    #[derive(Deserialize)]
    struct Status<'a> {
        #[serde(borrow)]
        connections: Vec<&'a RawValue>,
        #[serde(default)]
        more: bool,
    }
    #[derive(Deserialize)]
    struct Connection {
        id: String,
        channels: Vec<String>,
        transport: String,
        #[serde(default)]
        address: String,
        since: f64,
    }
    let text = in_line.get(&format!("/users/{}", encode(user)))?;
    let status: Status<'_> = serde_json::from_str(&text).context(NOT_OURS)?;
    for object in &status.connections {
        let Connection { id, channels, transport, address, since } =
            serde_json::from_str(object.get()).context(NOT_OURS)?;
        let channels = channels.join(",");
        let for_people = || format!("{id}  {}  {transport:<6} {address}  {channels}", utc(since));
        if !in_line.print(object.get(), for_people)? {
            return Ok(ExitCode::SUCCESS);
        }
    }
    if status.more {
        eprintln!("multiplexor: {user} has more connections than are listed");
    }
    if status.connections.is_empty() && !in_line.json {
        eprintln!("{user} is not there");
    }
    Ok(ExitCode::SUCCESS)
}

const END_EXAMPLES: &str = "\
Examples:
  multiplexor end ann --reason 'You were asked to leave.' --for 1h
  multiplexor end --connection 2fQ7bT9xkE";
