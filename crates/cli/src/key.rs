//! `multiplexor key make`: a new API key for its owner, and its hash for the server.

use std::io::{self, Write};
use std::process::ExitCode;

use access::Secret;
use anyhow::Context;
use clap::{ArgMatches, Command};
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::json;

use crate::args::{flag, group};

/// `multiplexor key` and what it can do.
pub(crate) fn command() -> Command {
    let make = Command::new("make")
        .about("Print a new API key, and its hash for the server")
        .arg(flag("json", "Print them as JSON"));
    group("key", "Make API keys for the IN line, where applications publish").subcommand(make)
}

/// Does what `multiplexor key` says.
pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    match matches.subcommand() {
        Some(("make", matches)) => make(matches),
        _ => anyhow::bail!("there is nothing else to do with keys than to make them"),
    }
}

/// Prints a new key.
fn make(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let mut chance = [0; access::limits::KEY_LEN];
    // So few bytes come whole or not at all.
    getrandom(&mut chance, GetRandomFlags::empty()).context("the system gives no random numbers")?;
    let secret = Secret::new(chance);
    let (key, hash) = (secret.reveal(), secret.hash());
    let text = if matches.get_flag("json") {
        format!("{}\n", json!({ "key": key, "hash": hash.to_string() }))
    } else {
        format!(
            "key   {key}\nhash  {hash}\n\n\
             The key is for your application: Authorization: Bearer KEY. It is shown this once.\n\
             The hash is for the server: MULTIPLEXOR_KEY, or hash = \"…\" under a [[key]] of its settings file.\n"
        )
    };
    io::stdout().lock().write_all(text.as_bytes()).context("standard output cannot be written")?;
    Ok(ExitCode::SUCCESS)
}
