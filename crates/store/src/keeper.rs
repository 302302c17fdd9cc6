//! Keeps what the exchange tells: takes facts, appends them, syncs as is set, commits. The loop of the store's
//! thread, one turn at a time, so that a simulation can turn it too.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use exchange::hub::{Fact, Millis, Position};
use exchange::{Exchange, Journal, Taken, Unstored};
use tracing::{error, info, warn};

use crate::disk::Disk;
use crate::limits::{RETRY_EVERY, SYNC_EVERY, WRITE_LEN, millis};
use crate::log::{Batch, Log, Sync};
use crate::stats::Stats;
use crate::tidy::Tidy;

/// The store at work.
pub struct Keeper<D> {
    log: Log<D>,
    journal: Arc<Journal>,
    stats: Arc<Stats>,
    facts: Vec<Fact>,
    batch: Batch,
    /// How long keys are needed.
    keys_age: Millis,
    /// When it was synced last, by the exchange's clock.
    synced_at: Millis,
    /// The disk failed then.
    failed_at: Option<Millis>,
    tidy: Option<Tidy>,
}

impl<D: Disk> Keeper<D> {
    /// A store that keeps what comes through this journal.
    pub fn new(log: Log<D>, journal: Arc<Journal>, keys_age: Millis, stats: Arc<Stats>) -> Self {
        Self {
            log,
            journal,
            stats,
            facts: Vec::new(),
            batch: Batch::default(),
            keys_age,
            synced_at: 0,
            failed_at: None,
            tidy: None,
        }
    }

    /// Runs until the journal ends, which is the end in good order.
    pub fn run(mut self, exchange: &Exchange) {
        while self.turn(exchange, SYNC_EVERY) {}
    }

    /// Does what there is to do; waits for something for so long at the most. False: it has ended.
    pub fn turn(&mut self, exchange: &Exchange, patience: Duration) -> bool {
        let patience = if self.tidy.is_some() { Duration::ZERO } else { patience };
        let taken = self.journal.take(&mut self.facts, patience);
        let kept = self.keep(exchange, taken);
        if let Err(error) = kept {
            self.fail(exchange, &error);
        }
        if taken.ended {
            self.end(exchange);
            return false;
        }
        if self.failed_at.is_some() {
            self.retry(exchange);
        } else if let Err(error) = self.look_after(exchange) {
            self.fail(exchange, &error);
        }
        self.stats.look(&self.log, self.failed_at.is_some());
        true
    }

    /// Ends now, in good order.
    pub fn end_now(&mut self, exchange: &Exchange) {
        self.journal.end();
        while self.turn(exchange, Duration::ZERO) {}
    }

    /// Appends what was taken, in pieces, and commits all of it.
    fn keep(&mut self, exchange: &Exchange, taken: Taken) -> io::Result<()> {
        if self.facts.is_empty() {
            return Ok(());
        }
        if self.failed_at.is_some() {
            // It was put in while the failure was told of; nothing waits for it.
            self.facts.clear();
            return Ok(());
        }
        if exchange.store().leaves_out_changes() {
            self.log.leave_out_changes()?;
        }
        for fact in self.facts.drain(..) {
            self.batch.add_fact(&fact);
            if self.batch.len() >= WRITE_LEN {
                self.log.append(&mut self.batch)?;
                self.batch.clear();
            }
        }
        if !self.batch.is_empty() {
            self.log.append(&mut self.batch)?;
            self.batch.clear();
        }
        if self.log.options().sync == Sync::Always {
            self.log.sync()?;
        }
        self.log.settle();
        self.stats.committed();
        exchange.store().kept(taken);
        Ok(())
    }

    /// What is due beside the facts.
    fn look_after(&mut self, exchange: &Exchange) -> io::Result<()> {
        let now = exchange.now();
        if self.log.options().sync == Sync::Interval && now >= self.synced_at + millis(SYNC_EVERY) {
            self.log.sync()?;
            self.synced_at = now;
        }
        let reserved = self.log.reserved();
        self.log.reserve(exchange.store().last_given())?;
        if self.log.reserved() > reserved {
            exchange.store().reserved(self.log.reserved());
        }
        if self.tidy.is_none() {
            self.tidy = self.log.to_tidy(now)?.map(Tidy::new);
        }
        if let Some(tidy) = &mut self.tidy
            && tidy.step(&mut self.log, exchange, now, self.keys_age)?
        {
            self.tidy = None;
        }
        Ok(())
    }

    /// The disk does not take it. Nothing that waits will be kept; everybody is told.
    fn fail(&mut self, exchange: &Exchange, error: &io::Error) {
        let why = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Unstored::Full
            }
            _ => Unstored::Broken,
        };
        self.facts.clear();
        self.batch.clear();
        self.tidy = None;
        self.log.undo();
        if self.failed_at.is_none() {
            error!(%error, "the store's disk does not take what is published; it is refused until the disk does");
            if let Err(error) = self.log.leave_out_changes() {
                warn!(%error, "the store could not note that it leaves out changes of presence");
            }
        }
        self.failed_at = Some(exchange.now());
        self.stats.failed();
        exchange.store().fails(why);
    }

    /// Tries the disk again, once in a while.
    fn retry(&mut self, exchange: &Exchange) {
        let now = exchange.now();
        if self.failed_at.is_none_or(|at| now < at + millis(RETRY_EVERY)) {
            return;
        }
        self.failed_at = Some(now);
        // What is known behind it is whole again: facts are taken from here on, and changes up to here are lost.
        let tried = self
            .log
            .begin_segment()
            .and_then(|()| self.lose_changes(exchange, exchange.store().last_given()));
        if tried.is_err() {
            return;
        }
        let last = exchange.store().recovers();
        self.failed_at = None;
        match self.lose_changes(exchange, last) {
            Ok(()) => info!("the store's disk takes what is published again"),
            Err(error) => self.fail(exchange, &error),
        }
    }

    /// Notes that changes up to a place may be missing.
    fn lose_changes(&mut self, exchange: &Exchange, up_to: Position) -> io::Result<()> {
        self.log.changes_lost(up_to, exchange.store().leaves_out_changes())
    }

    fn end(&mut self, exchange: &Exchange) {
        if let Err(error) = self.log.end(exchange.store().last_given()) {
            error!(%error, "the store could not end in good order; the next start will put it right");
        }
    }
}
