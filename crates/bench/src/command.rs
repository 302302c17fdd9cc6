//! The command line of `multiplexor bench`, and what becomes of a run: a table, JSON, a page, an exit status.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::machine::raise_limit;
use crate::own::{OwnServer, become_server};
use crate::progress::Progress;
use crate::report;
use crate::run::run as run_job;
use crate::scenario::SCENARIOS;
use crate::wish::read;
use crate::worker;

/// The command and its help.
pub fn command() -> Command {
    Command::new("bench")
        .about("Be a crowd of clients: connect, get messages, and tell what became of them")
        .after_help(help())
        .arg(
            Arg::new("steps")
                .value_name("SCENARIO|STEP")
                .num_args(0..)
                .default_value("fanout")
                .help("What to do: a scenario, or steps in their order, or both"),
        )
        .args(about_server())
        .args(about_crowd())
        .args(about_messages())
        .args(about_report())
        .arg(hidden("worker"))
        .arg(hidden("own-server"))
}

/// Runs it; the exit status tells whether all went as it should.
pub fn run(matches: &ArgMatches) -> ExitCode {
    let done = match (matches.get_flag("worker"), matches.get_flag("own-server")) {
        (true, _) => {
            raise_limit();
            worker::run().map(|()| ExitCode::SUCCESS)
        }
        (_, true) => become_server(&words(matches, "steps")).map(|()| ExitCode::SUCCESS),
        _ => run_crowd(matches),
    };
    done.unwrap_or_else(|error| {
        eprintln!("multiplexor: {error:#}");
        ExitCode::from(COULD_NOT_RUN)
    })
}

fn run_crowd(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let files = raise_limit();
    let mut wish = read(matches, files)?;
    let page = matches.get_one::<String>("html");
    // Found out now, and not when everything is done.
    let page = page.map(|path| std::fs::File::create(path).with_context(|| format!("--html {path}")));
    let page = page.transpose()?;
    let own = wish.own_flags.take().map(|flags| OwnServer::start(&flags)).transpose()?;
    own.iter().for_each(|own| wish.use_own(own.wait, own.publish, own.pid()));
    wish.check()?;
    let as_json = matches.get_flag("json");
    let width = wish.job.steps.iter().map(|(text, _)| text.len()).max().unwrap_or(0);
    let report = run_job(&wish.job, Progress::new(as_json, width));
    drop(own);
    let report = report?;
    if let Some(mut page) = page {
        page.write_all(report::page(&report, &command_line()).as_bytes()).context("--html")?;
    }
    let text =
        if as_json { format!("{}\n", serde_json::to_string(&report)?) } else { report::table(&report) };
    // Whoever closed the other end does not want to read it.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was typed, to be typed again.
fn command_line() -> String {
    let quoted = |word: String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./~-".contains(&byte);
        if !word.is_empty() && word.bytes().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    let words = std::env::args().skip(1).map(quoted);
    std::iter::once("multiplexor".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

pub(crate) fn words(matches: &ArgMatches, name: &str) -> Vec<String> {
    matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
}

fn about_server() -> Vec<Arg> {
    let url = |name: &'static str, help| value(name, "URL", help).conflicts_with("self");
    vec![
        value("self", "FLAGS", "Start a server of this program on free ports, with these flags, and end it")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value(""),
        url("url", "Where clients wait [default: http://127.0.0.1:8088/sub/{ch}]"),
        url(
            "publish",
            "Where messages go; ws://… is by WebSocket [default: http://127.0.0.1:10010/pub/{ch}]",
        ),
        value("header", "LINE", "A header of each client's request, NAME: VALUE; may be repeated")
            .action(ArgAction::Append),
        value(
            "values",
            "FILE",
            "Lines that fill {value} of a client's URL: client n has line n, over and over",
        ),
        value("publish-header", "LINE", "A header of each publish; may be repeated")
            .action(ArgAction::Append),
        value("pid", "PID", "A process to measure, with its descendants; may be repeated")
            .action(ArgAction::Append)
            .value_parser(value_parser!(u32)),
    ]
}

fn about_crowd() -> Vec<Arg> {
    vec![
        value("transport", "NAME", "How clients wait: sse, ws, stream or poll").default_value("sse"),
        value("clients", "N", "How many clients a scenario has, instead of its own number")
            .value_parser(value_parser!(u32).range(1..=CLIENTS_MAX)),
        value(
            "channels",
            "N",
            "How many channels; client n waits on channel n modulo N. each: one a client [default: 1, or as the scenario says]",
        ),
        flag("compressed", "Take compressed messages: gzip, or permessage-deflate of WebSocket"),
        number("name-len", "BYTES", "Bytes of a channel's name", "0"),
        real("connect-rate", "N", "New connections a second; 0: as fast as they are answered", "0"),
        number("pending", "N", "Connections of a worker that wait to be answered", "200"),
        number("workers", "N", "Processes that hold clients; 0: as many as it takes", "0"),
        flag("fin", "Leave as browsers do, and not by a reset"),
    ]
}

fn about_messages() -> Vec<Arg> {
    vec![
        number("payload-len", "BYTES", "Bytes of a message", "100"),
        flag("scatter", "Messages visit the channels in a scattered order, and not in turn"),
        value("body", "TEXT", "The body of a publish, or an item of a batch [default: {payload}]"),
        value("type", "MEDIA-TYPE", "The media type of a publish [default: text/plain]"),
        real("patience", "SECONDS", "What does not come for so long is lost", "10"),
        real("settle", "SECONDS", "How long after connecting memory is read", "1"),
    ]
}

fn about_report() -> Vec<Arg> {
    vec![
        flag("json", "Print one JSON object at the end, and nothing else"),
        value("html", "FILE", "Write a page with plots, which needs nothing else to be shown"),
    ]
}

fn value(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(ValueParser::string()).help(help)
}

fn number(name: &'static str, unit: &'static str, help: &'static str, default: &'static str) -> Arg {
    value(name, unit, help).value_parser(value_parser!(usize)).default_value(default)
}

fn real(name: &'static str, unit: &'static str, help: &'static str, default: &'static str) -> Arg {
    let not_negative = |text: &str| match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("give a number that is not negative"),
    };
    value(name, unit, help).value_parser(not_negative).default_value(default)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn hidden(name: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).hide(true)
}

fn help() -> String {
    let mut text = "Scenarios:\n".to_owned();
    for scenario in SCENARIOS {
        let steps = scenario.words(scenario.clients).join(" ");
        text.push_str(&format!("  {:<9}{}:\n           {steps}\n", scenario.name, scenario.about));
    }
    text + HELP
}

/// Clients are counted in 32 bits, and each needs an address.
const CLIENTS_MAX: i64 = 10_000_000;
/// The exit status where there is nothing to report.
const COULD_NOT_RUN: u8 = 2;

const HELP: &str = "
Steps:
  join=N            more clients connect, until there are N
  idle=SECONDS      nothing happens, and the server's CPU is measured
  send=COUNT        so many messages, the next when the last is answered
  send=COUNT/K      the same with K outstanding
  send=COUNT@RATE   so many a second
  send=COUNT~RATE   the same, each at a random moment of its time
  batch=COUNT/SIZE  so many messages, SIZE in a request
  leave=PERCENT     so many of the clients leave, chosen at random
  back              they come back, with their cursors
  reload=COUNT      so many times a client, one after the other, leaves and comes back at once
  reload=COUNT@RATE the same, so many a second
  pause, resume     clients stop reading; they go on
  pause=PERCENT     so many of them stop, chosen at random
  enter             waits for a line on standard input

In URLs and bodies {ch} is the channel's name (c0, c1, …), {cursor} what the client was told
last, {value} its line of --values, and {payload} the message. Every message carries a mark, by
which each client knows what it got, what came twice, and what did not come.

Ends with 0 if nothing is wrong, 1 if something was lost, doubled, out of order or refused, or
somebody could not connect, and 2 if it could not run.

Examples:
  multiplexor bench fanout --self
  multiplexor bench slow --self --transport ws --html slow.html
  multiplexor bench unicast --clients 20000 --pid $(pidof multiplexor)
  multiplexor bench join=15000 idle=2 send=30 send=12@2
  multiplexor bench batch=1000000/1000 --channels 10000
  multiplexor bench --url http://127.0.0.1:80/sub/{ch} --publish http://127.0.0.1:80/pub/{ch}";
