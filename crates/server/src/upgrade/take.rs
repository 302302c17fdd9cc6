//! The new program's part: it goes on in the place of the one that started it.

use std::cell::Cell;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, bail, ensure};
use exchange::HandedOver;
use in_line::Memories;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::getppid;
use rustix::stdio::dup2_stdin;
use settings::Settings;
use sys::Parcels;

use super::said::{Begin, Greeting, UpgradeWord, hear, say, told};
use crate::limits::UPGRADE_STEP;

/// Says who started a program so that it goes on in its place.
pub(super) const VARIABLE: &str = "UPGRADE_FROM_PID";

/// The program in whose place this one goes on, by a line to it.
pub(crate) struct Predecessor(Parcels);

/// What it leaves first.
#[derive(Default)]
pub(crate) struct TakenOver {
    /// For each shard.
    pub(crate) lines: Vec<OwnedFd>,
    /// The UNIX sockets of the WAIT line, in the order of the settings.
    pub(crate) wait_unix: Vec<OwnedFd>,
    pub(crate) memories: Memories,
    /// How many programs went on one in the place of the other, with this one.
    pub(crate) upgrades: u64,
}

impl Predecessor {
    /// The program that started this one to have it go on in its place; `None`: nobody did.
    pub(crate) fn find() -> anyhow::Result<Option<Self>> {
        let parent = getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
        if std::env::var(VARIABLE).ok().and_then(|pid| pid.parse().ok()) != Some(parent) {
            return Ok(None);
        }
        let line = std::io::stdin().as_fd().try_clone_to_owned().context("the line to it is gone")?;
        dup2_stdin(open("/dev/null", OFlags::RDONLY, Mode::empty())?)?;
        let mut line = Parcels::new(line);
        line.set_patience(UPGRADE_STEP)?;
        Ok(Some(Self(line)))
    }

    /// Says who goes on, and takes what is to be known first.
    pub(crate) fn greet(&self, settings: &Settings) -> anyhow::Result<TakenOver> {
        say(&self.0, &Greeting::of(settings), &[])?;
        let (begin, files): (Begin, _) = hear(&self.0).context("the running program does not hand over")?;
        let Begin { memories, upgrades } = begin;
        let mut files = files.into_iter();
        let lines: Vec<OwnedFd> = files.by_ref().take(settings.shards).collect();
        let wait_unix: Vec<OwnedFd> = files.collect();
        let unix = settings.wait.iter().filter(|listener| listener.address.path().is_some());
        ensure!(
            lines.len() == settings.shards && wait_unix.len() == unix.count(),
            "the running program hands over other sockets than this one is to have"
        );
        Ok(TakenOver { lines, wait_unix, memories, upgrades: upgrades + 1 })
    }

    /// Takes the sockets of the IN line, in the order of the settings.
    pub(crate) fn sockets(&self, settings: &Settings) -> anyhow::Result<Vec<OwnedFd>> {
        let ((), sockets) = hear(&self.0).context("the running program does not hand over")?;
        ensure!(
            sockets.len() == settings.in_listeners.len(),
            "the running program hands over other sockets than this one is to have"
        );
        Ok(sockets)
    }

    /// Takes what is remembered, piece by piece, and makes something of it.
    pub(crate) fn take<T, E>(
        &self,
        make: impl FnOnce(&mut dyn Iterator<Item = HandedOver>) -> Result<T, E>,
    ) -> anyhow::Result<T>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let broken = Cell::new(None);
        let next = || match self.0.take() {
            Ok((bytes, _)) => pieces(&bytes),
            Err(error) => {
                broken.set(Some(error));
                None
            }
        };
        let made = make(&mut std::iter::from_fn(next).flatten());
        match broken.into_inner() {
            Some(error) => Err(told(error)).context("the running program does not hand over"),
            None => Ok(made?),
        }
    }

    /// All has gone over; done when this program is to serve, from this moment on.
    pub(crate) fn ready(&self) -> anyhow::Result<()> {
        say(&self.0, &UpgradeWord::Ready, &[])?;
        match hear(&self.0).context("the running program serves on")? {
            (UpgradeWord::Go, _) => say(&self.0, &UpgradeWord::Serving, &[]),
            (word, _) => bail!("the running program says {word:?}"),
        }
    }

    /// This program does not go on.
    pub(crate) fn refuse(&self, why: &anyhow::Error) {
        // It may have ended.
        let _ = say(&self.0, &UpgradeWord::Refused(format!("{why:#}")), &[]);
    }
}

/// The pieces that stand there one behind the other. `None`: they are none of ours.
fn pieces(mut bytes: &[u8]) -> Option<Vec<HandedOver>> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = postcard::take_from_bytes(bytes).ok()?;
        pieces.push(piece);
        bytes = rest;
    }
    Some(pieces)
}
