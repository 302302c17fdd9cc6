//! Webhooks: the application is told what comes about, in the order, at least once each.
//!
//! One task follows the events of the order and hands each to the webhooks that want it; calls are tasks of their own, one a
//! webhook at a time. So a receiver that is slow or gone holds up its own queue, which has a limit, and nothing else. How far each
//! has come is noted in the store before a batch is sent: a batch is the same whenever it is sent again, also by the program that
//! is started anew after it was killed, and so is its id.

mod batch;
mod call;
mod delivery;
mod event;
mod left_out;
mod notes;
mod settings;
mod status;
mod trouble;
mod try_out;
mod work;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::SystemTime;

use exchange::hub::{Position, bookmark_name};
use exchange::limits::FOLLOW_PAUSE;
use exchange::{EventFollower, Exchange};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use crate::counters::Counters;
use crate::http::{Client, told};
use crate::limits::{WEBHOOK_BOOKMARK_EVERY, WEBHOOK_LEFT_OUT_EVERY, WEBHOOK_PAGE};
use batch::EventBatch;
use call::{Call, judge};
use delivery::{NextCall, WebhookQueue};
use event::WebhookEvent;
use notes::{as_message, note, noted};
pub use settings::{EventType, EventTypes, Webhook, Webhooks};
pub use status::{LastCall, WebhookStatus};
use trouble::CallOutcome;
pub use try_out::{TestAnswer, test_webhook};
use work::{Done, Work};

/// Where webhooks meet the rest of the program.
#[derive(Debug)]
pub struct WebhookDesk {
    /// What is set; what is set anew comes through it.
    pub settings: watch::Receiver<Arc<Webhooks>>,
    /// What is known of each.
    pub status: watch::Sender<Vec<WebhookStatus>>,
    /// Follows since before anything came about; `None`: no webhook was set then.
    pub follower: Option<EventFollower>,
    /// Whether there is a store.
    pub keeps: bool,
    /// Whether clients may publish: a store does not keep all of what they say.
    pub clients_publish: bool,
}

/// Serves webhooks for as long as some may be set. Where none is set, nobody follows the order.
pub async fn serve_webhooks(mut desk: WebhookDesk, exchange: Arc<Exchange>, counters: Arc<Counters>) {
    loop {
        if desk.settings.borrow_and_update().all.is_empty() {
            desk.follower = None;
            desk.status.send_replace(Vec::new());
            // Whoever could set some has ended.
            if desk.settings.changed().await.is_err() {
                return;
            }
            continue;
        }
        let follower = desk.follower.take().unwrap_or_else(|| EventFollower::new(Arc::clone(&exchange)));
        All::new(&desk, follower, Arc::clone(&exchange), Arc::clone(&counters)).run().await;
    }
}

/// All webhooks.
struct All {
    exchange: Arc<Exchange>,
    follower: EventFollower,
    settings: watch::Receiver<Arc<Webhooks>>,
    status: watch::Sender<Vec<WebhookStatus>>,
    counters: Arc<Counters>,
    client: Client,
    keeps: bool,
    deliveries: Vec<WebhookQueue>,
    last_calls: BTreeMap<Box<str>, LastCall>,
    /// Up to here all events were handed out.
    read: Position,
    /// What a store remembers was read, and let go of.
    is_caught_up: bool,
    /// When bookmarks of those who are owed nothing were moved last.
    moved: Instant,
    /// When it was noted last what was left out.
    left_out: Instant,
    random: RandomState,
    /// Events that those who are there now have lost, as it was counted last.
    lost: u64,
}

impl All {
    fn new(
        desk: &WebhookDesk,
        follower: EventFollower,
        exchange: Arc<Exchange>,
        counters: Arc<Counters>,
    ) -> Self {
        let mut settings = desk.settings.clone();
        let set = Arc::clone(&settings.borrow_and_update());
        let mut all = Self {
            client: Client::new(set.all.iter().map(|hook| &hook.url)),
            read: follower.from(),
            exchange,
            follower,
            settings,
            status: desk.status.clone(),
            counters,
            keeps: desk.keeps,
            deliveries: Vec::new(),
            last_calls: BTreeMap::new(),
            is_caught_up: false,
            moved: Instant::now(),
            left_out: Instant::now(),
            random: RandomState::new(),
            lost: 0,
        };
        let delivery =
            |hook: &Webhook| WebhookQueue::new(hook.clone(), noted(&all.exchange, &hook.name), all.read);
        all.deliveries = set.all.iter().map(delivery).collect();
        for delivery in &mut all.deliveries {
            let hears_clients = delivery.hook.events.has(EventType::MessageClient);
            // What is said for the moment, or on a channel that is not durable, may be gone with the program before.
            if desk.clients_publish && hears_clients && delivery.has_begun() {
                delivery.lose();
            }
        }
        all.read = all.deliveries.iter().map(|one| one.taken).min().unwrap_or(all.read);
        all
    }

    /// Serves them until none is set any more.
    async fn run(mut self) {
        let mut work = Work::default();
        while !self.deliveries.is_empty() {
            self.read().await;
            self.begin(&mut work);
            self.look_back();
            self.note_left_out(&mut work);
            self.tell();
            let due = self.due();
            // Whatever is published ends this, most of which is no event: so it is looked at once in a while.
            let more = async {
                sleep(FOLLOW_PAUSE).await;
                self.follower.more(self.read).await;
            };
            tokio::select! {
                () = more => {}
                Some(done) = work.next() => self.done(done),
                () = sleep_until(due) => {}
                changed = self.settings.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.renew();
                }
            }
        }
        self.follower.settle(None, true);
    }

    /// What is set has changed: by their names, webhooks go on, come and go.
    fn renew(&mut self) {
        let set = Arc::clone(&self.settings.borrow_and_update());
        if let Err(why) = self.client.renew(set.all.iter().map(|hook| &hook.url)) {
            self.counters.webhook_faults.add();
            warn!(%why, "webhooks go on without new certificates: with those from before, if there were any");
        }
        let mut before: BTreeMap<Box<str>, WebhookQueue> =
            self.deliveries.drain(..).map(|one| (one.hook.name.clone(), one)).collect();
        let deliveries = set.all.iter().map(|hook| match before.remove(&hook.name) {
            Some(mut delivery) => {
                delivery.renew(hook.clone(), self.read);
                delivery
            }
            None => WebhookQueue::new(hook.clone(), None, self.read),
        });
        self.deliveries = deliveries.collect();
        before.keys().for_each(|name| drop(self.last_calls.remove(name)));
        self.lost = self.deliveries.iter().map(|one| one.counts.lost).sum();
        // Should it be set again one day, it is told of a gap.
        before.keys().for_each(|name| self.forget(name));
        // The next program is to know of what each was told.
        self.deliveries.iter().for_each(|one| self.note_later(one));
        self.settle();
    }

    /// A store forgets how far one has come: whoever is called by this name next is told of a gap.
    fn forget(&self, name: &str) {
        self.exchange.publisher().delete(&bookmark_name(name), true);
    }

    /// Hands out all events that there are.
    async fn read(&mut self) {
        let (cursors, backlog_max) = (self.exchange.cursors(), self.settings.borrow().backlog);
        loop {
            let page = self.follower.read(self.read, WEBHOOK_PAGE);
            let now = Instant::now();
            for delivery in &mut self.deliveries {
                let is_owed = |kind: EventType| if kind.is_change() { page.changes_gap } else { page.gap };
                if delivery.hook.events.iter().any(is_owed) {
                    delivery.lose();
                }
            }
            for item in &page.items {
                let hooks = self.deliveries.iter().map(|one| &one.hook);
                for (event, wanted) in WebhookEvent::of(item, hooks, cursors) {
                    wanted.iter().for_each(|index| self.deliveries[*index].push(&event, now, backlog_max));
                }
            }
            self.read = page.position;
            if !page.more {
                break;
            }
            // Others have their turn.
            yield_now().await;
        }
        for full in self.deliveries.iter_mut().filter_map(|one| one.left_out.take_news().then_some(&one.hook))
        {
            warn!(webhook = %full.name, url = told(&full.url), backlog_max, "more events wait for the webhook than webhook_backlog has room for: the oldest are left out, and it is told of a gap");
        }
        if !self.is_caught_up {
            self.is_caught_up = true;
            self.settle();
        }
    }

    /// Begins the calls that are due.
    fn begin(&mut self, work: &mut Work) {
        let (now, cursors, timeout) =
            (Instant::now(), self.exchange.cursors(), self.settings.borrow().timeout);
        for delivery in &mut self.deliveries {
            let Some((batch, is_noted)) = delivery.begin(now, self.read, cursors) else { continue };
            self.counters.webhook_calls.add();
            let (hook, client, wall) = (delivery.hook.clone(), self.client.clone(), self.exchange.wall());
            // Should the program be killed, the next one knows which events were in the batch.
            let is_noted = is_noted || !self.keeps;
            let note = (!is_noted).then(|| note(&self.exchange, &hook.name, batch.mark, &batch.scope));
            work.call(hook.name.clone(), Arc::clone(&batch), async move {
                if let Some(note) = note
                    && let Err(why) = note.await
                {
                    return (CallOutcome::Failed(why, None), false);
                }
                let Webhook { url, secrets, .. } = &hook;
                let call = Call { url, secrets, id: &batch.id, body: &batch.body, timeout };
                (judge(call.send(&client, wall).await, SystemTime::now()), true)
            });
        }
    }

    /// Something has ended.
    fn done(&mut self, done: Done) {
        match done {
            Done::Called { name, batch, outcome, noted } => self.called(&name, &batch, &outcome, noted),
            Done::Noted { name, mark, noted } => {
                if let Some(delivery) = self.deliveries.iter_mut().find(|one| one.hook.name == name) {
                    delivery.is_noted(noted.then_some(mark));
                    self.settle();
                }
            }
            Done::Nothing => {}
        }
    }

    /// A call has ended.
    fn called(&mut self, name: &str, batch: &Arc<EventBatch>, outcome: &CallOutcome, noted: bool) {
        let random = self.random.build_hasher().finish();
        let retry = self.settings.borrow().retry;
        // One that is no longer set is not missed.
        let Some(place) = self.deliveries.iter().position(|one| *one.hook.name == *name) else { return };
        let delivery = &mut self.deliveries[place];
        if !delivery.is_sending(batch) {
            return;
        }
        let was_failing = delivery.is_failing();
        delivery.noted |= noted;
        if noted {
            delivery.is_noted(Some(batch.mark));
        }
        let next = delivery.called(outcome, Instant::now(), self.exchange.now(), retry, random);
        let last = LastCall::of(self.exchange.wall(), outcome);
        let url = told(&delivery.hook.url);
        let why = last.error.as_deref().unwrap_or_default();
        match next {
            NextCall::Moved if was_failing => info!(webhook = %name, "the webhook takes events again"),
            NextCall::Moved => {}
            NextCall::Again if was_failing => {}
            NextCall::Again => {
                warn!(webhook = %name, url, why, "a call of the webhook failed; it is tried again")
            }
            NextCall::GivenUp => {
                warn!(webhook = %name, url, why, events = batch.events, "events were given up; the webhook is told of a gap");
            }
            NextCall::Stopped => {
                warn!(webhook = %name, url, "the webhook answers 410 and gets no more calls until a reload")
            }
        }
        match next {
            NextCall::Moved => self.counters.webhook_events.add_many(batch.events as u64),
            NextCall::Again | NextCall::GivenUp | NextCall::Stopped => self.counters.webhook_failed.add(),
        }
        let is_idle = delivery.is_idle();
        self.last_calls.insert(name.into(), last);
        match next {
            NextCall::Moved if is_idle => self.note_later(&self.deliveries[place]),
            // What comes behind this is kept for nobody.
            NextCall::Stopped => self.forget(name),
            _ => {}
        }
        self.settle();
    }

    /// Those who are owed nothing need none of what was said so far: once in a while that is noted.
    fn look_back(&mut self) {
        if !self.keeps || self.moved.elapsed() < WEBHOOK_BOOKMARK_EVERY {
            return;
        }
        self.moved = Instant::now();
        let read = self.read;
        // What is noted takes places itself: that alone is no reason to note it again.
        let own = self.deliveries.len() as u64;
        let passes = |delivery: &mut WebhookQueue| {
            let before = delivery.taken;
            delivery.pass(read);
            delivery.taken.to_bits() > before.to_bits() + own
        };
        let moved: Vec<bool> = self.deliveries.iter_mut().map(passes).collect();
        let moved = self.deliveries.iter().zip(moved).filter(|(_, has_moved)| *has_moved);
        moved.for_each(|(delivery, _)| self.note_later(delivery));
        self.settle();
    }

    /// A store is told where events were left out, so that it need not keep them: what waits is as much as a backlog has room for.
    fn note_left_out(&mut self, work: &mut Work) {
        if !self.keeps || self.left_out.elapsed() < WEBHOOK_LEFT_OUT_EVERY {
            return;
        }
        self.left_out = Instant::now();
        for delivery in &mut self.deliveries {
            let Some(mark) = delivery.note_left_out() else { continue };
            let name = delivery.hook.name.clone();
            let note = note(&self.exchange, &name, mark, &delivery.scope());
            work.note(name, mark, async { note.await.is_ok() });
        }
    }

    /// Notes how far one has come, and does not wait for it: should it be lost, the last batch comes once more.
    fn note_later(&self, delivery: &WebhookQueue) {
        if self.keeps && !delivery.is_stopped() {
            let message = as_message(&delivery.hook.name, delivery.bookmark(), &delivery.scope());
            drop(self.exchange.publisher().publish(message, None));
        }
    }

    /// What all of them have is not kept for them any longer.
    fn settle(&self) {
        let owed = self.deliveries.iter().filter(|one| !one.is_stopped()).map(WebhookQueue::settled);
        self.follower.settle(owed.min().filter(|_| self.keeps), self.is_caught_up);
    }

    /// When something is due next.
    fn due(&self) -> Instant {
        let now = Instant::now();
        let has_left_out = self.keeps && self.deliveries.iter().any(WebhookQueue::has_left_out);
        let note = has_left_out.then(|| self.left_out + WEBHOOK_LEFT_OUT_EVERY);
        let look = note.into_iter().chain([now + WEBHOOK_BOOKMARK_EVERY]).min().unwrap_or(now);
        self.deliveries.iter().filter_map(|one| one.due(now)).min().map_or(look, |due| due.min(look))
    }

    /// Tells whoever asks how it is.
    fn tell(&mut self) {
        let (now, wall) = (Instant::now(), self.exchange.wall());
        let of = |one| WebhookStatus::of(one, &self.last_calls, now, wall);
        let status: Vec<_> = self.deliveries.iter().map(of).collect();
        let lost = self.deliveries.iter().map(|one| one.counts.lost).sum::<u64>();
        self.counters.webhook_lost.add_many(lost.saturating_sub(std::mem::replace(&mut self.lost, lost)));
        let sum = |of: fn(&WebhookStatus) -> usize| status.iter().map(of).sum();
        self.counters.webhook_backlog_events.set(sum(|one| one.backlog.0));
        self.counters.webhook_backlog_bytes.set(sum(|one| one.backlog.1));
        self.counters.webhooks_failing.set(status.iter().filter(|one| one.state == "retrying").count());
        self.counters.webhooks_stopped.set(status.iter().filter(|one| one.state == "stopped").count());
        self.status.send_if_modified(|before| {
            let is_new = *before != status;
            *before = status;
            is_new
        });
    }
}
