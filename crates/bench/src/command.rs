//! The command line of `multiplexor bench`.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::plan::{Plan, Schedule, Step, Target, Transport};
use crate::publisher::Publisher;
use crate::run::{Wish, run as run_wish};
use crate::template::Template;
use crate::worker;

/// The command and its help.
pub fn command() -> Command {
    Command::new("bench")
        .about("Be a crowd of clients: connect, send messages, and tell what became of them")
        .after_help(HELP)
        .arg(
            Arg::new("steps")
                .value_name("STEP")
                .num_args(0..)
                .default_values(["join=1000", "idle=2", "send=30", "send=10@2"])
                .help("What to do, in order; see below"),
        )
        .arg(value("transport", "NAME", "How clients wait: sse, ws, stream or poll").default_value("sse"))
        .arg(value("url", "URL", "Where clients wait [default: http://127.0.0.1:8088/sub/{ch}]"))
        .arg(value("publish", "URL", "Where messages go [default: http://127.0.0.1:10010/pub/{ch}]"))
        .arg(value("body", "TEXT", "The body of a publish, or an item of a batch [default: {payload}]"))
        .arg(value("type", "MEDIA-TYPE", "The media type of a publish [default: text/plain]"))
        .arg(
            value(
                "channels",
                "N",
                "How many channels; client n waits on channel n modulo N. each: one a client",
            )
            .default_value("1"),
        )
        .arg(flag("scatter", "Messages visit the channels in a scattered order, and not in turn"))
        .arg(number("name-len", "BYTES", "Bytes of a channel's name", "0"))
        .arg(number("payload-len", "BYTES", "Bytes of a message", "100"))
        .arg(
            value("connect-rate", "N", "New connections a second; 0: as fast as they are answered")
                .default_value("0")
                .value_parser(value_parser!(f64)),
        )
        .arg(number("pending", "N", "Connections of a worker that wait to be answered", "200"))
        .arg(
            value("pid", "PID", "A process to measure, with its descendants; may be repeated")
                .action(ArgAction::Append)
                .value_parser(value_parser!(u32)),
        )
        .arg(number("workers", "N", "Processes that hold clients; 0: one for each 15,000", "0"))
        .arg(
            value("patience", "SECONDS", "What does not come for so long is lost")
                .default_value("10")
                .value_parser(value_parser!(f64)),
        )
        .arg(
            value("settle", "SECONDS", "How long after connecting memory is read")
                .default_value("1")
                .value_parser(value_parser!(f64)),
        )
        .arg(flag("fin", "Leave as browsers do, and not by a reset"))
        .arg(flag("json", "Print one JSON object at the end, and nothing else"))
        .arg(Arg::new("worker").long("worker").action(ArgAction::SetTrue).hide(true))
}

/// Runs it; the exit status tells whether all went as it should.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    raise_limit();
    if matches.get_flag("worker") {
        worker::run()?;
        return Ok(ExitCode::SUCCESS);
    }
    let wish = read(matches)?;
    let as_json = matches.get_flag("json");
    let mut out = std::io::stdout();
    let report = run_wish(&wish, |step| {
        if !as_json {
            // Whoever closed the other end does not want to read more.
            let _ = writeln!(out, "{step}");
        }
    })?;
    if as_json {
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(matches: &ArgMatches) -> anyhow::Result<Wish> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let count = |name: &str| matches.get_one::<usize>(name).copied().unwrap_or(0);
    let real = |name: &str| matches.get_one::<f64>(name).copied().unwrap_or(0.0);
    let steps: Vec<_> = matches
        .get_many::<String>("steps")
        .into_iter()
        .flatten()
        .map(|text| text.parse().map(|step| (text.clone(), step)))
        .collect::<anyhow::Result<_>>()?;
    let joins = steps.iter().filter_map(|(_, step)| if let Step::Join(n) = step { Some(*n) } else { None });
    let clients = joins.max().unwrap_or(0);
    let resumes = steps.iter().any(|(_, step)| *step == Step::Back);
    let batches = steps.iter().any(|(_, step)| matches!(step, Step::Send(sending) if sending.batch > 0));
    let channels = match text("channels") {
        Some("each") => clients.max(1),
        other => other.unwrap_or("1").parse::<u32>().context("--channels must be a number, or each")?.max(1),
    };
    let schedule = Schedule::new(channels, matches.get_flag("scatter"));
    let transport = transport(text("transport").unwrap_or("sse"))?;
    let resumed = resumes || transport == Transport::Poll;
    let target = Target::parse(text("url").unwrap_or(if resumed { RESUMED_URL } else { URL }))?;
    let publish = Target::parse(text("publish").unwrap_or(if batches { BATCH_URL } else { PUBLISH_URL }))?;
    let media = text("type").unwrap_or(if batches { "application/x-ndjson" } else { "text/plain" });
    let workers = u32::try_from(count("workers"))?;
    Ok(Wish {
        publisher: Publisher {
            path: Template::new(&publish.path),
            target: publish,
            body: Template::new(text("body").unwrap_or(if batches { ITEM } else { "{payload}" })),
            headers: format!("Content-Type: {media}\r\n"),
            schedule,
            name_len: count("name-len"),
            payload_len: count("payload-len"),
        },
        plan: Plan {
            transport,
            schedule,
            name_len: count("name-len"),
            connect_rate: real("connect-rate"),
            pending_max: count("pending").max(1),
            sources: if target.address.ip() == LOOPBACK { clients / CLIENTS_PER_SOURCE + 1 } else { 0 },
            by_reset: !matches.get_flag("fin"),
            target,
        },
        workers: if workers > 0 { workers } else { clients.div_ceil(CLIENTS_PER_WORKER).max(1) },
        steps,
        pids: matches.get_many("pid").into_iter().flatten().copied().collect(),
        patience: Duration::try_from_secs_f64(real("patience")).context("--patience")?,
        settle: Duration::try_from_secs_f64(real("settle")).context("--settle")?,
    })
}

fn transport(name: &str) -> anyhow::Result<Transport> {
    Ok(match name {
        "sse" => Transport::Sse,
        "ws" => Transport::Ws,
        "stream" => Transport::Stream,
        "poll" => Transport::Poll,
        other => anyhow::bail!("{other:?} is no transport; there are sse, ws, stream and poll"),
    })
}

/// As many open files as we may have.
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    // What is not allowed shows when a connection cannot be made.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn value(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(ValueParser::string()).help(help)
}

fn number(name: &'static str, unit: &'static str, help: &'static str, default: &'static str) -> Arg {
    value(name, unit, help).value_parser(value_parser!(usize)).default_value(default)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

const LOOPBACK: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const CLIENTS_PER_WORKER: u32 = 15_000;
/// Of one local address; there are 60,000 ports at most.
const CLIENTS_PER_SOURCE: u32 = 10_000;
const URL: &str = "http://127.0.0.1:8088/sub/{ch}";
const RESUMED_URL: &str = "http://127.0.0.1:8088/sub/{ch}?since={cursor}";
const PUBLISH_URL: &str = "http://127.0.0.1:10010/pub/{ch}";
const BATCH_URL: &str = "http://127.0.0.1:10010/pub";
const ITEM: &str = "{\"channel\":\"{ch}\",\"data\":\"{payload}\"}\n";

const HELP: &str = "\
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
  pause, resume     clients stop reading; they go on. pause=PERCENT: so many of them, chosen at random
  enter             waits for a line on standard input

In URLs and bodies {ch} is the channel's name (c0, c1, …), {cursor} what the client was told
last, and {payload} the message. Every message carries a mark, by which each client knows what it
got, what came twice, and what did not come. It ends with 0 only if nothing is wrong.

Examples:
  multiplexor bench join=15000 idle=2 send=30 send=12@2 --pid $(pidof multiplexor)
  multiplexor bench join=15000 send=60000/16 --channels each --scatter
  multiplexor bench join=10000 leave=100 send=20 back
  multiplexor bench batch=1000000/1000 --channels 10000
  multiplexor bench --url http://127.0.0.1:80/sub/{ch} --publish http://127.0.0.1:80/pub/{ch}";
