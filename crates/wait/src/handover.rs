//! How a shard hands its connections over to the one that goes on in its place in another program, with the files they are.
//!
//! Each shard has a table of files of its own, so nobody else can send them, or take them in. It is talked to through a
//! *passage*, a line that was there before all shards; through that it is given a line of its own to the other shard, and on
//! that goes, in order: what the shard knows itself with its listeners, then seats, many at a time, an empty parcel, and back an
//! answer.
//!
//! Until the end is said to it the shard keeps all it has sent, so it can go on as if nothing had been.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sys::{PARCEL_FILES_MAX, Parcels};
use tracing::warn;

use crate::limits::SEATS_LEN_MAX;
use crate::linux::Linux;
use crate::seat::Seat;
use crate::shard::Shard;

/// What a shard at rest is told.
#[derive(Serialize, Deserialize)]
enum RestOrder {
    /// Give what you have through the line that comes with this.
    Give,
    /// Go on as if nothing had been.
    Stay,
}

/// How a shard has come to rest.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Rested {
    /// Connections that can go over.
    pub seats: usize,
    /// Those that could not, and were closed.
    pub closed: usize,
}

/// Why nothing goes over.
pub(crate) type Why = String;

/// Makes the passages of so many shards: the ends of the program, and those of the shards. Before any shard starts.
pub fn passages(shards: usize) -> io::Result<(ShardPassages, Vec<Parcels>)> {
    let pairs: Vec<_> = (0..shards).map(|_| Parcels::pair()).collect::<io::Result<_>>()?;
    let (outside, inside) = pairs.into_iter().unzip();
    Ok((ShardPassages { passages: outside, is_lost: false }, inside))
}

/// The ends through which all shards are talked to, in their order.
#[derive(Debug)]
pub struct ShardPassages {
    passages: Vec<Parcels>,
    /// A shard did not answer in time: what it says later would be taken for an answer to something else.
    is_lost: bool,
}

impl ShardPassages {
    /// Waits until all shards have come to rest, which they were told to by mail; for so long at most.
    pub fn rested(&mut self, patience: Duration) -> Result<Vec<Rested>, String> {
        self.talk(patience, |passages| passages.iter().map(answer).collect())
    }

    /// Has each shard give what it has through a line, and waits until all of it was taken, for so long at most without any of it
    /// being taken; how many connections that were.
    pub fn give(&mut self, lines: &[impl AsFd], patience: Duration) -> Result<usize, String> {
        let given: Vec<Result<usize, Why>> = self.talk(patience, |passages| {
            for (passage, line) in passages.iter().zip(lines) {
                passage.send(&bytes(&RestOrder::Give), &[line.as_fd()]).map_err(told)?;
            }
            passages.iter().map(answer).collect()
        })?;
        given.into_iter().sum()
    }

    /// Talks to all shards. Once one of them has not answered, nobody does so again.
    fn talk<T>(
        &mut self,
        patience: Duration,
        talk: impl FnOnce(&[Parcels]) -> Result<T, Why>,
    ) -> Result<T, Why> {
        if self.is_lost {
            return Err("a shard did not answer at an earlier time: restart".to_owned());
        }
        self.passages.iter_mut().try_for_each(|passage| passage.set_patience(patience)).map_err(told)?;
        talk(&self.passages).inspect_err(|_| self.is_lost = true)
    }

    /// Has all shards that rest go on.
    pub fn stay(&self) {
        for passage in &self.passages {
            if let Err(error) = passage.send(&bytes(&RestOrder::Stay), &[]) {
                warn!(%error, "a shard cannot be told to go on");
            }
        }
    }

    /// Gives each new shard the line through which it gets what it has to go on with. Before they start.
    pub fn receive(&self, lines: Vec<OwnedFd>) -> io::Result<()> {
        self.passages.iter().zip(&lines).try_for_each(|(passage, line)| passage.send(&[], &[line.as_fd()]))
    }
}

/// A shard that is to rest comes to it, and hands over all it has, or goes on. Returns when it goes on.
pub(crate) fn part(shard: &mut Shard<Linux>, passage: &Parcels) {
    let (seats, closed) = shard.rest();
    let mut goes_on = passage.send(&bytes(&Rested { seats: seats.len(), closed }), &[]).is_err();
    while !goes_on {
        let Ok((order, files)) = passage.take() else { break };
        match (of_bytes(&order), files.into_iter().next()) {
            (Ok(RestOrder::Give), Some(line)) => {
                let given = give(shard, &seats, &Parcels::new(line));
                goes_on = passage.send(&bytes(&given), &[]).is_err();
            }
            _ => goes_on = true,
        }
    }
    for seat in seats {
        if let Err((_, error)) = shard.thaw(seat) {
            warn!(%error, "a connection is closed that could not be taken up again");
        }
    }
    shard.stay();
}

/// Gives all there is of a shard through a line.
fn give(shard: &Shard<Linux>, seats: &[Seat<OwnedFd>], line: &Parcels) -> Result<usize, Why> {
    let (own, listeners) = shard.legacy();
    let listeners: Vec<_> = listeners.map(AsFd::as_fd).collect();
    line.send(&own, &listeners).map_err(told)?;
    let mut rest = seats;
    while !rest.is_empty() {
        let mut len = 0;
        let count = rest.iter().take(PARCEL_FILES_MAX).take_while(|seat| {
            let fits = len == 0 || len + seat.bytes.len() <= SEATS_LEN_MAX;
            len += seat.bytes.len();
            fits
        });
        let (now, later) = rest.split_at(count.count());
        let all: Vec<&[u8]> = now.iter().map(|seat| &seat.bytes[..]).collect();
        let sockets: Vec<_> = now.iter().map(|seat| seat.socket.as_fd()).collect();
        line.send(&bytes(&all), &sockets).map_err(told)?;
        rest = later;
    }
    line.send(&bytes(&Vec::<&[u8]>::new()), &[]).map_err(told)?;
    answer::<Result<usize, Why>>(line)?
}

/// Takes what another program's shard knows itself, and its listeners, through the passage of the new one.
pub(crate) fn take_legacy(passage: &Parcels) -> Result<(Parcels, Vec<u8>, Vec<OwnedFd>), Why> {
    let (_, files) = passage.take().map_err(told)?;
    let line = Parcels::new(files.into_iter().next().ok_or("a shard was given no line")?);
    let (own, listeners) = line.take().map_err(told)?;
    Ok((line, own, listeners))
}

/// Takes all seats there are, and answers.
pub(crate) fn take_seats(shard: &mut Shard<Linux>, line: &Parcels) -> Result<usize, Why> {
    let taken = take_all(shard, line);
    line.send(&bytes(&taken), &[]).map_err(told)?;
    taken
}

fn take_all(shard: &mut Shard<Linux>, line: &Parcels) -> Result<usize, Why> {
    let mut count = 0;
    loop {
        let (seats, sockets) = line.take().map_err(told)?;
        let seats: Vec<Vec<u8>> = of_bytes(&seats)?;
        if seats.is_empty() {
            return Ok(count);
        }
        if seats.len() != sockets.len() {
            return Err("there are not as many sockets as connections".to_owned());
        }
        for (socket, bytes) in sockets.into_iter().zip(seats) {
            shard
                .thaw(Seat { socket, bytes })
                .map_err(|(_, why)| format!("a connection is not taken over: {why}"))?;
            count += 1;
        }
    }
}

fn answer<T: DeserializeOwned>(line: &Parcels) -> Result<T, Why> {
    of_bytes(&line.take().map_err(told)?.0)
}

fn bytes(data: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(data).expect("plain data fit a vector")
}

fn of_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Why> {
    postcard::from_bytes(bytes).map_err(|error| format!("what a shard was told cannot be read: {error}"))
}

fn told(error: io::Error) -> Why {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "a shard takes too long".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            "the other program has ended".to_owned()
        }
        _ => format!("a shard cannot hand over: {error}"),
    }
}

#[cfg(test)]
mod tests;
