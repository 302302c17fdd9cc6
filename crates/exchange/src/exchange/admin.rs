//! The port of the administration: what is known of channels and changes, what shards are told to do, what is due. Nobody
//! is registered by it.

use std::sync::Arc;

use hub::limits::SCAN_STEP_MAX;
use hub::{
    Before, Changes, ChannelInfo, Limits, OlderPage, Page, Position, Present, PresentPage, ShardId, Stage,
    Start, Totals, UserEnd, UserName,
};

use super::Exchange;
use crate::limits::{RULE_STEPS_MAX, TICK_STEPS_MAX};
use crate::sync::Ordering;
use crate::{MailboxLoad, Measured, Order, Ticket, Unstored};

/// What the program looks at and looks after.
#[derive(Clone, Copy)]
pub struct Admin<'a> {
    pub(super) exchange: &'a Exchange,
}

impl Admin<'_> {
    /// Some of the users of a channel, behind this name in their order, so many at the most, and the place at which that is
    /// true.
    pub fn present(&self, name: &str, after: Option<&str>, limit: usize) -> (PresentPage, Position) {
        self.exchange.with(|hub, _| hub.present(name, after, limit))
    }

    /// Some of the users who have any connection at all, where they are followed: see [`hub::Hub::all_users`].
    pub fn all_users(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<Present>, Option<UserName>, Position) {
        self.exchange.with(|hub, _| hub.all_users(prefix, after, limit))
    }

    /// Reads history without registering; `None` when nothing is known of the channel.
    pub fn history(&self, name: &str, start: Start, limit: usize) -> Option<Page> {
        self.exchange.with(|hub, now| hub.history(name, start, limit, now))
    }

    /// Reads a page of what was said before, `limit` messages at the most.
    pub fn older(&self, name: &str, before: Before, limit: usize) -> OlderPage {
        loop {
            if let Some(page) = self.exchange.with(|hub, now| hub.try_older(name, before, limit, now)) {
                return page;
            }
        }
    }

    /// One channel, if it is remembered.
    pub fn channel(&self, name: &str) -> Option<ChannelInfo> {
        self.exchange.with(|hub, _| hub.channel(name))
    }

    /// All channels that pass; the lock is free between steps, so this is no snapshot.
    pub fn channels(&self, pass: &dyn Fn(&str, bool) -> bool, mut take: impl FnMut(&mut Vec<ChannelInfo>)) {
        let (mut from, mut found) = (0, Vec::with_capacity(SCAN_STEP_MAX));
        loop {
            let next = self.exchange.with(|hub, _| hub.scan(from, pass, &mut found));
            take(&mut found);
            found.clear();
            match next {
                Some(next) => from = next,
                None => return,
            }
        }
    }

    /// Changes of online and offline after the start.
    pub fn changes(&self, start: Start, limit: usize) -> Changes {
        self.exchange.with(|hub, _| hub.changes(start, limit))
    }

    /// How many changes of online and offline are kept.
    pub fn changes_kept(&self) -> usize {
        self.exchange.with(|hub, _| hub.changes_kept())
    }

    /// Channels of whose history time has left nothing since this was last called; see [`hub::Hub::outlived`].
    pub fn outlived(&self) -> Vec<Arc<str>> {
        self.exchange.with(|hub, _| hub.outlived())
    }

    /// Sums over all channels.
    pub fn totals(&self) -> Totals {
        self.exchange.with(|hub, _| hub.totals())
    }

    /// A store is to keep that the application ended a user. The ticket is for [`Self::is_kept`]; `None`: there is no store.
    pub fn keep_user_end(&self, end: UserEnd) -> Option<Ticket> {
        let journal = self.exchange.journal()?;
        self.exchange.with(|hub, _| hub.note_user_end(end));
        Some(journal.ticket())
    }

    /// Whether a store has kept what was told it before the ticket was given; or why it did not. `None`: not yet.
    pub fn is_kept(&self, ticket: Ticket) -> Option<Result<(), Unstored>> {
        self.exchange.journal().map_or(Some(Ok(())), |journal| journal.look(ticket))
    }

    /// How much a shard owes.
    pub fn load(&self, shard: ShardId) -> MailboxLoad {
        self.exchange.mailbox(shard).load()
    }

    /// How long messages take, and what keeps them.
    pub fn measured(&self) -> Measured {
        Measured::of(&self.exchange.timing, &self.exchange.shard_timing)
    }

    /// Puts an order into every mailbox. False when one had no room left even in its reserve.
    pub fn order_all(&self, order: &Order) -> bool {
        // One that is full keeps the order from no other.
        let mut all = true;
        for mailbox in &self.exchange.mailboxes {
            all &= mailbox.order(order.clone());
            mailbox.ring();
        }
        all
    }

    /// Does what is due in the hub. To be called a few times a second.
    pub fn tick(&self) {
        self.exchange.returns.sweep(self.exchange.now());
        self.exchange.ended_users.tick(self.exchange.wall());
        for _ in 0..TICK_STEPS_MAX {
            if !self.exchange.with(|hub, now| hub.tick(now)) {
                return;
            }
        }
    }

    /// Whether every mailbox takes more orders.
    pub fn takes_orders(&self) -> bool {
        self.exchange.publisher().takes_orders()
    }

    /// Other limits hold from now on, as [`hub::Hub::set_limits`] says. Of many channels, some go over to them with the ticks
    /// that follow.
    pub fn set_limits(&self, limits: Limits) {
        let rules = self.exchange.with(|hub, _| {
            hub.set_limits(limits);
            hub.rules()
        });
        self.exchange.limits_payloads.store(rules.limits_payloads(), Ordering::Relaxed);
        *self.exchange.rules.write().expect("nothing panics while it holds the rules") = rules;
        for _ in 0..RULE_STEPS_MAX {
            if !self.exchange.with(|hub, now| hub.go_over(now)) {
                return;
            }
        }
    }

    /// From now on the program is there in its life. Both lines say so to whoever asks, and in their answers.
    pub fn set_stage(&self, stage: Stage) {
        self.exchange.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Wakes those who follow and wait for what was told: something was written to their notifier.
    pub fn wake_followers(&self) {
        self.exchange.followers.wake();
    }

    /// Wakes all who follow, for another reason to look.
    pub fn wake_all_followers(&self) {
        self.exchange.followers.wake_all();
    }

    /// To be asked when followers had their pause. True: they are to be woken again; false: the next change is written to
    /// their notifier.
    pub fn followers_go_on(&self) -> bool {
        self.exchange.followers.go_on()
    }
}
