//! `multiplexor config`: the settings in force with who said so, a file to begin with, and a check of
//! one.

mod machine;

use std::io::{self, Write as _};
use std::process::ExitCode;

use settings::{Errors, File, Settings, Values, document, template};

/// Prints the values that hold, as a settings file or as JSON.
pub(crate) fn print(values: &Values, as_json: bool) -> anyhow::Result<ExitCode> {
    out(&if as_json { values.json() } else { values.report() })
}

/// Prints a settings file with all defaults.
pub(crate) fn print_default() -> anyhow::Result<ExitCode> {
    out(&template())
}

/// Prints `docs/settings.md`.
pub(crate) fn print_document() -> anyhow::Result<ExitCode> {
    out(&document())
}

/// Prints the settings file that these old files come to, and tells what is wrong with it on standard error.
pub(crate) fn import(names: &[String]) -> anyhow::Result<ExitCode> {
    let options = match migrate::read(names) {
        Ok(options) => options,
        Err(errors) => return refuse(&errors),
    };
    out(&options.settings_file(names))?;
    match Settings::read(|_| None, &options.file) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(errors) => refuse(&errors),
    }
}

fn refuse(errors: &Errors) -> anyhow::Result<ExitCode> {
    writeln!(io::stderr(), "{errors}")?;
    Ok(ExitCode::FAILURE)
}

/// Checks a settings file as a server would that is started with it here: beside the variables of this environment, with
/// the users, folders and files of this machine. Whether its addresses are free is not asked, since the server may run.
pub(crate) fn check(name: &str, file: &File, values: &Values) -> anyhow::Result<ExitCode> {
    let (settings, mut errors) = Settings::judged(values);
    machine::faults(&settings, values).into_iter().for_each(|fault| errors.push(fault));
    if !errors.is_empty() {
        return refuse(&errors);
    }
    let count = |count: usize, what| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (settings, rules) = (count(file.len(), "setting"), count(file.channels.len(), "channel pattern"));
    let variables: Vec<&str> = values.variables().collect();
    let beside = match &*variables.join(", ") {
        "" => String::new(),
        variables => format!(", beside {variables} in the environment"),
    };
    out(&format!("{name}: nothing is wrong; {settings}, {rules}{beside}\n"))
}

/// Prints to standard output. If that is closed, nobody wants to know.
fn out(text: &str) -> anyhow::Result<ExitCode> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
