//! The commands that talk to a running server (`send`, `listen`, `watch`, `online`, `users`, `history`, `stats`, `delete`, `end`,
//! `reload`, `explain`), and those
//! that make and check what one shows to it (`key`, `token`, `url`).
//!
//! They reach a server as every other client does, over HTTP, and know of it no more than its settings, its paths and
//! what counts as a credential. Nothing here runs in a server.

mod args;
mod explain;
mod http;
mod key;
mod limits;
mod listen;
mod query;
mod reload;
mod send;
mod text;
mod token;
mod users;

use std::process::ExitCode;

use clap::{ArgMatches, Command};

pub use args::{authority, flag, group, key as key_arg};
pub use http::{authorities, encode};
pub use query::InClient;
pub use text::grouped;

/// The commands that publish and wait, as the help lists them.
pub fn message_commands() -> [Command; 2] {
    [send::command(), listen::command()]
}

/// The commands that ask what a server knows, and change it.
pub fn query_commands() -> impl Iterator<Item = Command> {
    query::commands().into_iter().chain([reload::command(), explain::command()])
}

/// The commands about keys, tokens and signed URLs.
pub fn credential_commands() -> [Command; 3] {
    [key::command(), token::token_command(), token::url_command()]
}

/// Does what the command of this name says; `None`: it is none of these.
pub fn run(name: &str, matches: &ArgMatches) -> Option<anyhow::Result<ExitCode>> {
    Some(match name {
        "send" => send::run(matches),
        "listen" => listen::run(matches),
        "watch" => listen::run_watch(matches),
        "online" => query::online(matches),
        "users" => users::run(matches),
        "history" => query::history(matches),
        "stats" => query::stats(matches),
        "delete" => query::delete(matches),
        "end" => users::end(matches),
        "reload" => reload::run(matches),
        "explain" => explain::run(matches),
        "key" => key::run(matches),
        "token" => token::run_token(matches),
        "url" => token::run_url(matches),
        _ => return None,
    })
}
