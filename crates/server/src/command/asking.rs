//! The commands that ask a running server: online, history, stats, watch, delete.

use clap::{Arg, Command};

use super::flag;
use crate::client;

/// All of them, as the help lists them.
pub(super) fn asking_commands() -> [Command; 5] {
    [
        Command::new("online")
            .about("Print who is online: channels and how many wait on each")
            .arg(prefix())
            .arg(flag("json", "Print the server's objects, one channel a line"))
            .args(server()),
        Command::new("history")
            .about("Print what a channel's history holds, oldest first")
            .arg(channel())
            .arg(since())
            .arg(tail("Only the last N messages"))
            .arg(flag("json", "Print the server's objects, cursors included, one message a line"))
            .args(server()),
        Command::new("stats")
            .about("Print all that is counted")
            .arg(flag("json", "Print the server's whole answer"))
            .args(server()),
        Command::new("watch")
            .about("Print who comes online and who goes, as it happens")
            .arg(prefix())
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
    ]
}

/// The IN line to talk to.
pub(super) fn server() -> [Arg; 3] {
    let server = Arg::new("server")
        .long("server")
        .value_name("URL")
        .env("MULTIPLEXOR_SERVER")
        .default_value(client::SERVER)
        .help("The IN line of the server, where one publishes");
    [server, key(), authority()]
}

/// What is shown to the IN line.
pub(super) fn key() -> Arg {
    Arg::new("key")
        .long("key")
        .value_name("KEY")
        .env("MULTIPLEXOR_KEY")
        .hide_env_values(true)
        .help("The API key, where the server asks for one; better by the variable, since flags can be seen")
}

/// Whom to trust.
pub(super) fn authority() -> Arg {
    Arg::new("ca").long("ca").value_name("FILE").env("MULTIPLEXOR_CA").help(
        "Whom to trust where the URL begins with https://: certificates in PEM; else whom the system trusts",
    )
}

/// From where to read.
pub(super) fn since() -> Arg {
    Arg::new("since")
        .long("since")
        .value_name("CURSOR")
        .help("Go on after this cursor; 0: all there is; 10m: an age")
}

/// How many messages.
pub(super) fn tail(help: &'static str) -> Arg {
    Arg::new("tail").long("tail").value_name("N").value_parser(clap::value_parser!(u32)).help(help)
}

fn prefix() -> Arg {
    Arg::new("prefix").value_name("PREFIX").help("Only channels whose names begin so")
}

fn channel() -> Arg {
    Arg::new("channel").value_name("CHANNEL").required(true).help("Which channel")
}
