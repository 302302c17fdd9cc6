//! `multiplexor users`: which users wait, or by which connections one of them does.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Arg, ArgMatches, Command};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::args::{flag, server};
use crate::http::encode;
use crate::query::{InClient, NOT_OURS};
use crate::text::utc;

pub(crate) fn command() -> Command {
    Command::new("users")
        .about("Print which users wait, and by how many connections; or the connections of one")
        .arg(Arg::new("prefix").value_name("PREFIX").help("Only users whose names begin so"))
        .arg(
            Arg::new("user")
                .long("user")
                .value_name("USER")
                .conflicts_with("prefix")
                .help("Print the connections of this user, one a line"),
        )
        .arg(flag("json", "Print the server's objects, one user or connection a line"))
        .args(server())
}

pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let in_line = InClient::new(matches)?;
    match matches.get_one::<String>("user") {
        Some(user) => one(&in_line, user),
        None => {
            let prefix = matches.get_one::<String>("prefix").map(String::as_str).unwrap_or_default();
            in_line.print_list("/users", prefix, "no user is there")
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
