//! How much each of many may have: connections at once, and requests a second. Who they are (addresses,
//! users) is the caller's business.
//!
//! Asked once a connection and once a request, never on the way of a message. The table lies in parts, each
//! with a lock of its own; nobody holds one for longer than it takes to look at one entry, but for the sweep
//! that doubling pays for.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;

use hub::Millis;

use crate::limits::{QUOTA_PARTS, QUOTA_SWEEP_MIN};
use crate::sync::{AtomicBool, AtomicU32, Mutex, MutexGuard, Ordering};

/// What each has taken of what it may.
pub struct Quotas {
    /// There from the first limit on.
    parts: OnceLock<Box<[Mutex<QuotaTables>]>>,
    hasher: RandomState,
    connections: AtomicU32,
    requests: AtomicU32,
    /// Connections were limited once, so that some may count.
    counts: AtomicBool,
}

/// What each may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Connections at once; 0: any number.
    pub connections: u32,
    /// Requests a second, as many at once after a silence; 0: any number.
    pub requests: u32,
}

/// Two tables, since those who stay are many, and those who asked in the last second few.
struct QuotaTables {
    /// Connections of whoever has some.
    connections: HashMap<Who, u32>,
    /// Until when what was taken lasts at the allowed rate, in microseconds.
    taken_us: HashMap<Who, u64>,
    /// At so many of these those that remember nothing are thrown away.
    sweep_at: usize,
}

impl Quota {
    /// Whether anything is limited.
    pub fn limits(self) -> bool {
        self != Self::default()
    }
}

/// Somebody, by a keyed hash of 64 bits: strangers can find no two that are alike, and among a million there are any by a
/// chance of one in 37 million. In bytes, so that beside a number of 32 bits it takes 12 of them.
type Who = [u8; 8];

impl Quotas {
    /// A table in which each may have `most`.
    pub fn new(most: Quota) -> Self {
        let this = Self {
            parts: OnceLock::new(),
            hasher: RandomState::new(),
            connections: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            counts: AtomicBool::new(false),
        };
        this.set(most);
        this
    }

    /// From now on each may have this. Connections that came while none were limited do not count.
    pub fn set(&self, most: Quota) {
        if most.connections > 0 {
            self.counts.store(true, Ordering::Relaxed);
        }
        self.connections.store(most.connections, Ordering::Relaxed);
        self.requests.store(most.requests, Ordering::Relaxed);
    }

    /// What each may have.
    pub fn most(&self) -> Quota {
        Quota {
            connections: self.connections.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
        }
    }

    /// One more connection; false: it has as many as it may, and this one does not count.
    pub fn enter(&self, who: &(impl Hash + ?Sized)) -> bool {
        let most = self.connections.load(Ordering::Relaxed);
        if most == 0 {
            return true;
        }
        let (who, mut part) = self.part(who);
        let count = part.connections.entry(who).or_default();
        let fits = *count < most;
        *count += u32::from(fits);
        fits
    }

    /// One more connection, which was let in by another program, however many it has.
    pub fn enter_anyway(&self, who: &(impl Hash + ?Sized)) {
        if self.counts.load(Ordering::Relaxed) {
            let (who, mut part) = self.part(who);
            *part.connections.entry(who).or_default() += 1;
        }
    }

    /// One connection that entered has ended.
    pub fn leave(&self, who: &(impl Hash + ?Sized)) {
        if !self.counts.load(Ordering::Relaxed) {
            return;
        }
        let (who, mut part) = self.part(who);
        let Some(count) = part.connections.get_mut(&who) else { return };
        *count -= 1;
        if *count == 0 {
            part.connections.remove(&who);
            shrink(&mut part.connections);
        }
    }

    /// One more request; the error is after how many seconds it may come again.
    pub fn ask(&self, who: &(impl Hash + ?Sized), now: Millis) -> Result<(), u32> {
        self.ask_many(who, 1, now)
    }

    /// One that counts for so many. Where that is more than a second has, it is taken after a silence, and longer silence
    /// follows.
    pub fn ask_many(&self, who: &(impl Hash + ?Sized), count: u32, now: Millis) -> Result<(), u32> {
        let most = self.requests.load(Ordering::Relaxed);
        if most == 0 {
            return Ok(());
        }
        let each_us = SECOND_US / u64::from(most) * u64::from(count);
        let (who, mut part) = self.part(who);
        part.sweep(now);
        let taken_us = part.taken_us.entry(who).or_default();
        let now_us = now.saturating_mul(1_000);
        let next = (*taken_us).max(now_us) + each_us;
        let over_us = next.saturating_sub(now_us + SECOND_US.max(each_us));
        if over_us > 0 {
            return Err(u32::try_from(over_us.div_ceil(SECOND_US)).unwrap_or(u32::MAX));
        }
        *taken_us = next;
        Ok(())
    }

    /// How many are remembered now: those who have connections, and those who asked lately, each.
    pub fn len(&self) -> usize {
        let count = |part: MutexGuard<'_, QuotaTables>| part.connections.len() + part.taken_us.len();
        self.parts.get().into_iter().flatten().map(|part| count(lock(part))).sum()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who it is here, and the part with the entries.
    fn part(&self, who: &(impl Hash + ?Sized)) -> (Who, MutexGuard<'_, QuotaTables>) {
        let hash = self.hasher.hash_one(who);
        let number = usize::try_from(hash % QUOTA_PARTS as u64).unwrap_or_default();
        let part = || {
            let (connections, taken_us) = Default::default();
            Mutex::new(QuotaTables { connections, taken_us, sweep_at: QUOTA_SWEEP_MIN })
        };
        let parts = self.parts.get_or_init(|| (0..QUOTA_PARTS).map(|_| part()).collect());
        (hash.to_ne_bytes(), lock(&parts[number]))
    }
}

impl QuotaTables {
    /// Forgets whoever took nothing lately, when the table has grown to twice what was left of it.
    fn sweep(&mut self, now: Millis) {
        if self.taken_us.len() < self.sweep_at {
            return;
        }
        self.taken_us.retain(|_, taken_us| *taken_us > now.saturating_mul(1_000));
        self.sweep_at = QUOTA_SWEEP_MIN.max(2 * self.taken_us.len());
        shrink(&mut self.taken_us);
    }
}

/// Gives back what a crowd needed that has left.
fn shrink<V>(table: &mut HashMap<Who, V>) {
    let len = table.len().max(QUOTA_SWEEP_MIN);
    if table.capacity() > 8 * len {
        table.shrink_to(2 * len);
    }
}

fn lock(part: &Mutex<QuotaTables>) -> MutexGuard<'_, QuotaTables> {
    part.lock().expect("nothing panics while it holds a part")
}

const SECOND_US: u64 = 1_000_000;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn quotas(connections: u32, requests: u32) -> Quotas {
        Quotas::new(Quota { connections, requests })
    }

    #[test]
    fn each_has_so_many_connections() {
        let quotas = quotas(2, 0);
        assert!(quotas.enter("a") && quotas.enter("a") && !quotas.enter("a"));
        assert!(quotas.enter("b"), "another one has its own");
        quotas.leave("a");
        assert!(quotas.enter("a") && !quotas.enter("a"));
        for who in ["a", "a", "b", "c"] {
            quotas.leave(who);
        }
        assert!(quotas.is_empty(), "who has nothing is forgotten");
    }

    #[test]
    fn another_limit_counts_at_once_and_nothing_is_left_of_one_that_is_gone() {
        let quotas = quotas(0, 0);
        assert!(quotas.enter("early") && quotas.ask("a", 0).is_ok() && quotas.is_empty());
        quotas.set(Quota { connections: 1, requests: 1 });
        assert!(quotas.enter("a") && !quotas.enter("a"));
        assert!(quotas.ask("a", 5_000).is_ok() && quotas.ask("a", 5_000).is_err());
        quotas.set(Quota { connections: 2, requests: 0 });
        assert!(quotas.enter("a") && !quotas.enter("a") && quotas.ask("a", 5_000).is_ok());
        quotas.set(Quota::default());
        assert!(quotas.enter("a"));
        (0..3).for_each(|_| quotas.leave("a"));
        quotas.leave("early");
        quotas.set(Quota { connections: 1, requests: 0 });
        assert!(quotas.enter("a") && !quotas.enter("a"), "who has left counts no longer");
    }

    #[test]
    fn each_has_so_many_requests_a_second() {
        let quotas = quotas(0, 10);
        let taken = |who, now, tries: usize| (0..tries).filter(|_| quotas.ask(who, now).is_ok()).count();
        assert_eq!((taken("a", 1_000, 100), taken("a", 1_099, 5), taken("a", 1_100, 5)), (10, 0, 1));
        assert_eq!(taken("b", 1_100, 100), 10);
        assert_eq!(taken("a", 60_000, 100), 10);
        assert_eq!(quotas.ask("a", 60_000), Err(1));
    }

    #[test]
    fn a_request_may_count_for_many() {
        let quotas = quotas(0, 10);
        let taken = |count, now| quotas.ask_many("a", count, now).is_ok();
        assert!(taken(6, 1_000) && !taken(6, 1_000) && taken(4, 1_000) && !taken(1, 1_000));
        assert!(!taken(6, 1_500) && taken(5, 1_500));
        assert!(!taken(25, 2_000) && taken(25, 9_000), "more than a second has comes after a silence");
        assert!(!taken(1, 10_500) && taken(1, 10_600), "and is paid for");
    }

    #[test]
    fn one_request_a_second_comes_every_second() {
        let quotas = quotas(0, 1);
        assert_eq!(
            (quotas.ask("a", 0), quotas.ask("a", 500), quotas.ask("a", 1_000)),
            (Ok(()), Err(1), Ok(()))
        );
    }

    #[test]
    fn a_crowd_that_left_leaves_no_room_behind() {
        let quotas = Quotas::new(Quota { connections: 5, requests: 0 });
        (0..100_000).for_each(|who| assert!(quotas.enter(&who)));
        (0..100_000).for_each(|who| quotas.leave(&who));
        let kept: usize =
            quotas.parts.get().into_iter().flatten().map(|part| lock(part).connections.capacity()).sum();
        assert!(quotas.is_empty() && kept <= QUOTA_PARTS * 8 * QUOTA_SWEEP_MIN, "{kept}");
    }

    #[test]
    fn without_limits_nothing_is_remembered() {
        let quotas = quotas(0, 0);
        assert!((0..1_000).all(|_| quotas.enter("a") && quotas.ask("a", 0).is_ok()));
        quotas.leave("a");
        assert!(quotas.is_empty() && !quotas.most().limits());
    }

    #[test]
    fn a_crowd_of_strangers_does_not_stay() {
        let quotas = Quotas::new(Quota { connections: 0, requests: 5 });
        let rounds = 20 * QUOTA_PARTS * QUOTA_SWEEP_MIN;
        for stranger in 0..rounds {
            let second = (stranger / (QUOTA_PARTS * QUOTA_SWEEP_MIN)) as u64;
            quotas.ask(&stranger, second * 10_000).expect("each comes once");
        }
        assert!(quotas.len() < rounds / 4, "{} of {rounds} are remembered", quotas.len());
    }
}
