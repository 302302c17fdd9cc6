//! The old program's part: it hands over to one that it starts, or serves on as if nothing had been.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;
use std::{io, mem};

use anyhow::{Context, bail, ensure};
use exchange::hub::Stage;
use exchange::{Canary, Exchange, Order, Resting};
use in_line::{Memories, Pause, UpgradeNews};
use settings::Settings;
use sys::Parcels;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};
use upstream::Webhooks;

use super::candidate::{Candidate, Started};
use super::said::{Begin, Greeting, UpgradeWord, hear, say, told};
use crate::limits::{UPGRADE_LINGER, UPGRADE_PAUSE, UPGRADE_PIECES_LEN, UPGRADE_RESTS_MAX, UPGRADE_STEP};
use crate::unix::SocketFile;
use crate::{log, notify};

/// What a program has that another one is to have.
pub(crate) struct Ends {
    pub(crate) settings: Settings,
    pub(crate) exchange: Arc<Exchange>,
    /// Through which shards are talked to.
    pub(crate) outside: wait::ShardPassages,
    /// The UNIX sockets of the WAIT line.
    pub(crate) wait_unix: Vec<OwnedFd>,
    pub(crate) in_line: Vec<OwnedFd>,
    /// Through which the IN line is asked to stand still.
    pub(crate) pauses: mpsc::Sender<Pause>,
    pub(crate) news: Arc<UpgradeNews>,
    /// Why this program cannot hand over, whatever comes.
    pub(crate) fault: Option<&'static str>,
    /// The webhooks that are set by now.
    pub(crate) webhooks: watch::Receiver<Arc<Webhooks>>,
    /// The file of the socket at which it is heard, as long as it is there.
    pub(crate) control: Option<SocketFile>,
}

/// That another program can go on in the place of this one; one at a time.
#[derive(Clone)]
pub(crate) struct Upgrade {
    ends: Arc<Mutex<Ends>>,
    /// The file that this program was started from.
    file: PathBuf,
}

impl Upgrade {
    pub(crate) fn new(ends: Ends) -> Self {
        let file = std::env::current_exe().unwrap_or_default();
        Self { ends: Arc::new(Mutex::new(ends)), file }
    }

    /// Nobody is heard at the socket any more.
    pub(crate) fn close(&self) {
        if let Ok(mut ends) = self.ends.try_lock() {
            ends.control = None;
        }
    }

    /// Begins to hand over to a program of the file that this one was started from; what comes of it is in the log.
    pub(crate) fn begin(&self) {
        let this = self.clone();
        // It holds up nobody: most of it is waiting.
        let spawned = thread::Builder::new().name("upgrade".to_owned()).spawn(move || this.run(None, |_| {}));
        if let Err(error) = spawned {
            warn!(%error, "no upgrade can begin");
        }
    }

    /// Hands over to a program of this file, `None`: that which this one was started from. Where another one goes on, `told` is given
    /// its number, and this program ends; else why not, and this one serves on.
    pub(crate) fn run(&self, file: Option<&Path>, told: impl FnOnce(Result<u32, String>)) {
        let file = file.unwrap_or(&self.file);
        let Ok(mut ends) = self.ends.try_lock() else {
            return told(Err("another upgrade is under way".to_owned()));
        };
        let began = Instant::now();
        match ends.hand_over(file) {
            Ok((pid, connections)) => {
                let seconds = began.elapsed().as_secs_f64();
                info!(file = %file.display(), pid, connections, seconds, "upgraded: another program goes on");
                told(Ok(pid));
                ends.control = None;
                log::flush();
                // What it had is the other one's; files of sockets stay where they are.
                std::process::exit(0);
            }
            Err(why) => {
                let why = format!("{why:#}");
                ends.news.failures.fetch_add(1, Ordering::Relaxed);
                warn!(file = %file.display(), why, "no upgrade: this program serves on");
                told(Err(why));
            }
        }
    }
}

impl Ends {
    fn hand_over(&mut self, file: &Path) -> anyhow::Result<(u32, usize)> {
        if let Some(fault) = self.fault {
            bail!(fault);
        }
        if !self.webhooks.borrow().all.is_empty() {
            bail!("this program has webhooks, whose backlog it does not hand over: restart");
        }
        ensure!(self.exchange.stage() == Stage::Serving, "this program is about to end");
        let mut started = Candidate::open(file)?.start()?;
        let name = || format!("the program of {} does not go on", file.display());
        let (greeting, _): (Greeting, _) = hear(&started.line).with_context(name)?;
        started.line.set_patience(UPGRADE_STEP)?;
        if let Some(fault) = greeting.fault(&self.settings) {
            bail!("{}: {fault}", name());
        }
        self.finish();
        let (memories, goes_on) = self.pause_in_line()?;
        let given = self.give(&mut started, memories);
        match &given {
            // Nor does the IN line accept anybody.
            Ok(_) => mem::forget(goes_on),
            Err(_) => drop(goes_on),
        }
        given.with_context(name)
    }

    /// Shards accept nobody from here on, and finish what can not go over yet; for a while.
    fn finish(&self) {
        let finished = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&finished);
        let canary = Canary::new(self.exchange.shards(), move || tell.store(true, Ordering::Relaxed));
        let began = Instant::now();
        self.exchange.admin().order_all(&Order::Finish(Arc::new(canary)));
        while !finished.load(Ordering::Relaxed) && began.elapsed() < UPGRADE_LINGER {
            thread::sleep(UPGRADE_PAUSE);
        }
    }

    /// The IN line answers what is under way, and stands still until what is returned is dropped.
    fn pause_in_line(&self) -> anyhow::Result<(Memories, oneshot::Sender<()>)> {
        let (still, stands_still) = oneshot::channel();
        let (goes_on, go_on) = oneshot::channel();
        self.pauses.blocking_send(Pause { still, go_on }).ok().context("this program is about to end")?;
        let memories = stands_still.blocking_recv().context("this program is about to end")?;
        Ok((memories, goes_on))
    }

    /// Everything goes over, or nothing.
    fn give(&mut self, started: &mut Started, memories: Memories) -> anyhow::Result<(u32, usize)> {
        let (exchange, pid) = (Arc::clone(&self.exchange), started.pid());
        let rested = self.rest(&exchange).and_then(|(resting, closed)| {
            let connections = self.give_all(started, &resting, memories)?;
            // From here on nobody is to change anything in this program until it ends.
            mem::forget(resting);
            if closed > 0 {
                warn!(connections = closed, "closed: their handshakes or questions took too long to go over");
            }
            Ok(connections)
        });
        // By now nobody holds the exchange; shards need it to take up what they had.
        match rested {
            Ok(connections) => Ok((pid, connections)),
            Err(why) => {
                self.outside.stay();
                Err(why)
            }
        }
    }

    /// All shards come to rest, and nobody changes anything from then on; how many connections were closed for it.
    fn rest<'a>(&mut self, exchange: &'a Exchange) -> anyhow::Result<(Resting<'a>, usize)> {
        let mut closed = 0;
        for time in 0..UPGRADE_RESTS_MAX {
            if time > 0 {
                // Something came up meanwhile, a user's leave perhaps.
                self.outside.stay();
            }
            exchange.admin().order_all(&Order::Rest);
            let rested = self.outside.rested(UPGRADE_STEP).map_err(anyhow::Error::msg)?;
            closed += rested.iter().map(|shard| shard.closed).sum::<usize>();
            if let Some(resting) = exchange.rest() {
                return Ok((resting, closed));
            }
        }
        bail!("this program does not come to rest: there is always something under way")
    }

    fn give_all(
        &mut self,
        started: &mut Started,
        resting: &Resting<'_>,
        memories: Memories,
    ) -> anyhow::Result<usize> {
        let shards = self.exchange.shards();
        let pairs = (0..shards).map(|_| Parcels::pair()).collect::<io::Result<Vec<_>>>()?;
        let (own, others): (Vec<Parcels>, Vec<Parcels>) = pairs.into_iter().unzip();
        let upgrades = self.news.upgrades.load(Ordering::Relaxed);
        let files: Vec<BorrowedFd<'_>> =
            others.iter().map(AsFd::as_fd).chain(self.wait_unix.iter().map(AsFd::as_fd)).collect();
        say(&started.line, &Begin { memories, upgrades }, &files)?;
        drop(others);
        let sockets: Vec<BorrowedFd<'_>> = self.in_line.iter().map(AsFd::as_fd).collect();
        let told_all = give_pieces(&started.line, resting).map_err(told);
        let given = told_all
            .and_then(|()| say(&started.line, &(), &sockets))
            .and_then(|()| self.outside.give(&own, UPGRADE_STEP + UPGRADE_STEP).map_err(anyhow::Error::msg));
        drop(own);
        // What it says of it itself says more than that it broke off.
        let connections = match (given, hear(&started.line)) {
            (Ok(connections), Ok((UpgradeWord::Ready, _))) => connections,
            (_, Ok((UpgradeWord::Refused(why), _))) => bail!(why),
            (Err(error), _) | (_, Err(error)) => return Err(error),
            (_, Ok((word, _))) => bail!("it says {word:?}"),
        };
        say(&started.line, &UpgradeWord::Go, &[])?;
        match hear(&started.line)? {
            (UpgradeWord::Serving, _) => {}
            (word, _) => bail!("it says {word:?}"),
        }
        notify::main_is(started.let_go());
        Ok(connections)
    }
}

/// Tells all that is remembered, many pieces at a time.
fn give_pieces(line: &Parcels, resting: &Resting<'_>) -> io::Result<()> {
    let (mut bytes, mut sent) = (Vec::new(), Ok(()));
    resting.freeze(|piece| {
        if sent.is_ok() {
            bytes = postcard::to_extend(&piece, mem::take(&mut bytes)).expect("plain data fit a vector");
            if bytes.len() >= UPGRADE_PIECES_LEN {
                sent = line.send(&bytes, &[]);
                bytes.clear();
            }
        }
    });
    sent?;
    if bytes.is_empty() { Ok(()) } else { line.send(&bytes, &[]) }
}
