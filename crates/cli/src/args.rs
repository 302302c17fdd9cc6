//! What several commands take: the server to talk to, what it is shown, and where to begin.

use clap::{Arg, ArgAction, Command};

use crate::http;

/// A command that is one of several, which are to be added.
pub fn group(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
}

/// The IN line to talk to.
pub(crate) fn server() -> [Arg; 3] {
    let server = Arg::new("server")
        .long("server")
        .value_name("URL")
        .env("MULTIPLEXOR_SERVER")
        .default_value(http::in_url())
        .help("The IN line of the server, where one publishes");
    [server, key(), authority()]
}

/// What is shown to the IN line.
pub fn key() -> Arg {
    Arg::new("key")
        .long("key")
        .value_name("KEY")
        .env("MULTIPLEXOR_KEY")
        .hide_env_values(true)
        .help("The API key, where the server asks for one; better by the variable, since flags can be seen")
}

/// Whom to trust.
pub fn authority() -> Arg {
    Arg::new("ca").long("ca").value_name("FILE").env("MULTIPLEXOR_CA").help(
        "Whom to trust where the URL begins with https://: certificates in PEM; else whom the system trusts",
    )
}

/// From where to read.
pub(crate) fn since() -> Arg {
    Arg::new("since")
        .long("since")
        .value_name("CURSOR")
        .help("Go on after this cursor; 0: all there is; 10m: an age")
}

/// How many messages.
pub(crate) fn tail(help: &'static str) -> Arg {
    Arg::new("tail").long("tail").value_name("N").value_parser(clap::value_parser!(u32)).help(help)
}

/// A flag without a value.
pub fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}
