//! `multiplexor config`: the settings in force with who said so, a file to begin with, and a check of
//! one.

mod machine;

pub(crate) use machine::{faults, unreadable};

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context;
use settings::{Against, Errors, File, Settings, Values, document, template};

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
    faults(&settings, values).into_iter().for_each(|fault| errors.push(fault));
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

/// Prints what a server that runs, and answers `GET /settings` so, would change if a file said these values.
pub(crate) fn compare(values: &Values, running: &str) -> anyhow::Result<ExitCode> {
    let running: serde_json::Value = serde_json::from_str(running).context(NO_SETTINGS)?;
    let Against { changed, waiting, beaten, unknown } = Against::of(values, &running).context(NO_SETTINGS)?;
    let mut lines = Vec::new();
    for (names, what) in [
        (changed, "a reload would change"),
        (waiting, "would wait for a restart"),
        (beaten, "stays as a flag or a variable of the server says"),
        (unknown, "cannot be compared, since a server shows no secrets"),
    ] {
        if !names.is_empty() {
            lines.push(format!("{what}: {}\n", names.join(", ")));
        }
    }
    out(&if lines.is_empty() { "the server has these settings\n".to_owned() } else { lines.concat() })
}

/// Prints to standard output. If that is closed, nobody wants to know.
fn out(text: &str) -> anyhow::Result<ExitCode> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

const NO_SETTINGS: &str =
    "the server does not tell its settings as this program does; is it of another version?";
