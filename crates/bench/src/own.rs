//! A server of this program, on free ports, for as long as a run lasts.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use serde::Deserialize;

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct OwnServer {
    process: Child,
    /// Where clients wait.
    pub(crate) wait: SocketAddr,
    /// Where messages go.
    pub(crate) publish: SocketAddr,
}

/// What the server says when it listens.
#[derive(Deserialize)]
struct ListenLines {
    wait: Vec<SocketAddr>,
    #[serde(rename = "in")]
    publish: Vec<SocketAddr>,
}

impl OwnServer {
    /// Starts one, with these flags besides; what the environment sets for a server does not count.
    pub(crate) fn start(flags: &[String]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("where this program is")?;
        let mut command = Command::new(program);
        command.args(["bench", "--own-server", "--"]).args(FLAGS).args(flags);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MULTIPLEXOR_") {
                command.env_remove(name);
            }
        }
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("the server does not start")?;
        let said = process.stdout.take().context("a server without standard output")?;
        let mut complaints = process.stderr.take().context("a server without standard error")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        let Ok(ListenLines { wait, publish }) = serde_json::from_str(&line) else {
            let mut text = String::new();
            complaints.read_to_string(&mut text)?;
            let _ = process.wait();
            bail!("the server of --self does not start: {}", text.trim());
        };
        // What it logs is nobody's business here, but must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut complaints, &mut std::io::sink()));
        let (Some(wait), Some(publish)) = (wait.first().copied(), publish.first().copied()) else {
            bail!("the server of --self does not listen")
        };
        Ok(Self { process, wait, publish })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            // It is a child that nobody has waited for, so the number is still its own.
            let _ = kill_process(pid, Signal::TERM);
        }
        let begun = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) {
            if begun.elapsed() > END_TIMEOUT {
                let _ = self.process.kill();
                let _ = self.process.wait();
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Becomes that server, which ends with whoever started it.
pub(crate) fn become_server(flags: &[String]) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM)).context("to end with the run")?;
    let program = std::env::current_exe().context("where this program is")?;
    Err(Command::new(program).args(flags).exec()).context("the server does not start")
}

const FLAGS: [&str; 8] =
    ["--wait", "127.0.0.1:0", "--in", "127.0.0.1:0", "--drain", "200ms", "--log", "json"];
const END_TIMEOUT: Duration = Duration::from_secs(20);
