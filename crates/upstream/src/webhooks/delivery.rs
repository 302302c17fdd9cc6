//! What one webhook is owed and how it is brought there: batches, each the same until it is taken, with pauses that grow.
//!
//! Pure: time is an argument. Who makes the calls says what came of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use exchange::hub::{Cursors, Millis, Position};
use tokio::time::Instant;

use super::batch::{Bookmark, EventBatch, Noted, body_of};
use super::event::WebhookEvent;
use super::left_out::LeftOut;
use super::settings::{Scope, Webhook};
use super::trouble::{CallOutcome, Trouble};
use crate::limits::{WEBHOOK_BATCH_DELAY, WEBHOOK_BATCH_EVENTS_MAX, WEBHOOK_BATCH_LEN_MAX};

/// One webhook, and what it is owed.
#[derive(Debug)]
pub(super) struct WebhookQueue {
    pub(super) hook: Webhook,
    queue: VecDeque<Arc<WebhookEvent>>,
    /// Of the queue.
    bytes: usize,
    /// When the first of the queue came there.
    since: Option<Instant>,
    /// Something it was owed is gone, and it is to be told so.
    gap: bool,
    /// Up to here it is owed nothing.
    pub(super) taken: Position,
    /// Its first batch after a restart ends where this one ended, which may have reached it.
    until: Option<Noted>,
    batch: Option<Arc<EventBatch>>,
    /// A store knows which events are in the batch.
    pub(super) noted: bool,
    /// There was no room while the batch was being sent: should it not be taken, it is left out.
    is_overrun: bool,
    pub(super) left_out: LeftOut,
    phase: DeliveryPhase,
    trouble: Trouble,
    pub(super) counts: DeliveryCounts,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeliveryPhase {
    Ready,
    Calling,
    /// Until then nobody is called.
    Pausing(Instant),
    /// It said that it is gone.
    Stopped,
}

/// What is counted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct DeliveryCounts {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) taken: u64,
    pub(super) lost: u64,
    pub(super) gaps: u64,
}

/// What follows from what became of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextCall {
    /// It is owed less than before.
    Moved,
    /// It is tried again.
    Again,
    /// It was given up: the next call tells a gap.
    GivenUp,
    /// It gets no more calls.
    Stopped,
}

impl WebhookQueue {
    /// One that is owed all from its bookmark on, which was made for this scope, and told of what it lacks if that is narrower
    /// than its own; without one all from `end` on, and told that it may have missed something.
    pub(super) fn new(hook: Webhook, noted: Option<(Bookmark, Option<Scope>)>, end: Position) -> Self {
        let own = hook.scope();
        let all = || (Bookmark { after: end, to: end, gap: true }, Some(own.clone()));
        let (Bookmark { after, to, gap }, scope) = noted.unwrap_or_else(all);
        let scope = scope.unwrap_or_else(Scope::nothing);
        let until = (to > after).then(|| Noted { to, gap, scope: scope.common(&own) });
        let mut delivery = Self {
            hook,
            queue: VecDeque::new(),
            bytes: 0,
            since: None,
            gap: gap && until.is_none(),
            taken: after,
            until,
            batch: None,
            noted: false,
            is_overrun: false,
            left_out: LeftOut::default(),
            phase: DeliveryPhase::Ready,
            trouble: Trouble::default(),
            counts: DeliveryCounts::default(),
        };
        if !scope.covers(&own) {
            delivery.lose();
        }
        delivery
    }

    /// It is set anew under its name. One that was stopped begins again here; one that is told of more than before lacks what was
    /// before.
    pub(super) fn renew(&mut self, hook: Webhook, end: Position) {
        if !self.hook.scope().covers(&hook.scope()) {
            self.lose();
        }
        self.until.iter_mut().for_each(|noted| noted.scope = noted.scope.common(&hook.scope()));
        if self.phase == DeliveryPhase::Stopped {
            (self.phase, self.taken, self.until, self.gap) = (DeliveryPhase::Ready, end, None, true);
        }
        if self.hook != hook {
            self.trouble = Trouble::default();
            if let DeliveryPhase::Pausing(_) = self.phase {
                self.phase = DeliveryPhase::Ready;
            }
        }
        self.hook = hook;
    }

    /// One more event for it. What has no room in so many bytes is left out from the oldest on: that is the batch which waits to be
    /// sent again, if there is one.
    pub(super) fn push(&mut self, event: &Arc<WebhookEvent>, now: Instant, backlog_max: usize) {
        if self.phase == DeliveryPhase::Stopped || event.at <= self.taken {
            return;
        }
        self.bytes += event.cost();
        self.queue.push_back(Arc::clone(event));
        self.since.get_or_insert(now);
        while self.bytes > backlog_max && !self.queue.is_empty() {
            self.leave_out();
        }
    }

    /// What is oldest is left out.
    fn leave_out(&mut self) {
        let from = self.bookmark().after;
        if self.phase == DeliveryPhase::Calling {
            self.is_overrun = true;
        } else if self.batch.is_some() {
            self.give_up();
        }
        // One that may have been taken before a restart cannot be as it was any more.
        self.until = None;
        let Some(oldest) = self.queue.pop_front() else { return };
        self.bytes -= oldest.cost();
        self.counts.lost += 1;
        self.taken = oldest.at;
        self.left_out.add(from, oldest.at);
        self.lose();
    }

    /// Something that it was owed is gone, or may be.
    pub(super) fn lose(&mut self) {
        if self.phase != DeliveryPhase::Stopped && !self.gap {
            self.gap = true;
            self.counts.gaps += 1;
        }
    }

    /// The batch to be sent now, if it is time, and whether a store knows it. `read`: up to where all events are in the queue.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        read: Position,
        cursors: Cursors,
    ) -> Option<(Arc<EventBatch>, bool)> {
        if self.due(now).is_none_or(|due| due > now) {
            return None;
        }
        if self.batch.is_none() {
            self.batch = self.form(read, cursors).map(Arc::new);
        }
        let batch = Arc::clone(self.batch.as_ref()?);
        self.phase = DeliveryPhase::Calling;
        self.counts.calls += 1;
        Some((batch, self.noted))
    }

    /// When something is to be sent, now if at once; `None`: not before something else happens.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let ready = match self.phase {
            DeliveryPhase::Ready => None,
            DeliveryPhase::Pausing(until) => Some(until),
            DeliveryPhase::Calling | DeliveryPhase::Stopped => return None,
        };
        let is_full = self.queue.len() >= WEBHOOK_BATCH_EVENTS_MAX || self.bytes >= WEBHOOK_BATCH_LEN_MAX;
        let since = self.since.map(|since| if is_full { since } else { since + WEBHOOK_BATCH_DELAY });
        let owed = match (&self.batch, since) {
            (Some(_), _) => None,
            (None, Some(since)) => Some(since),
            // A gap alone is told at once.
            (None, None) if self.gap || self.until.is_some() => None,
            (None, None) => return None,
        };
        ready.into_iter().chain(owed).max().or(Some(now))
    }

    /// What became of the call.
    pub(super) fn called(
        &mut self,
        outcome: &CallOutcome,
        now: Instant,
        order: Millis,
        retry: Duration,
        random: u64,
    ) -> NextCall {
        self.phase = DeliveryPhase::Ready;
        let is_overrun = std::mem::take(&mut self.is_overrun);
        let is_old = self
            .batch
            .as_ref()
            .and_then(|batch| batch.newest)
            .is_some_and(|newest| Duration::from_millis(order.saturating_sub(newest)) > retry);
        match outcome {
            CallOutcome::Taken => {
                self.counts.taken += self.batch.as_ref().map_or(0, |batch| batch.events as u64);
                self.trouble = Trouble::default();
                self.left_out.is_over();
                self.finish();
                return NextCall::Moved;
            }
            CallOutcome::Gone => {
                self.counts.failed += 1;
                let hook = self.hook.clone();
                *self = Self {
                    phase: DeliveryPhase::Stopped,
                    gap: false,
                    counts: self.counts,
                    ..Self::new(hook, None, self.taken)
                };
                return NextCall::Stopped;
            }
            CallOutcome::Refused(..) | CallOutcome::Failed(..) => {}
        }
        self.counts.failed += 1;
        self.phase = DeliveryPhase::Pausing(now + self.trouble.pause(outcome, now, random));
        if !is_old && !self.trouble.is_refused_for_good(now) && !is_overrun {
            return NextCall::Again;
        }
        self.give_up();
        NextCall::GivenUp
    }

    /// Its batch is left out.
    fn give_up(&mut self) {
        self.counts.lost += self.batch.as_ref().map_or(0, |batch| batch.events as u64);
        self.trouble.begin_batch();
        self.finish();
        self.lose();
    }

    /// How far it has come.
    pub(super) fn bookmark(&self) -> Bookmark {
        let (to, gap) = self.until.as_ref().map_or((self.taken, self.gap), |noted| (noted.to, noted.gap));
        self.batch.as_ref().map_or(Bookmark { after: self.taken, to, gap }, |batch| batch.mark)
    }

    /// Of what it was told up to where its bookmark ends.
    pub(super) fn scope(&self) -> Scope {
        let batch = self.batch.as_ref().map(|batch| &batch.scope);
        let scope = batch.or_else(|| self.until.as_ref().map(|noted| &noted.scope));
        scope.cloned().unwrap_or_else(|| self.hook.scope())
    }

    /// Up to here nobody will ask for events, should the program be started anew. What was left out counts until a store has it that
    /// something was.
    pub(super) fn settled(&self) -> Position {
        self.left_out.settled(self.bookmark().after)
    }

    /// What a store is to be told of what was left out. Not while there is a batch: that is noted itself.
    pub(super) fn note_left_out(&mut self) -> Option<Bookmark> {
        (self.has_left_out() && self.left_out.begin_note()).then(|| self.bookmark())
    }

    /// Whether a store is to be told so.
    pub(super) fn has_left_out(&self) -> bool {
        self.batch.is_none() && self.left_out.is_unknown()
    }

    /// A store has this bookmark, or what it was to be told of what was left out could not be noted.
    pub(super) fn is_noted(&mut self, mark: Option<Bookmark>) {
        self.left_out.is_noted(mark.map(|mark| mark.after));
    }

    /// It is owed nothing up to where all events were read, if nothing of them is for it.
    pub(super) fn pass(&mut self, read: Position) {
        if self.is_idle() {
            self.taken = self.taken.max(read);
        }
    }

    /// Whether it is owed nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.batch.is_none()
            && !self.gap
            && self.until.is_none()
            && !self.is_stopped()
    }

    /// Whether it goes on where it was when the program ended.
    pub(super) fn has_begun(&self) -> bool {
        !self.gap
    }

    /// Whether it gets no calls any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.phase == DeliveryPhase::Stopped
    }

    /// Events and bytes that wait.
    pub(super) fn backlog(&self) -> (usize, usize) {
        let batch = self.batch.as_ref().map_or((0, 0), |batch| (batch.events, batch.body.len()));
        (self.queue.len() + batch.0, self.bytes + batch.1)
    }

    /// What it does, in a word; and when it is tried again.
    pub(super) fn state(&self) -> (&'static str, Option<Instant>) {
        match self.phase {
            DeliveryPhase::Stopped => ("stopped", None),
            DeliveryPhase::Pausing(until) if self.trouble.has_failed() => ("retrying", Some(until)),
            DeliveryPhase::Calling if self.trouble.has_failed() => ("retrying", None),
            DeliveryPhase::Calling => ("sending", None),
            DeliveryPhase::Ready | DeliveryPhase::Pausing(_) => ("ready", None),
        }
    }

    /// Whether it is this batch that was being sent.
    pub(super) fn is_sending(&self, batch: &Arc<EventBatch>) -> bool {
        self.phase == DeliveryPhase::Calling && self.batch.as_ref().is_some_and(|own| Arc::ptr_eq(own, batch))
    }

    /// Whether the last calls failed.
    pub(super) fn is_failing(&self) -> bool {
        self.trouble.has_failed()
    }

    /// The batch is over.
    fn finish(&mut self) {
        self.noted = false;
        if let Some(batch) = self.batch.take() {
            self.taken = self.taken.max(batch.mark.to);
        }
    }

    /// Takes as much from the queue as makes one batch. `None`: there is nothing to be said after all.
    fn form(&mut self, read: Position, cursors: Cursors) -> Option<EventBatch> {
        let until = self.until.take();
        let mut events = Vec::new();
        let mut len = 0;
        while let Some(event) = self.queue.front() {
            let is_full =
                events.len() == WEBHOOK_BATCH_EVENTS_MAX || len + event.json.len() >= WEBHOOK_BATCH_LEN_MAX;
            // What one call has brought already is brought again by one that has the same.
            let is_behind = until.as_ref().is_some_and(|noted| event.at > noted.to);
            if is_behind || (is_full && !events.is_empty() && until.is_none()) {
                break;
            }
            len += event.json.len() + 1;
            self.bytes -= event.cost();
            events.extend(self.queue.pop_front());
        }
        // What is left has waited as long.
        self.since = self.since.filter(|_| !self.queue.is_empty());
        // What is found to be missing after a restart is told in the call behind one that was made before.
        let gap = until.as_ref().map_or_else(|| std::mem::take(&mut self.gap), |noted| noted.gap);
        let last = events.last().map(|event: &Arc<WebhookEvent>| event.at);
        let to = match (&until, last) {
            (Some(noted), _) => noted.to,
            (None, Some(last)) if !self.queue.is_empty() => last,
            (None, _) => read,
        };
        if events.is_empty() && !gap {
            self.taken = self.taken.max(to);
            return None;
        }
        let mark = Bookmark { after: self.taken, to, gap };
        let id = match events.first() {
            Some(first) => format!("{}_{}", self.hook.name, cursors.text(first.at)),
            None => format!("{}_{}_gap", self.hook.name, cursors.text(to)),
        };
        let newest = events.last().map(|event| event.time);
        let scope = until.map_or_else(|| self.hook.scope(), |noted| noted.scope);
        Some(EventBatch { id, body: body_of(&events, gap), mark, events: events.len(), scope, newest })
    }
}

#[cfg(test)]
mod tests;
