//! `multiplexor upgrade`, and the socket through which it is heard.
//!
//! The socket stands in a folder of whom the program is, and is for root and that user alone.

use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::{env, io};

use anyhow::{Context, bail, ensure};
use clap::{Arg, ArgMatches, Command};
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use settings::UnixRights;
use sys::Parcels;
use tracing::{info, warn};

use super::give::Upgrade;
use super::said::{hear, say};
use crate::limits::{CONTROL_ANSWER, CONTROL_STEP};
use crate::unix::{self, SocketFile};

pub(crate) const COMMAND: &str = "upgrade";

/// What is asked: to run this file, `None`: that which the program was started from.
#[derive(Serialize, Deserialize)]
struct Asked {
    file: Option<PathBuf>,
}

/// The number of the process that goes on, or why none does.
#[derive(Serialize, Deserialize)]
struct UpgradeAnswer(Result<u32, String>);

/// Makes the socket, where there is a folder for it.
pub(crate) fn open() -> anyhow::Result<Option<(UnixListener, SocketFile)>> {
    let Some(folder) = own_folder() else { return Ok(None) };
    let path = folder.join(format!("{NAME}{}", std::process::id()));
    let rights = UnixRights { mode: 0o600, owner: String::new() };
    let (listener, file) = unix::open(&path, &rights)?;
    listener.set_nonblocking(false)?;
    Ok(Some((listener, file)))
}

/// Hears whoever may ask, in a thread of its own.
pub(crate) fn serve(listener: UnixListener, upgrade: Upgrade) -> io::Result<()> {
    let heed_all = move || {
        for asker in listener.incoming().flatten() {
            if let Err(error) = heed(asker, &upgrade) {
                warn!(error = format!("{error:#}"), "a request for an upgrade came to nothing");
            }
        }
    };
    thread::Builder::new().name("control".to_owned()).spawn(heed_all).map(drop)
}

fn heed(asker: UnixStream, upgrade: &Upgrade) -> anyhow::Result<()> {
    let who = socket_peercred(asker.as_fd())?.uid;
    ensure!(who.is_root() || who == geteuid(), "user {} may not ask for one", who.as_raw());
    let mut line = Parcels::new(asker);
    line.set_patience(CONTROL_STEP)?;
    let asked = match line.take() {
        Ok((bytes, _)) => bytes,
        // Somebody looked whether anybody hears.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let Asked { file } = serde_json::from_slice(&asked)?;
    info!(uid = who.as_raw(), "an upgrade is asked for");
    upgrade.run(file.as_deref(), |became| {
        // Who asked may have gone; the log has it, too.
        let _ = say(&line, &UpgradeAnswer(became), &[]);
    });
    Ok(())
}

/// The folder in which a program has its socket: made for it by systemd, or for its user by the system.
pub(crate) fn own_folder() -> Option<PathBuf> {
    let named = |name| env::var_os(name).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    // systemd names several folders with colons between them.
    let first = |folders: PathBuf| env::split_paths(&folders).next();
    named("RUNTIME_DIRECTORY").and_then(first).or_else(|| named("XDG_RUNTIME_DIR"))
}

pub(crate) fn command() -> Command {
    Command::new(COMMAND)
        .about("Have a running server go on as a program of this file; nobody who is connected notices")
        .after_help(
            "Examples:\n  multiplexor upgrade                       go on as the file that it was started from, which is a new one by now\n  \
             multiplexor upgrade /usr/bin/multiplexor  go on as this one\n\nThe same without a file: kill -USR2 PID",
        )
        .arg(Arg::new("file").value_name("FILE").help("The program; root's or the server's user's, and writable by nobody else"))
        .arg(
            Arg::new("pid")
                .long("pid")
                .value_name("PID")
                .value_parser(clap::value_parser!(u32))
                .help("The process of the server, where there are several"),
        )
}

/// `multiplexor upgrade`.
pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let file = matches
        .get_one::<String>("file")
        .map(|file| Path::new(file).canonicalize().with_context(|| format!("{file} cannot be found")));
    let socket = find(matches.get_one::<u32>("pid").copied())?;
    let asked = UnixStream::connect(&socket);
    let mut line = Parcels::new(asked.with_context(|| format!("{} cannot be reached", socket.display()))?);
    line.set_patience(CONTROL_ANSWER)?;
    say(&line, &Asked { file: file.transpose()? }, &[])?;
    let (UpgradeAnswer(became), _) =
        hear(&line).context("the server gives no answer; its log says what became of it")?;
    match became {
        Ok(pid) => {
            crate::log::write_in_time(io::stdout(), format!("process {pid} goes on\n"));
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => bail!("no upgrade; the server serves on: {why}"),
    }
}

/// The socket of the server that runs, or of that process.
fn find(pid: Option<u32>) -> anyhow::Result<PathBuf> {
    let folders = own_folder().into_iter().chain([PathBuf::from(OF_SERVICE)]);
    let inside = folders.filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
    let of_pid = |path: &PathBuf| {
        let number = path.file_name()?.to_str()?.strip_prefix(NAME)?.parse::<u32>().ok()?;
        (pid.is_none_or(|pid| pid == number) && UnixStream::connect(path).is_ok()).then_some(number)
    };
    let mut found: Vec<(u32, PathBuf)> =
        inside.map(|entry| entry.path()).filter_map(|path| Some((of_pid(&path)?, path))).collect();
    found.dedup();
    match &found[..] {
        [(_, path)] => Ok(path.clone()),
        [] => bail!(
            "no server is found that hears it: it has a socket for that in RUNTIME_DIRECTORY or XDG_RUNTIME_DIR, if it was started \
             with one of them; kill -USR2 PID needs none"
        ),
        several => {
            let pids: Vec<String> = several.iter().map(|(pid, _)| pid.to_string()).collect();
            bail!("several servers run: {}; say which by --pid", pids.join(", "))
        }
    }
}

/// How the sockets are called, before the number of the process.
const NAME: &str = "multiplexor-upgrade.";
/// The folder of the service, as its unit names it.
const OF_SERVICE: &str = "/run/multiplexor";
