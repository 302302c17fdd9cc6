//! The store: opened before the shards start, kept by a thread of its own after; and `multiplexor store`.

use std::io::{self, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Arg, ArgMatches, Command};
use exchange::hub::{Answered, Past, Position};
use exchange::{Exchange, Journal};
use in_line::StoreLine;
use serde_json::json;
use store::{Folder, FoundStore, Keeper, Log, Options, Stats};
use tracing::{info, warn};

use settings::StoreSettings;

/// A store that was opened, before anything is published.
pub(crate) struct OpenStore {
    log: Log<Folder>,
    journal: Arc<Journal>,
    keys: Vec<Answered>,
    keys_age: Duration,
}

/// A store at work.
pub(crate) struct Running {
    journal: Arc<Journal>,
    thread: JoinHandle<()>,
}

impl OpenStore {
    /// Opens a store, and tells what it remembers. It leaves no file open but the lock.
    pub(crate) fn open(
        settings: &StoreSettings,
        volatile: u32,
        keys_age: Duration,
        random: u64,
    ) -> anyhow::Result<(Self, Past)> {
        let started = Instant::now();
        let folder = Folder::take(&settings.folder).context("the store cannot be opened")?;
        let options = Options { len_max: settings.limit, sync: settings.sync, volatile };
        let (mut log, found) = Log::open(folder, options, &boot(), random)
            .with_context(|| format!("the store in {} cannot be opened", settings.folder.display()))?;
        log.disk_mut().close_files();
        let FoundStore { past, keys, notes, lost, .. } = found;
        notes.iter().for_each(|note| warn!("store: {note}"));
        if lost {
            warn!("the store has lost something; clients who come back are told of a gap");
        }
        let (messages, took) = (past.messages.len(), started.elapsed().as_millis());
        info!(folder = %settings.folder.display(), messages, took_ms = took, "store opened");
        Ok((Self { log, journal: Arc::default(), keys, keys_age }, past))
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.log.epoch()
    }

    pub(crate) fn reserved(&self) -> Position {
        self.log.reserved()
    }

    pub(crate) fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.journal)
    }

    /// Starts the store's thread, after the shards: its files must not be in their tables. It shares that of the
    /// IN line, so it may wake those who wait there.
    pub(crate) fn start(self, exchange: &Arc<Exchange>) -> anyhow::Result<(Running, StoreLine)> {
        let Self { log, journal, keys, keys_age } = self;
        let stats = Arc::new(Stats::default());
        let age = u64::try_from(keys_age.as_millis()).unwrap_or(u64::MAX);
        let keeper = Keeper::new(log, Arc::clone(&journal), age, Arc::clone(&stats));
        let exchange = Arc::clone(exchange);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || keeper.run(&exchange))
            .context("the store's thread cannot start")?;
        let counters = Box::new(move || stats.read().to_vec());
        Ok((Running { journal, thread }, StoreLine { answered: keys, counters }))
    }
}

impl Running {
    /// Keeps what is left, and ends in good order.
    pub(crate) fn end(self) {
        self.journal.end();
        if self.thread.join().is_err() {
            warn!("the store ended by a panic");
        }
    }
}

/// Which run of the kernel this is; empty where that is not told.
fn boot() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// `multiplexor store`.
pub(crate) fn command() -> Command {
    let folder = || Arg::new("folder").value_name("DIR").required(true).help("The folder of the store");
    let json = || cli::flag("json", "Print it as JSON");
    cli::group("store", "Look at a store on disk; nothing in it is changed")
        .subcommand(
            Command::new("check")
                .about("Read all of a store; ends with 1 if something in it is damaged or missing")
                .arg(folder()),
        )
        .subcommand(Command::new("stats").about("Print what is in a store").arg(folder()).arg(json()))
}

/// Does what the command says.
pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let Some((what, matches)) = matches.subcommand() else { anyhow::bail!("give check or stats") };
    let folder: PathBuf = matches.get_one::<String>("folder").map(Into::into).unwrap_or_default();
    let found = look(&folder)?;
    match what {
        "check" => Ok(check(&folder, &found)),
        _ => stats(&folder, &found, matches.get_flag("json")),
    }
}

fn look(path: &Path) -> anyhow::Result<FoundStore> {
    let folder = Folder::look(path)?;
    let found = store::recover(&folder, &boot())?;
    anyhow::ensure!(
        found.meta.is_some() || !found.segments.is_empty() || found.lost,
        "{} holds no store; give the folder that --store names",
        path.display()
    );
    Ok(found)
}

fn check(path: &Path, found: &FoundStore) -> ExitCode {
    found.notes.iter().for_each(|note| say(note));
    if found.lost {
        say(&format!(
            "{}: something is damaged or missing; the server starts with it, and tells clients",
            path.display()
        ));
        return ExitCode::FAILURE;
    }
    let how = if found.ended { "ended in good order" } else { "in use, or not ended in good order" };
    say(&format!("{}: whole; {} messages, {how}", path.display(), found.past.messages.len()));
    ExitCode::SUCCESS
}

fn stats(path: &Path, found: &FoundStore, as_json: bool) -> anyhow::Result<ExitCode> {
    let bytes: u64 = found.segments.iter().map(|segment| segment.len).sum();
    let records: u64 = found.segments.iter().map(|segment| segment.records).sum();
    let payload: usize = found.past.messages.iter().map(|message| message.bytes().len()).sum();
    let numbers = json!({
        "folder": path.display().to_string(),
        "segments": found.segments.len(),
        "bytes": bytes,
        "records": records,
        "messages": found.past.messages.len(),
        "payload_bytes": payload,
        "changes": found.past.changes.len(),
        "keys": found.keys.len(),
        "last": found.past.last.to_bits(),
        "ended": found.ended,
        "lost": found.lost,
    });
    if as_json {
        say(&numbers.to_string());
    } else {
        let lines = numbers.as_object().into_iter().flatten();
        let is_table = io::stdout().is_terminal();
        lines.for_each(|(name, value)| {
            let text = value.to_string();
            let text = text.trim_matches('"');
            say(&if is_table { format!("{name:<14} {text}") } else { format!("{name}\t{text}") });
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// A line on standard output; a reader that has left is no fault.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
