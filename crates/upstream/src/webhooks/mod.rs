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
mod settings;
mod status;
mod try_out;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use exchange::hub::{Position, Start, WallTime, bookmark_name};
use exchange::limits::FOLLOW_PAUSE;
use exchange::{EventFollower, Exchange, PublishError, Receipt};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use crate::counters::Counters;
use crate::http::{Client, told};
use crate::limits::{WEBHOOK_BOOKMARK_EVERY, WEBHOOK_PAGE};
use batch::{Batch, Bookmark, as_message};
use call::{Call, judge};
use delivery::{Delivery, Next, Outcome};
use event::Event;
pub use settings::{EventType, EventTypes, Webhook, Webhooks};
pub use status::{LastCall, WebhookStatus};
pub use try_out::{TestAnswer, test_webhook};

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

/// Serves webhooks for ever. Where none is set, nobody follows the order. An error: the system has no certificates to check
/// receivers by.
pub async fn serve_webhooks(
    mut desk: WebhookDesk,
    exchange: Arc<Exchange>,
    counters: Arc<Counters>,
) -> io::Result<()> {
    loop {
        if desk.settings.borrow_and_update().all.is_empty() {
            desk.follower = None;
            desk.status.send_replace(Vec::new());
            // Whoever could set some has ended.
            if desk.settings.changed().await.is_err() {
                return Ok(());
            }
            continue;
        }
        let follower = desk.follower.take().unwrap_or_else(|| EventFollower::new(Arc::clone(&exchange)));
        All::new(&desk, follower, Arc::clone(&exchange), Arc::clone(&counters))?.run().await?;
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
    deliveries: Vec<Delivery>,
    last_calls: BTreeMap<Box<str>, LastCall>,
    /// Up to here all events were handed out.
    read: Position,
    /// What a store remembers was read, and let go of.
    is_caught_up: bool,
    /// When bookmarks of those who are owed nothing were moved last.
    moved: Instant,
    random: RandomState,
    /// Events that those who are there now have lost, as it was counted last.
    lost: u64,
}

/// A call that has ended.
struct Called {
    name: Box<str>,
    batch: Arc<Batch>,
    outcome: Outcome,
    /// Whether a store knows which events were in the batch.
    noted: bool,
}

impl All {
    fn new(
        desk: &WebhookDesk,
        follower: EventFollower,
        exchange: Arc<Exchange>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let mut settings = desk.settings.clone();
        let set = Arc::clone(&settings.borrow_and_update());
        let mut all = Self {
            client: Client::new(set.all.iter().map(|hook| &hook.url))?,
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
            random: RandomState::new(),
            lost: 0,
        };
        let delivery = |hook: &Webhook| Delivery::new(hook.clone(), all.bookmark_of(&hook.name), all.read);
        all.deliveries = set.all.iter().map(delivery).collect();
        for delivery in &mut all.deliveries {
            let hears_clients = delivery.hook.events.has(EventType::MessageClient);
            // What is said for the moment, or on a channel that is not durable, may be gone with the program before.
            if desk.clients_publish && hears_clients && delivery.has_begun() {
                delivery.lose();
            }
        }
        all.read = all.deliveries.iter().map(|one| one.taken).min().unwrap_or(all.read);
        Ok(all)
    }

    /// Serves them until none is set any more.
    async fn run(mut self) -> io::Result<()> {
        let mut work = JoinSet::new();
        while !self.deliveries.is_empty() {
            self.read().await;
            self.begin(&mut work);
            self.look_back();
            self.tell();
            let due = self.due();
            // Whatever is published ends this, most of which is no event: so it is looked at once in a while.
            let more = async {
                sleep(FOLLOW_PAUSE).await;
                self.follower.more(self.read).await;
            };
            tokio::select! {
                () = more => {}
                Some(called) = work.join_next() => self.called(called.map_err(io::Error::other)?),
                () = sleep_until(due) => {}
                changed = self.settings.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    self.renew()?;
                }
            }
        }
        self.follower.settle(None, true);
        Ok(())
    }

    /// What is set has changed: by their names, webhooks go on, come and go.
    fn renew(&mut self) -> io::Result<()> {
        let set = Arc::clone(&self.settings.borrow_and_update());
        self.client = Client::new(set.all.iter().map(|hook| &hook.url))?;
        let mut before: BTreeMap<Box<str>, Delivery> =
            self.deliveries.drain(..).map(|one| (one.hook.name.clone(), one)).collect();
        let deliveries = set.all.iter().map(|hook| match before.remove(&hook.name) {
            Some(mut delivery) => {
                delivery.renew(hook.clone(), self.read);
                delivery
            }
            None => Delivery::new(hook.clone(), None, self.read),
        });
        self.deliveries = deliveries.collect();
        before.keys().for_each(|name| drop(self.last_calls.remove(name)));
        self.lost = self.deliveries.iter().map(|one| one.counts.lost).sum();
        // Should it be set again one day, it is told of a gap.
        for name in before.keys() {
            self.exchange.publisher().delete(&bookmark_name(name), true);
        }
        self.settle();
        Ok(())
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
                let Some((event, wanted)) = Event::of(item, hooks, cursors) else { continue };
                let event = Arc::new(event);
                wanted.iter().for_each(|index| self.deliveries[*index].push(&event, now, backlog_max));
            }
            self.read = page.position;
            if !page.more {
                break;
            }
            // Others have their turn.
            yield_now().await;
        }
        if !self.is_caught_up {
            self.is_caught_up = true;
            self.settle();
        }
    }

    /// Begins the calls that are due.
    fn begin(&mut self, work: &mut JoinSet<Called>) {
        let (now, cursors, timeout) =
            (Instant::now(), self.exchange.cursors(), self.settings.borrow().timeout);
        for delivery in &mut self.deliveries {
            let Some((batch, is_noted)) = delivery.begin(now, self.read, cursors) else { continue };
            self.counters.webhook_calls.add();
            let (hook, exchange, client) =
                (delivery.hook.clone(), Arc::clone(&self.exchange), self.client.clone());
            // Should the program be killed, the next one knows which events were in the batch.
            let is_noted = is_noted || !self.keeps;
            work.spawn(async move {
                let note = if is_noted { Ok(()) } else { note(&exchange, &hook.name, batch.mark).await };
                let noted = note.is_ok();
                let outcome = match note {
                    Ok(()) => {
                        let Webhook { url, secrets, .. } = &hook;
                        let call = Call { url, secrets, id: &batch.id, body: &batch.body, timeout };
                        judge(call.send(&client, exchange.wall()).await, SystemTime::now())
                    }
                    Err(why) => Outcome::Failed(why, None),
                };
                Called { name: hook.name, batch, outcome, noted }
            });
        }
    }

    /// A call has ended.
    fn called(&mut self, called: Called) {
        let Called { name, batch, outcome, noted } = called;
        let random = self.random.build_hasher().finish();
        let retry = self.settings.borrow().retry;
        // One that is no longer set is not missed.
        let Some(delivery) = self.deliveries.iter_mut().find(|one| one.hook.name == name) else { return };
        if !delivery.is_sending(&batch) {
            return;
        }
        let was_failing = delivery.is_failing();
        delivery.noted |= noted;
        let next = delivery.called(&outcome, Instant::now(), self.exchange.now(), retry, random);
        let last = LastCall::of(self.exchange.wall(), &outcome);
        let url = told(&delivery.hook.url);
        let why = last.error.as_deref().unwrap_or_default();
        match next {
            Next::Moved if was_failing => info!(webhook = %name, "the webhook takes events again"),
            Next::Moved => {}
            Next::Again if was_failing => {}
            Next::Again => {
                warn!(webhook = %name, url, why, "a call of the webhook failed; it is tried again")
            }
            Next::GivenUp => {
                warn!(webhook = %name, url, why, events = batch.events, "events were given up; the webhook is told of a gap");
            }
            Next::Stopped => {
                warn!(webhook = %name, url, "the webhook answers 410 and gets no more calls until a reload")
            }
        }
        match next {
            Next::Moved => self.counters.webhook_events.add_many(batch.events as u64),
            Next::Again | Next::GivenUp | Next::Stopped => self.counters.webhook_failed.add(),
        }
        let is_idle = delivery.is_idle();
        let mark = delivery.bookmark();
        self.last_calls.insert(name.clone(), last);
        if next == Next::Moved && is_idle {
            self.note_later(&name, mark);
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
        let mut moved = Vec::new();
        for delivery in &mut self.deliveries {
            let before = delivery.taken;
            delivery.pass(read);
            if delivery.taken.to_bits() > before.to_bits() + own {
                moved.push((delivery.hook.name.clone(), delivery.bookmark()));
            }
        }
        moved.iter().for_each(|(name, mark)| self.note_later(name, *mark));
        self.settle();
    }

    /// Notes how far one has come, and does not wait for it: should it be lost, the last batch comes once more.
    fn note_later(&self, name: &str, mark: Bookmark) {
        if self.keeps {
            drop(self.exchange.publisher().publish(as_message(name, mark), None));
        }
    }

    /// What all of them have is not kept for them any longer.
    fn settle(&self) {
        let owed = self.deliveries.iter().filter(|one| !one.is_stopped()).map(|one| one.bookmark().after);
        self.follower.settle(owed.min().filter(|_| self.keeps), self.is_caught_up);
    }

    /// When something is due next.
    fn due(&self) -> Instant {
        let now = Instant::now();
        let look = now + WEBHOOK_BOOKMARK_EVERY;
        self.deliveries.iter().filter_map(|one| one.due(now)).min().map_or(look, |due| due.min(look))
    }

    fn bookmark_of(&self, name: &str) -> Option<Bookmark> {
        let page = self.exchange.admin().history(&bookmark_name(name), Start::Tail(1), 1)?;
        Bookmark::read(str::from_utf8(page.messages.last()?.payload().data()).ok()?)
    }

    /// Tells whoever asks how it is.
    fn tell(&mut self) {
        let (now, wall) = (Instant::now(), self.exchange.wall());
        let status = self.deliveries.iter().map(|one| {
            let (state, next) = one.state();
            let next = next.map(|next| wall.after(millis(next.saturating_duration_since(now))));
            WebhookStatus {
                name: one.hook.name.clone(),
                url: told(&one.hook.url),
                pattern: one
                    .hook
                    .pattern
                    .as_ref()
                    .map_or_else(String::new, |pattern| pattern.as_str().to_owned()),
                events: one.hook.events.iter().map(EventType::name).collect(),
                state,
                taken: one.taken,
                backlog: one.backlog(),
                counts: one.counts.all(),
                last: self.last_calls.get(&one.hook.name).cloned(),
                next_try: next.map(|next| WallTime::from_seconds(next.seconds())),
            }
        });
        let status: Vec<_> = status.collect();
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

/// Notes in the store how far a webhook has come, and waits until that is safe.
async fn note(exchange: &Exchange, name: &str, mark: Bookmark) -> Result<(), String> {
    let receipt = exchange.publisher().publish(as_message(name, mark), None);
    match receipt {
        Ok(Receipt::Released(_)) => Ok(()),
        Ok(Receipt::Ordered(pending)) => pending.await.map(drop).map_err(|error| error.to_string()),
        Err(PublishError::Full(_)) => Err("the store is too busy to note what is sent".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
