//! `multiplexor realplexor`: in the old server's place, with its configuration, its log, its signals.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::ArgMatches;

use super::journal::{Journal, Listening, Numbers};
use super::process::{PidFile, become_user};
use super::read_those_there;
use super::script::{Said, Value};
use crate::banner::Banner;
use crate::serve::{self, Role};
use crate::settings::{Errors, File, Settings};

/// Serves as the old server did.
pub(crate) fn run(
    matches: &ArgMatches,
    settings: impl FnOnce(&File) -> Result<Settings, Errors>,
) -> anyhow::Result<ExitCode> {
    let files: Vec<String> = matches.get_many::<String>("file").into_iter().flatten().cloned().collect();
    let mut lines = Vec::new();
    let (said, options) = read_those_there(&files, |line| lines.push(line)).map_err(anyhow::Error::new)?;
    let settings = settings(&options.file).map_err(anyhow::Error::new)?;
    let (journal, writer) = Journal::start(options.verbosity).context("the log cannot be written")?;
    let limit = serve::raise_descriptor_limit();
    let limit = limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    journal.say(format!("Starting. Opened files limit (ulimit -n): {limit}."));
    lines.into_iter().chain(options.notes.iter().cloned()).for_each(|line| journal.say(line));
    let pid_file = matches.get_one::<String>("pid-file").cloned();
    let mut role =
        Takeover { journal: journal.clone(), files, said, user: options.user, pid_file, pid: None };
    let served = serve::run(settings, &mut role, Some(Box::new(Listening(journal.clone()))));
    drop(role);
    writer.end(&journal);
    served
}

/// The old server's place.
struct Takeover {
    journal: Journal,
    files: Vec<String>,
    /// What the files said when they were last read.
    said: Said,
    user: String,
    pid_file: Option<String>,
    pid: Option<PidFile>,
}

impl Role for Takeover {
    const HANGS_UP: bool = true;

    fn names(&self) -> [&'static str; 2] {
        ["WAIT_ADDR", "IN_ADDR"]
    }

    fn listening(&mut self, banner: &Banner<'_>, numbers: Numbers) -> anyhow::Result<()> {
        self.journal.count_by(numbers);
        for address in banner.wait {
            self.journal.say(format!("WAIT: listening {address}"));
        }
        for address in banner.in_addresses {
            self.journal.say(format!("IN: listening {address}"));
        }
        // Both need the rights of root: ports below 1024 are bound by now, and the file is written.
        self.pid = self.pid_file.as_ref().map(|path| PidFile::write(Path::new(path))).transpose()?;
        if become_user(&self.user)? {
            self.journal.say(format!("Switching current user to unprivileged \"{}\"", self.user));
        }
        Ok(())
    }

    /// Tells what has changed. The level of the log changes at once; all else when the program starts anew, since
    /// what waits and what is held must not be lost for it.
    fn hung_up(&mut self) {
        self.journal.say("SIGHUP received, reloading the config");
        let mut lines = Vec::new();
        match read_those_there(&self.files, |line| lines.push(line)) {
            Err(errors) => {
                self.journal.say(format!("Error reloading config, continue with old settings: {errors}"));
            }
            Ok((said, options)) => {
                self.journal.set_level(options.verbosity);
                lines.into_iter().for_each(|line| self.journal.say(line));
                for (key, old, new) in changes(&self.said, &said) {
                    self.journal.say(format!("Option {key} is changed: {old} -> {new}"));
                    if key != "VERBOSITY" {
                        self.journal
                            .say(format!("Option {key} takes effect when the program is started anew"));
                    }
                }
                self.said = said;
            }
        }
    }

    fn ending(&mut self, signal: &'static str) {
        self.journal.say(format!("{signal} received, exiting"));
    }
}

/// The keys of which something else is said, with what was and what is.
fn changes(old: &Said, new: &Said) -> Vec<(String, String, String)> {
    let keys: BTreeSet<&String> = old.0.keys().chain(new.0.keys()).collect();
    let value = |said: &Said, key: &String| said.0.get(key).map(|(value, _)| value.clone());
    let changed = keys.into_iter().filter(|key| value(old, key) != value(new, key));
    changed.map(|key| (key.clone(), shown(value(old, key)), shown(value(new, key)))).collect()
}

fn shown(value: Option<Value>) -> String {
    match value {
        None => "default".to_owned(),
        Some(Value::Undefined) => "undef".to_owned(),
        Some(Value::Text(text)) => text,
        Some(Value::List(items)) => items.join(" "),
    }
}
