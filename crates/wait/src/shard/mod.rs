//! One thread of the WAIT line: its event loop, and all it owns.
//!
//! A turn looks at everything once: what the kernel reports, what clients ask for as long as there is time for it, the
//! mailbox, a bounded piece of the jobs, endings under way, timers. Nothing in it blocks but the one wait for the kernel.

mod accept;
mod access;
mod accounts;
mod askers;
mod audience;
mod backlog;
mod caller;
mod command;
mod deliver;
mod departure;
mod end;
mod frames;
mod freeze;
mod half_close;
mod handshake;
mod history;
mod identity;
mod input;
mod joins;
mod journal;
mod judge;
mod listen;
mod output;
mod poison;
mod poll;
mod post;
mod presence;
mod publish;
mod reach;
mod renewal;
mod server_joins;
mod speech;
mod states;
mod subscribe;
mod take;
mod thaw;
mod timers;
mod told;
mod users;
mod verdicts;

use std::collections::VecDeque;
use std::sync::Arc;

use exchange::hub::{Cursors, Position, ShardId};
use exchange::{Exchange, Mail, Shortage};
use transport::codec::deflate::Deflater;
use transport::dialect::{Dialect, DialectSet};
use transport::{Env, Pages};

use ::access::{Sessions, Tokens};

use crate::askers::{Askers, Want};
use crate::callers::Callers;
use crate::comers::Comers;
use crate::counters::Counters;
use crate::cursor_listeners::Listening;
use crate::desk::Desk;
use crate::guests::Guests;
use crate::kernel::{Kernel, ReadyEvent};
use crate::limits::{ASKED_US_PER_TURN, EVENTS_PER_TURN, READ_LEN};
use crate::listener::Certificates;
use crate::members::Members;
use crate::questions::OpenQuestions;
use crate::settings::WaitSettings;
use crate::slab::Slab;
use crate::slot::Slot;
use crate::wheel::Wheel;
use accounts::{Leaving, Settled};
use handshake::Handshakes;
use post::Post;
use states::States;
use timers::Beats;

/// A shard over a kernel.
pub struct Shard<K: Kernel> {
    id: ShardId,
    /// A random number: it tells these connections from those of an earlier start.
    start: u64,
    kernel: K,
    exchange: Arc<Exchange>,
    desk: Desk,
    cursors: Cursors,
    settings: Arc<WaitSettings>,
    counters: Arc<Counters>,
    /// Each with what is understood there besides our own protocol.
    listeners: Vec<(K::Listener, DialectSet)>,
    /// What they show clients of TLS.
    certificates: Certificates,
    /// When accepting goes on, after the system had no more to give.
    paused_until: Option<u64>,
    /// When it was last said what is not said each time.
    told_at: ToldAt,
    slab: Slab<Slot<K::Socket>>,
    wheel: Wheel,
    members: Members,
    /// Those who showed credentials.
    guests: Guests,
    /// Where connections come from, if that matters.
    callers: Callers,
    /// Those who came back to a message a short while ago.
    comers: Comers,
    /// Those who listen by outside cursors.
    listening: Listening,
    /// What dialects keep of connections.
    states: States,
    /// Those of whom the log of old told something.
    told: told::Told,
    sessions: Sessions,
    /// Those of the settings, and keys found since.
    tokens: Arc<Tokens>,
    asking: OpenQuestions,
    identities: identity::Identities,
    /// What clients have said that is not out yet.
    speaking: publish::Speaking,
    /// Channels with a job under way, by key. A key may be stale; then it finds no work.
    jobs: VecDeque<u32>,
    /// The same, of those that one slice was not enough for.
    long_jobs: VecDeque<u32>,
    /// For so many turns more it goes on with them; `None`: it may not, before it is its turn.
    lane: Option<usize>,
    /// Connections that ask for something.
    askers: Askers,
    handshakes: Handshakes,
    /// Deleted channels whose subscriptions are being ended.
    deleting: VecDeque<end::Deletion>,
    /// The end of all service, when it has begun.
    draining: Option<end::Drain>,
    /// Another program is about to go on.
    parting: Option<departure::Parting>,
    /// All mail up to here was taken in: who is owed nothing pending is owed nothing up to here.
    seen: Position,
    /// Registrations to take back at the end of the turn.
    leaving: Leaving,
    /// Deliveries everybody here has, to be told at the end of the turn: how many, of how many bytes.
    settled: Settled,
    now: u64,
    random: u64,
    // Scratch, kept for its capacity.
    events: Vec<ReadyEvent>,
    mail: Vec<Mail>,
    scratch: Vec<u8>,
    sealed: Vec<u8>,
    /// What goes to many in one call of the kernel.
    post: Post,
    beats: Beats,
    /// Compresses what clients are told; made when the first wants that.
    deflater: Deflater,
    /// Compresses pages of history.
    pages: Pages,
}

/// When something was last said in the log.
#[derive(Debug, Default)]
struct ToldAt {
    /// That accepting pauses.
    pause: Option<u64>,
    /// That somebody speaks TLS in the wrong place.
    misplaced: Option<u64>,
    /// That somebody comes back to the same message again and again.
    poison: Option<u64>,
}

impl<K: Kernel> Shard<K> {
    /// A shard that has not accepted anybody yet. `seed` spreads its timers.
    pub fn new(
        id: ShardId,
        mut kernel: K,
        listeners: Vec<(K::Listener, DialectSet)>,
        settings: Arc<WaitSettings>,
        exchange: Arc<Exchange>,
        desk: Desk,
        seed: u64,
    ) -> Self {
        Self {
            id,
            start: seed,
            now: kernel.now(),
            kernel,
            cursors: exchange.cursors(),
            handshakes: Handshakes::new(settings.tls_handshakes, exchange.shards()),
            callers: Callers::new(&exchange, &settings),
            tokens: Arc::new(settings.tokens.clone()),
            seen: exchange.end(),
            speaking: publish::Speaking::new(&exchange, id),
            exchange,
            desk,
            settings,
            counters: Arc::default(),
            listeners,
            certificates: Certificates::default(),
            paused_until: None,
            told_at: ToldAt::default(),
            slab: Slab::new(),
            wheel: Wheel::new(),
            members: Members::default(),
            guests: Guests::new(seed),
            comers: Comers::default(),
            listening: Listening::default(),
            states: States::default(),
            told: told::Told::default(),
            sessions: Sessions::default(),
            asking: OpenQuestions::default(),
            identities: identity::Identities::default(),
            jobs: VecDeque::new(),
            long_jobs: VecDeque::new(),
            lane: None,
            askers: Askers::default(),
            deleting: VecDeque::new(),
            draining: None,
            parting: None,
            leaving: Leaving::default(),
            settled: Settled::default(),
            random: seed,
            events: Vec::with_capacity(EVENTS_PER_TURN),
            mail: Vec::new(),
            scratch: vec![0; READ_LEN],
            sealed: Vec::new(),
            post: Post::default(),
            beats: Beats::default(),
            deflater: Deflater::default(),
            pages: Pages::default(),
        }
        .begun()
    }

    fn begun(mut self) -> Self {
        self.watch_listeners(true);
        self
    }

    /// Shows these from the next connection on.
    pub fn set_certificates(&mut self, certificates: Certificates) {
        self.certificates = certificates;
    }

    /// Runs until the shard has drained, or is [to rest](Self::is_to_rest).
    pub fn run(&mut self) {
        while self.turn() {}
        self.leave_lane();
        self.exchange.shard(self.id).forget_lane();
    }

    /// Looks at everything once. False: the shard has ended, or is to rest.
    pub fn turn(&mut self) -> bool {
        self.poll();
        let began_us = self.exchange.now_us();
        self.now = self.kernel.now();
        self.askers.left_us = ASKED_US_PER_TURN;
        self.pages.turn(self.now);
        self.resume_accepting();
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            self.handle(event);
        }
        self.events = events;
        if !self.askers.is_empty() {
            // Whoever is answered is told what was said before he asked.
            self.take_mail();
            self.run_askers();
        }
        self.take_mail();
        self.run_endings();
        self.run_jobs();
        self.run_told();
        self.run_identities();
        self.run_speaking();
        self.run_askers();
        self.run_handshakes();
        self.run_expiries();
        self.run_renewals();
        self.run_timers();
        self.run_surveys();
        self.run_finishing();
        self.settle_accounts();
        let is_over = self.is_over();
        if is_over {
            self.end_states();
        }
        let busy_us = self.exchange.now_us().saturating_sub(began_us);
        self.exchange.shard(self.id).timing().turn.record(busy_us);
        !is_over && !self.is_to_rest()
    }

    /// The kernel, for the tests that script it.
    pub fn kernel(&mut self) -> &mut K {
        &mut self.kernel
    }

    /// Connections now.
    pub fn connections(&self) -> usize {
        self.slab.len()
    }

    /// Where this shard counts.
    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Waits for the kernel: not at all while there is work, else until a timer or the mailbox.
    fn poll(&mut self) {
        let mut timeout = Some(0);
        let sleeps = !self.is_busy() && self.exchange.shard(self.id).may_sleep();
        if sleeps {
            let now = self.kernel.now();
            let pause = self.paused_until.map(|until| until.saturating_sub(now).max(1));
            let drain = self.draining.as_ref().map(|drain| drain.cut_off.saturating_sub(now).max(1));
            let due = [self.wheel.next_ms(now), self.guests.next_ms(now), pause, drain, self.finish_ms()];
            timeout = due.into_iter().flatten().min();
        }
        self.kernel.poll(timeout, &mut self.events);
        if sleeps {
            self.exchange.shard(self.id).awake();
        }
    }

    fn is_busy(&self) -> bool {
        !self.jobs.is_empty()
            || (self.lane.is_some() && !self.long_jobs.is_empty())
            || !self.askers.is_empty()
            || self.guests.is_following()
            || !self.handshakes.queue.is_empty()
            || !self.guests.surveys.is_empty()
            || !self.deleting.is_empty()
            || self.beats.sooner_from.is_some()
            || self.asking.has_told()
            || self.identities.has_told()
            || self.has_spoken()
            || self.draining.as_ref().is_some_and(|drain| drain.next.is_some())
    }

    fn handle(&mut self, event: ReadyEvent) {
        match event {
            ReadyEvent::Wake => {}
            ReadyEvent::Accept(number) => {
                self.accept(number);
            }
            ReadyEvent::Ready { token, readable, writable } => {
                if writable && let Some(index) = self.find(token) {
                    self.flush(index);
                }
                if readable {
                    self.askers.push(token, Want::Read);
                }
            }
        }
    }

    /// The index of the connection this token was given for, if it is still there.
    fn find(&self, token: u64) -> Option<usize> {
        let index = usize::try_from(token & u64::from(u32::MAX)).ok()?;
        let slot = self.slab.get(index)?;
        (u64::from(slot.generation) == token >> 32).then_some(index)
    }

    fn token(&self, index: usize) -> u64 {
        u64::from(self.slab[index].generation) << 32 | index as u64
    }

    /// The dialect in which a connection waits.
    fn dialect(&self, index: usize) -> &dyn Dialect {
        self.settings.dialects.of(self.slab[index].conn.shape.dialect())
    }

    fn env<'a>(&self, settings: &'a WaitSettings) -> Env<'a> {
        Env {
            cursors: self.cursors,
            now: self.exchange.now(),
            classic_limit: settings.classic_limit,
            dialects: &settings.dialects,
            compression: settings.compression,
            origins: &settings.origins,
            shows: &settings.shows,
            paths: &settings.paths,
            stage: self.exchange.stage(),
            takeover: settings.takeover.as_deref(),
            tls: false,
            gate: None,
            is_short: self.exchange.memory().shortage() != Shortage::None,
        }
    }

    /// The next random number (splitmix64).
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
