//! What both programs say to each other.

use std::io;

use anyhow::Context;
use in_line::Memories;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use settings::Settings;
use std::os::fd::{BorrowedFd, OwnedFd};
use sys::Parcels;

/// The version of all that goes over, beside what has one of its own.
pub(super) const FORMAT: u16 = 1;

/// The first word of the new program, as JSON, so that every version can read it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Greeting {
    pub(super) format: u16,
    pub(super) version: String,
    pub(super) shards: usize,
    pub(super) listens: Vec<String>,
}

/// What goes over first. With it come a line for each shard, then the UNIX sockets of the WAIT line. Then comes what is remembered, and
/// at last the sockets of the IN line, which no shard is to have.
#[derive(Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) memories: Memories,
    /// Programs that went on one in the place of the other, up to this one.
    pub(super) upgrades: u64,
}

/// What is said then: by the new program that all has gone over, by the old one that it may serve, and by the new one that it does.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum UpgradeWord {
    Ready,
    Go,
    Serving,
    /// The new program does not go on: for this reason.
    Refused(String),
}

impl Greeting {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            shards: settings.shards,
            listens: listens(settings),
        }
    }

    /// Why a program of these settings does not hand over to one that greets so.
    pub(super) fn fault(&self, settings: &Settings) -> Option<String> {
        let Self { format, version, shards, .. } = self;
        if *format != FORMAT {
            return Some(format!(
                "it is version {version}, which takes over format {format}, and this program hands over format {FORMAT}: restart, \
                 or go by way of a release that has both"
            ));
        }
        if *shards != settings.shards {
            return Some(format!(
                "it would have {shards} shards, and this program has {}; set shards to that, or restart",
                settings.shards
            ));
        }
        (self.listens != listens(settings)).then(|| {
            format!(
                "it would listen at {}, and this program listens at {}; that takes a restart",
                self.listens.join(", "),
                listens(settings).join(", ")
            )
        })
    }
}

/// Where a program of these settings listens, in words that both compare.
fn listens(settings: &Settings) -> Vec<String> {
    let wait = settings.wait.iter().map(|one| format!("{} (WAIT)", one.address));
    let in_line = settings.in_listeners.iter().map(|one| format!("{} (IN)", one.address));
    wait.chain(in_line).collect()
}

/// Says something to the other program.
pub(super) fn say(to: &Parcels, data: &impl Serialize, files: &[BorrowedFd<'_>]) -> anyhow::Result<()> {
    to.send(&serde_json::to_vec(data)?, files).map_err(told)
}

/// Takes what the other program says.
pub(super) fn hear<T: DeserializeOwned>(from: &Parcels) -> anyhow::Result<(T, Vec<OwnedFd>)> {
    let (bytes, files) = from.take().map_err(told)?;
    Ok((serde_json::from_slice(&bytes).context("what it says is not the language of this program")?, files))
}

/// Why the other program says nothing.
pub(super) fn told(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => anyhow::anyhow!("it takes too long"),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            anyhow::anyhow!("it has ended; its log says why")
        }
        io::ErrorKind::InvalidData => anyhow::anyhow!("what it says is not the language of this program"),
        _ => anyhow::Error::new(error).context("nothing can be said to it"),
    }
}
