//! `multiplexor reload`: a running server reads its settings anew.

use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgMatches, Command};
use serde::Deserialize;

use crate::args::{flag, server};
use crate::query::{InClient, NOT_OURS};

pub(crate) fn command() -> Command {
    Command::new("reload")
        .about("Have the server read its settings anew; print what has changed, and what waits")
        .arg(flag("json", "Print the server's whole answer"))
        .args(server())
}

/// Has the settings read anew, and prints what came of it.
pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    #[derive(Deserialize)]
    struct Answer {
        changed: Vec<String>,
        waiting: Vec<String>,
    }
    let in_line = InClient::new(matches)?;
    let text = in_line.post("/reload")?;
    let Answer { changed, waiting } = serde_json::from_str(&text).context(NOT_OURS)?;
    in_line.print(text.trim_end(), || {
        let mut lines = Vec::new();
        if !changed.is_empty() {
            lines.push(format!("changed: {}", changed.join(", ")));
        }
        if !waiting.is_empty() {
            lines.push(format!("waiting for a restart: {}", waiting.join(", ")));
        }
        if lines.is_empty() { "nothing has changed".to_owned() } else { lines.join("\n") }
    })?;
    Ok(ExitCode::SUCCESS)
}
