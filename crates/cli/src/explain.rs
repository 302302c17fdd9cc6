//! `multiplexor explain`: why a client is refused, or let in, by the running server's own checks.

use std::io::{self, Read};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Arg, ArgGroup, ArgMatches, Command};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::args::{flag, server};
use crate::limits::PASTED_LEN_MAX;
use crate::query::{InClient, NOT_OURS};

pub(crate) fn command() -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("explain")
        .about("Say why a token, a signed URL, a page's origin or a channel is refused, or let in")
        .after_help(EXAMPLES)
        .arg(Arg::new("channel").value_name("CHANNEL").help("The channel that it is about"))
        .arg(text(
            "token",
            "TOKEN",
            "What the client shows; -: read from standard input, so that no list of processes has it",
        ))
        .arg(
            text("signed-url", "URL", "The signed URL that it asks for; -: read from standard input")
                .conflicts_with("token"),
        )
        .arg(text("origin", "ORIGIN", "Where its page comes from, such as https://shop.example"))
        .arg(
            text("right", "RIGHT", "What it wants to do: listen, publish, presence or history")
                .value_parser(["listen", "publish", "presence", "history"])
                .default_value("listen"),
        )
        .group(
            ArgGroup::new("what")
                .args(["channel", "token", "signed-url", "origin"])
                .multiple(true)
                .required(true),
        )
        .arg(flag("json", "Print the server's whole answer"))
        .args(server())
}

/// Asks, and prints what was looked at. Fails where the client would be refused.
pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    #[derive(Deserialize)]
    struct Explained {
        allowed: bool,
        code: Option<String>,
        steps: Vec<Step>,
    }
    #[derive(Deserialize)]
    struct Step {
        what: String,
        ok: bool,
        detail: String,
    }
    let mut words = Map::new();
    for (name, member) in [
        ("channel", "channel"),
        ("token", "token"),
        ("signed-url", "url"),
        ("origin", "origin"),
        ("right", "right"),
    ] {
        if let Some(said) = matches.get_one::<String>(name) {
            let is_pasted = said == "-" && matches!(name, "token" | "signed-url");
            words.insert(member.to_owned(), if is_pasted { pasted()? } else { said.clone() }.into());
        }
    }
    let in_line = InClient::new(matches)?;
    let text = in_line.post_json("/explain", &Value::Object(words).to_string())?;
    let Explained { allowed, code, steps } = serde_json::from_str(&text).context(NOT_OURS)?;
    in_line.print(text.trim_end(), || {
        let line =
            |step: &Step| format!("{} {:<6} {}", if step.ok { "ok " } else { "no " }, step.what, step.detail);
        let lines: Vec<String> = steps.iter().map(line).collect();
        let verdict = match code {
            _ if allowed => "allowed".to_owned(),
            Some(code) => format!("refused: {code}"),
            None => "refused".to_owned(),
        };
        format!("{}\n{verdict}", lines.join("\n"))
    })?;
    Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What stands on standard input, without white space around it.
fn pasted() -> anyhow::Result<String> {
    let mut text = String::new();
    let mut input = io::stdin().take(PASTED_LEN_MAX + 1);
    input.read_to_string(&mut text).context("standard input cannot be read")?;
    if text.len() as u64 > PASTED_LEN_MAX {
        bail!("standard input has more than {PASTED_LEN_MAX} bytes; paste one token or one URL");
    }
    Ok(text.trim().to_owned())
}

const EXAMPLES: &str = "Examples:
  multiplexor explain room.7
  multiplexor explain room.7 --token - --right publish < token
  multiplexor explain --signed-url 'https://push.example/sub/room.7?expires=…&signature=v2.…'";
