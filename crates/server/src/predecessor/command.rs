//! What of the command line is about the old server.

use clap::{Arg, Command};

/// What the command is called.
pub(crate) const COMMAND: &str = "realplexor";

/// The command that starts in its place.
pub(crate) fn command() -> Command {
    Command::new(COMMAND)
        .about("Start in the place of Dklab_Realplexor, with its configuration, log and signals")
        .after_help(EXAMPLES)
        .arg(old_files())
        .arg(
            Arg::new("pid-file")
                .short('p')
                .long("pid-file")
                .value_name("FILE")
                .help("Where to write the process id when the server listens"),
        )
}

/// The command that makes settings of its configuration.
pub(crate) fn import_command() -> Command {
    Command::new("import")
        .about("Print a settings file for old configuration files of Dklab_Realplexor")
        .arg(old_files().required(true))
}

fn old_files() -> Arg {
    Arg::new("file")
        .value_name("FILE")
        .num_args(1..)
        .help("Old configuration files; a later one beats an earlier one")
}

/// How that is used.
pub(crate) const IMPORT_EXAMPLE: &str = "multiplexor config import dklab_realplexor.conf > multiplexor.toml";

const EXAMPLES: &str = "\
Examples:
  multiplexor realplexor dklab_realplexor.conf my.conf -p /run/realplexor.pid

Without a file it is as the old server was by default. A file that is not there is told and passed
over. Settings that the files do not know are taken from variables, such as MULTIPLEXOR_SHARDS.";
