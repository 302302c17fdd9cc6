//! `multiplexor realplexor`: in the old server's place, with its configuration, its log, its signals.

mod command;
mod id_changes;
mod journal;
mod process;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::ArgMatches;
use in_line::InDialects;
use wait::Renewal;

use migrate::{OldConfig, read_those_there};
use settings::{Errors, File, Settings};

use crate::banner::Banner;
use crate::serve::{self, Files, Role, Running};
pub(crate) use command::{COMMAND, IMPORT_EXAMPLE, command, import_command};
use id_changes::IdChanges;
use journal::{PredecessorLog, Writer};
use process::{PidFile, become_user};

/// Serves as the old server did. `settings` makes them of what the files come to.
pub(crate) fn run(
    matches: &ArgMatches,
    settings: impl Fn(&File) -> Result<Settings, Errors>,
) -> anyhow::Result<ExitCode> {
    let files: Vec<String> = matches.get_many::<String>("file").into_iter().flatten().cloned().collect();
    let mut lines = Vec::new();
    let (said, options) = read_those_there(&files, |line| lines.push(line)).map_err(anyhow::Error::new)?;
    let set = settings(&options.file).map_err(anyhow::Error::new)?;
    let (journal, writer) = PredecessorLog::new(options.verbosity);
    let limit = serve::raise_descriptor_limit();
    let limit = limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    journal.say(format!("Starting. Opened files limit (ulimit -n): {limit}."));
    lines.into_iter().chain(options.notes.iter().cloned()).for_each(|line| journal.say(line));
    warn_of_logins(&set, &journal);
    let pid_file = matches.get_one::<String>("pid-file").cloned();
    let (journal_of_role, set_of_role) = (journal.clone(), set.clone());
    let mut role = OldServer {
        journal: journal_of_role,
        files,
        settings,
        said,
        set: set_of_role,
        user: options.user,
        pid_file,
        pid: None,
        running: None,
        writer: Some(writer),
    };
    let served = serve::run(set, &mut role, Some(journal.layer()));
    let writer = role.writer.take();
    drop(role);
    if let Some(writer) = writer {
        writer.end(&journal);
    }
    served
}

/// The old server's place.
struct OldServer<F> {
    journal: PredecessorLog,
    files: Vec<String>,
    settings: F,
    /// What the files said when they were last read.
    said: OldConfig,
    /// What is set now.
    set: Settings,
    user: String,
    pid_file: Option<String>,
    pid: Option<PidFile>,
    running: Option<Running>,
    /// Until it ends.
    writer: Option<Writer>,
}

impl<F: Fn(&File) -> Result<Settings, Errors>> Role for OldServer<F> {
    fn names(&self) -> [&'static str; 2] {
        ["WAIT_ADDR", "IN_ADDR"]
    }

    fn keeps_from_upgrade(&self) -> Option<&'static str> {
        Some("this program stands in Realplexor's place, which it does not hand over: restart")
    }

    fn files(&self) -> Files {
        let paths = |files: &[String]| files.iter().map(PathBuf::from).collect();
        Files { read: paths(&self.files), written: paths(self.pid_file.as_slice()) }
    }

    fn shut_in(&mut self) -> anyhow::Result<()> {
        let journal = &self.journal;
        let started = self.writer.as_mut().map(|writer| writer.start(journal)).transpose();
        started.map(drop).context("the log cannot be written")
    }

    fn listening(&mut self, banner: &Banner<'_>, running: Running) -> anyhow::Result<()> {
        let held_s = Duration::from_millis(self.set.hub.history_age).as_secs_f64();
        let changes = IdChanges::new(Arc::clone(&running.exchange), running.stats.clone(), held_s);
        self.journal.watch(changes);
        self.running = Some(running);
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

    /// Takes what the files say now, and tells what has changed. What waits and what is held is not touched.
    fn hung_up(&mut self) {
        self.journal.say("SIGHUP received, reloading the config");
        if let Err(errors) = self.reload() {
            self.journal.say(format!("Error reloading config, continue with old settings: {errors}"));
        }
    }

    fn ending(&mut self, signal: &'static str) {
        self.journal.say(format!("{signal} received, exiting"));
    }
}

impl<F: Fn(&File) -> Result<Settings, Errors>> OldServer<F> {
    fn reload(&mut self) -> Result<(), Errors> {
        let mut lines = Vec::new();
        let (said, options) = read_those_there(&self.files, |line| lines.push(line))?;
        let fresh = (self.settings)(&options.file)?;
        self.check_guests(&fresh)?;
        lines.into_iter().for_each(|line| self.journal.say(line));
        warn_of_logins(&fresh, &self.journal);
        for (key, old, new) in self.said.changes(&said) {
            self.journal.say(format!("Option {key} is changed: {old} -> {new}"));
            if AT_START.contains(&&*key) {
                self.journal.say(format!("Option {key} takes effect when the program is started anew"));
            }
            if key == "IN_MAXLEN" && self.keeps_room(&fresh) {
                self.journal.say(
                    "Option IN_MAXLEN takes effect now; the room for history that comes of it, when the program is \
                     started anew",
                );
            }
            let without = options.notes.iter().filter(|note| note.starts_with(&*key));
            without.for_each(|note| self.journal.say(note.clone()));
        }
        self.take(fresh);
        self.journal.set_level(options.verbosity);
        self.said = said;
        Ok(())
    }

    /// Whether what the hub holds has another limit in these settings, which waits.
    fn keeps_room(&self, fresh: &Settings) -> bool {
        fresh.hub.history_bytes != self.set.hub.history_bytes
    }

    /// An IN line that others reach is heard since nobody may publish there as a guest; that must stay so.
    fn check_guests(&self, fresh: &Settings) -> Result<(), Errors> {
        let closed = |dialects: &InDialects| {
            self.set.in_listeners.iter().filter(move |listener| listener.unheard(dialects).is_some()).count()
        };
        if closed(&fresh.in_line.dialects) <= closed(&self.set.in_line.dialects) {
            return Ok(());
        }
        let why = "USERS_FILE lets guests in, but others reach the IN line; take the line without a login out of it";
        Err(Errors::from_iter([why.to_owned()]))
    }

    /// From now on both lines go by these settings, as far as they can be changed while anybody waits.
    fn take(&mut self, fresh: Settings) {
        let Some(running) = &self.running else { return };
        let wait = &mut self.set.wait_line;
        wait.classic_timeout = fresh.wait_line.classic_timeout;
        wait.classic_limit = fresh.wait_line.classic_limit;
        wait.classic_grace = fresh.wait_line.classic_grace;
        wait.dialects = fresh.wait_line.dialects;
        self.set.in_line.dialects = fresh.in_line.dialects;
        running.reload.dialects().send_replace(Arc::new(self.set.in_line.dialects.clone()));
        if !running.renewals.put_all(&Renewal::Settings(Arc::new(wait.clone()))) {
            self.journal.say("The WAIT line is too busy to take new settings; send SIGHUP once more");
        }
    }
}

/// Logs the logins that are skipped, as Realplexor did.
fn warn_of_logins(settings: &Settings, journal: &PredecessorLog) {
    for login in settings.in_line.dialects.skipped_logins() {
        journal.say(format!("Warning: login \"{login}\" is not alphanumeric, skipped."));
    }
}

/// Keys that say how the program starts, and what it remembers: the hub's limits never change, so that they are
/// asked without its lock.
const AT_START: &[&str] = &["WAIT_ADDR", "IN_ADDR", "SU_USER", "MAX_DATA_FOR_ID", "CLEAN_ID_AFTER"];
