//! `multiplexor doctor`: what stops a crowd on this machine, or on the way to a server; and what to paste.
//!
//! Facts are gathered first and judged by pure functions, so every judgement has a test without a machine that
//! is as bad. It changes nothing. It knows the limits of the WAIT line and the form of its cursors; to a server it
//! talks as clients do.

mod advice;
mod args;
mod crowd;
mod facts;
mod finding;
mod front;
mod idle;
mod inside;
mod limits;
mod link;
mod machine;
mod path_check;
mod request;
mod wire;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::ArgMatches;
use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};

use facts::Facts;
use finding::{Diagnosis, Level};
use machine::CrowdQuestion;
use path_check::PathArgs;

use crate::limits::{CROWD_MAX, DESCRIPTORS_BESIDE};

pub use args::command;
use cli::InClient;

/// Looks and tells: ends with 0 where nothing is wrong, 1 where there are problems, 2 where it could not look.
pub fn run(matches: &ArgMatches) -> ExitCode {
    match look(matches) {
        Ok(report) => {
            let text = if matches.get_flag("json") { report.json() } else { report.text() };
            // If standard output is closed, the status is enough.
            let _ = io::stdout().lock().write_all(text.as_bytes());
            ExitCode::from(u8::from(report.level() == Level::Problem))
        }
        Err(error) => {
            eprintln!("multiplexor: {error:#}");
            ExitCode::from(COULD_NOT_LOOK)
        }
    }
}

fn look(matches: &ArgMatches) -> anyhow::Result<Diagnosis> {
    let Some(url) = matches.get_one::<String>("url") else { return machine(matches) };
    let inside = matches.contains_id("server").then(|| InClient::new(matches)).transpose()?;
    path_check::look(PathArgs {
        url,
        authorities: matches.get_one::<String>("ca").map(Path::new),
        patience: matches.get_one::<Duration>("patience").copied(),
        crowd: matches.get_one::<u64>("crowd").copied().map(crowd_of).transpose()?,
        inside: inside.as_ref(),
    })
}

/// Looks at this machine.
fn machine(matches: &ArgMatches) -> anyhow::Result<Diagnosis> {
    let process = matches.get_one::<u32>("pid").map_or_else(|| "self".to_owned(), u32::to_string);
    if !Path::new("/proc").join(&process).exists() {
        bail!("there is no process {process}; give the number of a running multiplexor, or leave --pid out");
    }
    let io_uring = Some(sys::has_io_uring());
    let facts = Facts { io_uring, ..Facts::read(Path::new("/"), &process, page_size() as u64) };
    let shards = matches.get_one::<u64>("shards").copied();
    let shards = shards.unwrap_or_else(|| available_parallelism().map_or(1, |count| count.get() as u64));
    let crowd = matches.get_one::<u64>("crowd").copied().unwrap_or(CROWD_USUAL);
    machine::report(&facts, CrowdQuestion { crowd, shards })
        .ok_or_else(|| anyhow!("/proc says nothing about the limits of this machine"))
}

/// How many connections are opened to a server; each takes an open file here.
fn crowd_of(count: u64) -> anyhow::Result<usize> {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let room = files.saturating_sub(DESCRIPTORS_BESIDE).min(CROWD_MAX);
    if count > room {
        bail!(
            "--crowd is {count}, and this shell may open {files} files; give at most {room}, or raise `ulimit -n`"
        );
    }
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// How many connections a machine is asked for where nobody says.
const CROWD_USUAL: u64 = 100_000;
const COULD_NOT_LOOK: u8 = 2;
