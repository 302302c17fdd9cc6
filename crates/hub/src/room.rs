//! How much room the records of channels take, and whose they are.
//!
//! A record is there for somebody: for publishers, once somebody published to its channel; for those who wait on it;
//! or for nobody any more, while the grace lasts. What is there for nobody goes first where room is wanted, what
//! somebody waits on never does. So the waiting may not have all of it: publishers keep a reserve, and where less than
//! half of the rest is left, each of those who come then (an address, or a connection where an address is many people)
//! may have as much of it as is left for all others.
//!
//! Shares are counted in a table of fixed size by a keyed hash, so that a record needs two bytes for whose it is, and
//! nothing here grows with those who ask. Who falls into one place together has one share.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

use serde::{Deserialize, Serialize};

use crate::limits::PUBLISHERS_PART;
use crate::{Asker, Refused, Session, ShardId};

/// Somebody who waits, as a shard knows him.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest<'a> {
    /// The shard that he waits in.
    pub shard: ShardId,
    /// Whose share it is, if there is little room for names that nobody knows yet; `None`: it was not looked at, since
    /// there is plenty.
    pub asker: Option<Asker>,
    /// Whether he waits at all.
    pub stay: Stay,
    /// Who he is, where he has shown it.
    pub session: Option<&'a Session>,
}

/// Whether somebody waits once he has read what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// Yes.
    Always,
    /// If there is nothing for him: long polls.
    IfNothing,
    /// No.
    Never,
}

impl From<ShardId> for Guest<'_> {
    /// Somebody who stays, in nobody's name.
    fn from(shard: ShardId) -> Self {
        Self { shard, asker: None, stay: Stay::Always, session: None }
    }
}

/// For whom a record is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder(u16);

impl Holder {
    /// For publishers: somebody published to the channel, or an administrator named it, or a store knows it.
    pub(crate) const PUBLIC: Self = Self(u16::MAX);
    /// For nobody: it was only waited on, and nobody does any more.
    pub(crate) const PASSING: Self = Self(u16::MAX - 1);
    /// For somebody who came while there was plenty of room. All below this are shares.
    pub(crate) const EARLY: Self = Self(u16::MAX - 2);

    pub(crate) fn is_public(self) -> bool {
        self == Self::PUBLIC
    }

    pub(crate) fn is_passing(self) -> bool {
        self == Self::PASSING
    }

    /// The place of its share in the table.
    fn share(self) -> Option<usize> {
        (self.0 < Self::EARLY.0).then_some(usize::from(self.0))
    }
}

/// The room for records, in bytes.
pub(crate) struct Room {
    budget: u64,
    /// Of all records.
    used: u64,
    /// Of those that are there for nobody.
    passing: u64,
    /// Of those that came when there was little room, by share; empty before the first.
    shares: Vec<u64>,
    seed: u64,
    shared: SharedSeed,
}

impl Room {
    /// Room for records of so many bytes. `seed` keys the table of shares.
    pub(crate) fn new(budget: u64, seed: u64) -> Self {
        let shared = SharedSeed::from_u64(seed);
        Self { budget, used: 0, passing: 0, shares: Vec::new(), seed, shared }
    }

    /// So many bytes more are there for this holder.
    pub(crate) fn add(&mut self, holder: Holder, len: u64) {
        self.used += len;
        if holder.is_passing() {
            self.passing += len;
        }
        if let Some(share) = holder.share() {
            if self.shares.is_empty() {
                self.shares = vec![0; usize::from(Holder::EARLY.0)];
            }
            self.shares[share] += len;
        }
    }

    /// So many bytes fewer.
    pub(crate) fn sub(&mut self, holder: Holder, len: u64) {
        self.used -= len;
        if holder.is_passing() {
            self.passing -= len;
        }
        if let Some(share) = holder.share() {
            self.shares[share] -= len;
        }
    }

    /// Bytes of all records.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Bytes of those that are there for somebody.
    pub(crate) fn kept(&self) -> u64 {
        self.used - self.passing
    }

    /// What may be used in all by records that are made for this holder.
    pub(crate) fn max(&self, holder: Holder) -> u64 {
        let reserve = if holder.is_public() { 0 } else { self.budget / PUBLISHERS_PART };
        self.budget - reserve
    }

    /// Whether so little is left for those who come to wait that it matters who they are.
    pub(crate) fn is_little(&self) -> bool {
        self.kept() > self.max(Holder::EARLY) / 2
    }

    /// For whom the records are that somebody needs now.
    #[allow(clippy::cast_possible_truncation, reason = "the remainder is below 16 bits")]
    pub(crate) fn holder(&self, asker: Option<Asker>) -> Holder {
        let Some(asker) = asker.filter(|_| self.is_little()) else { return Holder::EARLY };
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        asker.hash(&mut hasher);
        Holder((hasher.finish() % u64::from(Holder::EARLY.0)) as u16)
    }

    /// So many bytes that are left for those who come to wait, if what is there for nobody goes.
    pub(crate) fn left(&self) -> u64 {
        self.max(Holder::EARLY).saturating_sub(self.kept())
    }

    /// Whether so many bytes more may be had by a holder who waits.
    pub(crate) fn takes(&self, holder: Holder, len: u64) -> Result<(), Refused> {
        let left = self.left();
        if len > left {
            return Err(Refused::Records);
        }
        match holder.share().and_then(|share| self.shares.get(share)) {
            Some(has) if has + len > left => Err(Refused::Share),
            _ => Ok(()),
        }
    }

    /// Checks the sums against the records': holders, and what each record takes.
    pub(crate) fn audit(&self, records: impl Iterator<Item = (Holder, u64)>) {
        let (mut used, mut passing, mut shares) = (0, 0, BTreeMap::<usize, u64>::new());
        for (holder, len) in records {
            used += len;
            passing += if holder.is_passing() { len } else { 0 };
            holder.share().into_iter().for_each(|share| *shares.entry(share).or_default() += len);
        }
        assert_eq!((self.used, self.passing), (used, passing));
        assert!(
            shares.iter().all(|(share, has)| self.shares[*share] == *has),
            "a share is what its records take"
        );
        if shares.is_empty() {
            assert!(self.shares.iter().all(|has| *has == 0), "who has nothing has none of it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_may_have_as_much_as_is_left_for_all_others() {
        let mut room = Room::new(1_600, 7);
        assert_eq!(room.max(Holder::PUBLIC) - room.max(Holder::EARLY), 200, "the reserve of publishers");
        room.add(Holder::EARLY, 700);
        assert_eq!(room.holder(Some(Asker::Address(1))), Holder::EARLY, "half of it is left");
        room.add(Holder::PUBLIC, 100);
        let (one, other) = (room.holder(Some(Asker::Address(1))), room.holder(Some(Asker::Connection(0, 1))));
        assert!(one.share().is_some() && one != other);
        let has = (0..)
            .take_while(|_| {
                room.takes(one, 10).is_ok() && {
                    room.add(one, 10);
                    true
                }
            })
            .count();
        assert_eq!((has, room.takes(one, 10)), (30, Err(Refused::Share)), "half of what was left");
        assert!(room.takes(other, 300).is_ok());
        assert_eq!(room.takes(other, 310), Err(Refused::Records));
        room.sub(one, 300);
        room.add(Holder::PASSING, 300);
        assert!(room.takes(one, 300).is_ok(), "what is there for nobody is left for all");
    }
}
