//! What the program begins with in memory: nothing, what a store knows, or what another program leaves.

use std::io;
use std::sync::Arc;

use anyhow::Context;
use exchange::hub::{Epoch, volatile_mark};
use exchange::{Clock, Exchange, Immediate, Wake};
use rustix::rand::{GetRandomFlags, getrandom};
use settings::{Settings, shares};

use crate::store::OpenStore;
use crate::upgrade::Predecessor;

/// An exchange, and the store behind it, where one is set; or what another program leaves.
pub(super) fn exchange(
    settings: &Settings,
    wakers: &[Arc<wait::Waker>],
    predecessor: Option<&Predecessor>,
) -> anyhow::Result<(Exchange, Option<OpenStore>)> {
    let wakers = wakers.iter().map(|waker| Arc::clone(waker) as Arc<dyn Wake>).collect();
    let shares = shares(&settings.shares);
    if let Some(predecessor) = predecessor {
        let limits = settings.hub.clone();
        let thawed =
            predecessor.take(|pieces| Exchange::thaw(limits, shares, Box::new(Immediate), wakers, pieces))?;
        return Ok((thawed, None));
    }
    let numbers = || random().context("the system gives no random numbers");
    let (limits, random, seed) = (settings.hub.clone(), numbers()?, numbers()?);
    let key = random_bytes().context("the system gives no random numbers")?;
    let Some(store) = &settings.store else {
        let exchange =
            Exchange::new(limits, Epoch::new(random), seed, Clock::system(), Box::new(Immediate), wakers);
        return Ok((exchange.with_connection_key(key).with_shares(shares), None));
    };
    let volatile = volatile_mark(&limits.rules);
    let (open_store, past) = OpenStore::open(store, volatile, settings.in_line.idempotency_age, random)?;
    let clock = Clock::system_after(past.time());
    let epoch = Epoch::new(open_store.epoch());
    let reserved = open_store.reserved();
    let exchange = Exchange::again(limits, epoch, seed, clock, open_store.journal(), wakers, past, reserved);
    Ok((exchange.with_connection_key(key).with_shares(shares), Some(open_store)))
}

/// A random number of the system.
pub(super) fn random() -> io::Result<u64> {
    random_bytes().map(u64::from_ne_bytes)
}

/// Few random bytes of the system.
fn random_bytes<const LEN: usize>() -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    // So few bytes come whole or not at all.
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(bytes)
}
