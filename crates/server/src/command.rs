//! The command line: what can be said, and who does it.

mod advice;
mod completion;

use std::io::{self, IsTerminal};
use std::process::{self, ExitCode};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};
use cli::flag;

use crate::reload::SettingsSource;
use crate::{config, log, predecessor, serve, upgrade};
use settings::{Errors, File, GivenTexts, Setting, Settings, Source, Values};

/// Does what the command line says.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let said: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let matches = command()
        .try_get_matches()
        .unwrap_or_else(|error| end_by(&advice::advised(error, &command(), &said)));
    warn_of_variables(&matches);
    match matches.subcommand() {
        None => start(&matches),
        Some(("serve", matches)) => start(matches),
        Some((predecessor::COMMAND, matches)) => {
            let errors = misspelt_variables(&command());
            if !errors.is_empty() {
                refuse(&errors);
            }
            predecessor::run(matches, read_beside)
        }
        Some(("config", matches)) => run_config(matches),
        Some(("doctor", matches)) => Ok(doctor::run(matches)),
        Some(("bench", matches)) => Ok(bench::run(matches)),
        Some(("store", matches)) => crate::store::run(matches),
        Some((upgrade::control::COMMAND, matches)) => upgrade::control::run(matches),
        Some(("webhook", matches)) => crate::webhooks::run(matches),
        Some(("completion", matches)) => {
            completion::print_completion(matches, command());
            Ok(ExitCode::SUCCESS)
        }
        Some(("man", _)) => Ok(completion::print_man(command()).map(|()| ExitCode::SUCCESS)?),
        Some(("settings-doc", _)) => config::print_document(),
        Some((name, matches)) => {
            cli::run(name, matches).unwrap_or_else(|| anyhow::bail!("there is no command {name}"))
        }
    }
}

/// The server, as itself.
fn start(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let values = read_values(matches);
    let settings = Settings::of(&values).unwrap_or_else(|errors| refuse(&errors));
    let again = matches.clone();
    let source = SettingsSource { values, read: Box::new(move || read_values(&again)) };
    let mut itself = serve::Itself::new(settings_file(matches).map(Into::into), settings.log, source);
    serve::run(settings, &mut itself, None)
}

/// The whole tree of commands.
fn command() -> Command {
    let root = Command::new("multiplexor")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A push server: one line in, and every browser that waits has it at once")
        .after_help(EXAMPLES)
        .after_long_help(format!("{EXAMPLES}\n\n{SOURCES}"))
        .max_term_width(100)
        .args_conflicts_with_subcommands(true);
    with_settings(root)
        .subcommand(with_settings(
            Command::new("serve").about("Start the server; the same as no command at all"),
        ))
        .subcommands(cli::message_commands())
        .subcommand(config_command())
        .subcommand(upgrade::control::command())
        .subcommand(predecessor::command())
        .subcommands(cli::query_commands())
        .subcommand(doctor::command())
        .subcommand(bench::command())
        .subcommands(cli::credential_commands())
        .subcommand(crate::store::command())
        .subcommand(crate::webhooks::command())
        .subcommand(completion::completion_command())
        .subcommand(completion::man_command())
        .subcommand(Command::new("settings-doc").about("Print docs/settings.md").hide(true))
}

fn config_command() -> Command {
    let check = Command::new("check")
        .about(
            "Say what a server started with this file, here and in this environment, would find wrong; ends with 1 if \
             that is anything",
        )
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .help("The file to check, such as multiplexor.toml"),
        )
        .arg(
            Arg::new("against")
                .long("against")
                .value_name("URL")
                .help("The IN line of a running server: also say which of its settings this file would change, and what of that would wait for a restart"),
        )
        .args([cli::key_arg(), cli::authority()]);
    let config = Command::new("config")
        .about("Print the settings as the server would take them, or check a file of them")
        .after_help(format!("{CONFIG_EXAMPLES}\n  {}", predecessor::IMPORT_EXAMPLE))
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .arg(flag("default", "Print a settings file with all defaults, to begin with").exclusive(true))
        .arg(flag("json", "Print them as JSON"));
    with_settings(config).subcommand(check).subcommand(predecessor::import_command())
}

/// `multiplexor config`, in its three forms.
fn run_config(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    if let Some(("check", matches)) = matches.subcommand() {
        let name = matches.get_one::<String>("file").map_or("", String::as_str);
        let file = File::load(name);
        let values = values_of(by_variable, &file);
        let code = config::check(name, &file, &values)?;
        let against = matches.get_one::<String>("against").filter(|_| code == ExitCode::SUCCESS);
        let Some(url) = against else { return Ok(code) };
        let running = cli::InClient::to(url, "--against", matches, true)?.get("/settings")?;
        return config::compare(&Values::gather(|_| None, &file), &running);
    }
    if let Some(("import", matches)) = matches.subcommand() {
        let names: Vec<String> = matches.get_many("file").into_iter().flatten().cloned().collect();
        return config::import(&names);
    }
    if matches.get_flag("default") {
        return config::print_default();
    }
    let values = read_values(matches);
    if let Err(errors) = Settings::of(&values) {
        refuse(&errors);
    }
    config::print(&values, matches.get_flag("json"))
}

/// A flag for each setting of the table, and one for a file of them.
fn with_settings(command: Command) -> Command {
    let file = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .help("A file with settings; what is given by a flag or a variable beats it")
        .hide_short_help(true)
        .help_heading("Settings");
    command.arg(file).args(settings::by_heading().into_iter().map(|(setting, heading)| {
        let action = if setting.is_list() { ArgAction::Append } else { ArgAction::Set };
        Arg::new(setting.name)
            .long(setting.flag())
            .value_name(setting.value_name())
            .action(action)
            .help(setting.flag_help())
            .hide_short_help(true)
            .help_heading(heading)
    }))
}

/// The settings of variables and, where those say nothing, of a file that was read already.
fn read_beside(file: &File) -> Result<Settings, Errors> {
    Settings::read(by_variable, file)
}

fn by_variable(setting: &Setting) -> Option<GivenTexts> {
    let text = variable(&setting.variable())?;
    Some(GivenTexts { origin: Source::Variable(setting.variable()), texts: vec![text] })
}

/// Variables that are named like ours and are none. They keep a server from starting, since a misspelt one would have no effect.
fn misspelt_variables(root: &Command) -> Errors {
    let said = std::env::vars_os().filter(|(_, text)| !text.is_empty());
    let names: Vec<String> = said.map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    let mut ours = vec![CONFIG_VARIABLE.to_owned()];
    collect_variables(root, &mut ours);
    settings::misspelt(names.iter().map(String::as_str), &ours)
}

/// A client that is told something by variables says which of them are none, and does what it can without them.
fn warn_of_variables(matches: &ArgMatches) {
    // What is wrong with variables is wrong with the settings there.
    let Some(name) = matches.subcommand_name().filter(|name| *name != "config") else { return };
    let (root, mut of_client) = (command(), Vec::new());
    if let Some(named) = root.find_subcommand(name) {
        collect_variables(named, &mut of_client);
    }
    if of_client.is_empty() {
        return;
    }
    let errors = misspelt_variables(&root);
    if !errors.is_empty() {
        log::write_in_time(
            io::stderr(),
            format!("multiplexor: {}\n", errors.to_string().replace('\n', "\nmultiplexor: ")),
        );
    }
}

/// The variables that commands take beside those of settings.
fn collect_variables(command: &Command, names: &mut Vec<String>) {
    let said = command.get_arguments().filter_map(Arg::get_env);
    names.extend(said.map(|name| name.to_string_lossy().into_owned()));
    command.get_subcommands().for_each(|inner| collect_variables(inner, names));
}

/// The file of settings, if one is given.
fn settings_file(matches: &ArgMatches) -> Option<String> {
    matches.get_one::<String>("config").cloned().or_else(|| variable(CONFIG_VARIABLE))
}

/// The value of every setting, and who said so.
fn read_values(matches: &ArgMatches) -> Values {
    let file = settings_file(matches).map_or_else(File::default, |name| File::load(&name));
    let given = |setting: &Setting| {
        let by_flag = matches.get_many::<String>(setting.name);
        let by_flag = by_flag.map(|texts| GivenTexts {
            origin: Source::Flag(setting.flag()),
            texts: texts.cloned().collect(),
        });
        by_flag.or_else(|| by_variable(setting))
    };
    values_of(given, &file)
}

/// The values, and what is wrong with them and the variables of the environment.
fn values_of(given: impl Fn(&Setting) -> Option<GivenTexts>, file: &File) -> Values {
    let mut values = Values::gather(given, file);
    values.note(misspelt_variables(&command()));
    values
}

/// A variable of the environment. An empty one counts as none: that is how a compose file leaves one out.
fn variable(name: &str) -> Option<String> {
    let text = std::env::var_os(name).filter(|text| !text.is_empty())?;
    Some(text.to_string_lossy().into_owned())
}

/// Ends the program over its settings.
fn refuse(errors: &Errors) -> ! {
    end_by(&clap::Error::raw(ErrorKind::ValueValidation, format!("{errors}\n")))
}

/// Ends the program over its command line, or as that asks for no more than help.
fn end_by(error: &clap::Error) -> ! {
    if !error.use_stderr() || io::stderr().is_terminal() {
        error.exit();
    }
    log::write_in_time(io::stderr(), error.render().to_string());
    process::exit(error.exit_code())
}

/// The settings file, where no flag names one.
const CONFIG_VARIABLE: &str = "MULTIPLEXOR_CONFIG";

const EXAMPLES: &str = "\
Examples:
  multiplexor                               start the server; it needs no configuration
  multiplexor --config multiplexor.toml     start it with a file of settings
  multiplexor listen news                   wait for messages, in one terminal
  multiplexor send news 'hello'             publish one, in another";

const SOURCES: &str = "\
Every setting is also read from the environment: --poll-timeout is MULTIPLEXOR_POLL_TIMEOUT; and
from the file that --config or MULTIPLEXOR_CONFIG names: there it is poll_timeout.";

const CONFIG_EXAMPLES: &str = "\
Examples:
  multiplexor config --default > multiplexor.toml
  multiplexor config check multiplexor.toml
  multiplexor --config multiplexor.toml
  multiplexor config --config multiplexor.toml   what holds, and who said so";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn flags_may_stand_with_or_without_the_command() {
        for line in [&["multiplexor", "--shards", "3"][..], &["multiplexor", "serve", "--shards", "3"]] {
            let matches = command().try_get_matches_from(line).unwrap();
            let matches = matches.subcommand_matches("serve").unwrap_or(&matches);
            assert_eq!(Settings::of(&read_values(matches)).unwrap().shards, 3);
        }
    }

    #[test]
    fn data_may_look_like_a_flag_after_two_dashes() {
        for (line, data) in [
            (&["multiplexor", "send", "a", "-5"][..], "-5"),
            (&["multiplexor", "send", "a", "-"], "-"),
            (&["multiplexor", "send", "a", "--", "--json"], "--json"),
        ] {
            let matches = command().try_get_matches_from(line).unwrap();
            let matches = matches.subcommand_matches("send").unwrap();
            assert_eq!(matches.get_one::<String>("data").map(String::as_str), Some(data));
        }
    }
}
