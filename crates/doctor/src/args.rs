//! `multiplexor doctor`, as the command line has it.

use std::time::Duration;

use clap::{Arg, Command};
use cli::{flag, key_arg};

/// The command and what it takes.
pub fn command() -> Command {
    let number = || clap::value_parser!(u64).range(1..=100_000_000);
    Command::new("doctor")
        .about("Look for what stops a crowd, on this machine or on the way to where clients wait")
        .after_help(EXAMPLES)
        .arg(
            Arg::new("url")
                .value_name("URL")
                .conflicts_with_all(["shards", "pid"])
                .help("The public address of a WAIT line: look at the way to it, and not at this machine"),
        )
        .arg(
            Arg::new("patience")
                .long("patience")
                .value_name("TIME")
                .requires("url")
                .value_parser(patience)
                .help("Wait so long in silence, to see what is closed meanwhile, such as 60s"),
        )
        .arg(
            Arg::new("ca")
                .long("ca")
                .value_name("FILE")
                .requires("url")
                .help("Whom to trust where the URL begins with https://: certificates in PEM; else whom the system trusts"),
        )
        .arg(
            Arg::new("server")
                .long("server")
                .value_name("URL")
                .requires("url")
                .help("The IN line of the server behind that URL: see there how soon it hears that a client left"),
        )
        .arg(key_arg())
        .arg(
            Arg::new("crowd")
                .long("crowd")
                .value_name("NUMBER")
                .value_parser(number())
                .help("How many connections this machine should hold, 100000 if not said; with a URL: open so many there, and tell how many could wait"),
        )
        .arg(
            Arg::new("shards")
                .long("shards")
                .value_name("NUMBER")
                .value_parser(clap::value_parser!(u64).range(1..=1_024))
                .help("How many shards the server has, if not one a processor"),
        )
        .arg(
            Arg::new("pid")
                .long("pid")
                .value_name("PID")
                .value_parser(clap::value_parser!(u32))
                .help("Look at the limits of this running process, instead of those of this shell"),
        )
        .arg(flag("json", "Print one JSON object"))
}

fn patience(text: &str) -> Result<Duration, String> {
    settings::read_duration(text, ["100ms", "1h"], "60s")
}

const EXAMPLES: &str = "\
Examples:
  multiplexor doctor
  multiplexor doctor --crowd 1000000
  multiplexor doctor --pid $(pidof multiplexor)
  multiplexor doctor https://push.example --patience 60s
  multiplexor doctor https://push.example --crowd 2000
  multiplexor doctor https://push.example --server http://127.0.0.1:10010

Ends with 0 if nothing is wrong, 1 if there are problems, 2 if it could not look. It changes nothing.";
