//! What shells and `man` are told of the command line, made of the same table as its help.

use std::io;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

/// `multiplexor completion SHELL`.
pub(super) fn completion_command() -> Command {
    Command::new("completion")
        .about("Print what a shell needs to complete commands and flags")
        .after_help(EXAMPLES)
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(value_parser!(Shell))
                .help("Which shell"),
        )
}

/// `multiplexor man`.
pub(super) fn man_command() -> Command {
    Command::new("man").about("Print the manual's page, for man").hide(true)
}

/// Prints the completion of `command` for the shell that was named.
pub(super) fn print_completion(matches: &ArgMatches, mut command: Command) {
    let shell = *matches.get_one::<Shell>("shell").expect("clap asks for it");
    // In memory first: a reader that leaves, such as head, is no fault.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "multiplexor", &mut text);
    print(&text);
}

/// Prints the page of `command`, in roff.
pub(super) fn print_man(command: Command) -> io::Result<()> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    print(&text);
    Ok(())
}

fn print(text: &[u8]) {
    let _ = io::Write::write_all(&mut io::stdout().lock(), text);
}

const EXAMPLES: &str = "\
Examples:
  multiplexor completion bash > /usr/share/bash-completion/completions/multiplexor
  multiplexor completion zsh > /usr/share/zsh/site-functions/_multiplexor
  multiplexor completion fish > ~/.config/fish/completions/multiplexor.fish";
