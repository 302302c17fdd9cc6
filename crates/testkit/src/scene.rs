//! A WAIT line without sockets: shards over one fake world and one exchange, turned by the test.

use std::sync::Arc;

use wait::exchange::hub::{Audience, Epoch, Kind, Limits, Past, Payload, Position, Publish, ShardId};
use wait::exchange::{Clock, Exchange, Immediate, Journal, Receipt, Shares, Wake};
use wait::{Certificates, Classic, Desk, DialectSet, Kernel, Seat, SeatError, Shard, WaitSettings};

use crate::kernel::{Ask, FakeKernel, SimBell, SimPeer, SimSocket, World};

/// Shards, their exchange and their world.
pub struct Scene {
    /// The world.
    pub world: World,
    /// The exchange.
    pub exchange: Arc<Exchange>,
    /// What shards ask, and are told.
    pub desk: Desk,
    /// The shards; the listener of each has its number.
    pub shards: Vec<Shard<FakeKernel>>,
    /// Shards whose `turn` said that they have ended.
    pub ended: Vec<bool>,
    /// What wakes them.
    bells: Vec<Arc<SimBell>>,
    settings: Arc<WaitSettings>,
    certificates: Certificates,
}

impl Scene {
    /// One shard, all limits and settings as they are by default.
    pub fn one() -> Self {
        Self::new(0, 1, Limits::default(), WaitSettings::default())
    }

    /// So many shards, whose listeners understand what they do by default.
    pub fn new(seed: u64, shards: usize, limits: Limits, settings: WaitSettings) -> Self {
        Self::speaking(Classic::default(), seed, shards, limits, settings)
    }

    /// The same, whose listeners understand these besides our own protocol.
    pub fn speaking(
        dialects: impl Into<DialectSet>,
        seed: u64,
        shards: usize,
        limits: Limits,
        settings: WaitSettings,
    ) -> Self {
        Self::sharing(Shares::default(), dialects, seed, shards, limits, settings)
    }

    /// The same, of which each may have so much.
    pub fn sharing(
        shares: Shares,
        dialects: impl Into<DialectSet>,
        seed: u64,
        shards: usize,
        limits: Limits,
        settings: WaitSettings,
    ) -> Self {
        Self::build(shares, dialects.into(), seed, shards, shards, limits, settings)
    }

    /// So many shards over fewer lanes.
    pub fn with_lanes(shards: usize, lanes: usize) -> Self {
        let (limits, settings) = Default::default();
        Self::build(Shares::default(), Classic::default().into(), 0, shards, lanes, limits, settings)
    }

    /// One shard, over a store that keeps something when the test does.
    pub fn storing(limits: Limits) -> (Self, Arc<Journal>) {
        Self::storing_many(0, 1, limits, WaitSettings::default())
    }

    /// So many shards, over a store that keeps something when the test does.
    pub fn storing_many(
        seed: u64,
        shards: usize,
        limits: Limits,
        settings: WaitSettings,
    ) -> (Self, Arc<Journal>) {
        let journal = Arc::<Journal>::default();
        let (shares, dialects, store) =
            (Shares::default(), Classic::default().into(), Some(Arc::clone(&journal)));
        (Self::build_over(store, shares, dialects, seed, shards, shards, limits, settings), journal)
    }

    fn build(
        shares: Shares,
        dialects: DialectSet,
        seed: u64,
        shards: usize,
        lanes: usize,
        limits: Limits,
        settings: WaitSettings,
    ) -> Self {
        Self::build_over(None, shares, dialects, seed, shards, lanes, limits, settings)
    }

    #[allow(clippy::too_many_arguments, reason = "each is said once, above")]
    fn build_over(
        store: Option<Arc<Journal>>,
        shares: Shares,
        dialects: DialectSet,
        seed: u64,
        shards: usize,
        lanes: usize,
        limits: Limits,
        settings: WaitSettings,
    ) -> Self {
        let world = World::new(seed);
        let bells: Vec<Arc<SimBell>> = (0..shards).map(|_| Arc::default()).collect();
        let wakers = bells.iter().map(|bell| Arc::clone(bell) as Arc<dyn Wake>).collect();
        let clock = Clock::manual_set(world.clock(), world.set_by());
        let epoch = Epoch::new(seed);
        let exchange = match store {
            None => Exchange::new(limits, epoch, seed, clock, Box::new(Immediate), wakers),
            Some(store) => {
                let (past, reserved) = (Past::default(), Position::from_bits(1 << 40));
                Exchange::again(limits, epoch, seed, clock, store, wakers, past, reserved)
            }
        };
        let exchange = exchange.with_lanes(lanes).with_shares(shares);
        let (exchange, settings) = (Arc::new(exchange), Arc::new(settings));
        // The test itself takes what shards ask.
        let desk = Desk::new(&exchange, Some(Arc::<SimBell>::default()));
        let shard = |(number, bell): (u16, Arc<SimBell>)| {
            let (kernel, listener) = (world.kernel(bell), world.listener());
            let seed = seed.wrapping_add(u64::from(number));
            Shard::new(
                ShardId(number),
                kernel,
                vec![(listener, dialects)],
                Arc::clone(&settings),
                Arc::clone(&exchange),
                desk.clone(),
                seed,
            )
        };
        let shards: Vec<_> = (0..).zip(bells.iter().cloned()).map(shard).collect();
        let certificates = Certificates::default();
        Self {
            ended: vec![false; shards.len()],
            world,
            exchange,
            desk,
            shards,
            bells,
            settings,
            certificates,
        }
    }

    /// The listeners of all shards show these from now on.
    pub fn set_certificates(&mut self, certificates: Certificates) {
        self.certificates = certificates.clone();
        self.shards.iter_mut().for_each(|shard| shard.set_certificates(certificates.clone()));
    }

    /// Takes all seats of a shard. It may not be turned before [`Self::thaw`].
    pub fn freeze(&mut self, number: usize) -> Vec<Seat<SimSocket>> {
        self.shards[number].freeze()
    }

    /// The seats of a shard go on: in another one, where it has nobody left, and else in itself. True: in another one.
    pub fn thaw(&mut self, number: usize, seats: Vec<Seat<SimSocket>>) -> bool {
        let is_over = self.shards[number].connections() == 0;
        if is_over {
            let id = ShardId(u16::try_from(number).expect("there are few shards"));
            let kernel = self.world.kernel(Arc::clone(&self.bells[number]));
            let (settings, exchange) = (Arc::clone(&self.settings), Arc::clone(&self.exchange));
            let old = self.shards.remove(number);
            let estate = old.hand_over();
            let seed = self.world.now();
            let new = Shard::new(id, kernel, estate.listeners, settings, exchange, self.desk.clone(), seed);
            let mut new = new.resume(&estate.bytes).expect("a shard of the same program left it");
            new.set_certificates(self.certificates.clone());
            self.shards.insert(number, new);
        }
        let (before, count) = (self.shards[number].connections(), seats.len());
        for mut seat in seats {
            while let Err((back, why)) = self.shards[number].thaw(seat) {
                assert!(matches!(why, SeatError::System(_)), "it is a seat of this shard: {why}");
                seat = back;
            }
        }
        assert_eq!(self.shards[number].connections(), before + count, "nobody is lost");
        is_over
    }

    /// A client of the first shard.
    pub fn peer(&self) -> SimPeer {
        SimPeer::connect(&self.world, 0)
    }

    /// A connection that no shard has: the client's end, and the server's.
    pub fn line(&mut self) -> (SimPeer, SimSocket) {
        let listener = self.world.listener();
        let peer = SimPeer::connect(&self.world, listener.number);
        let accepted = self.shards[0].kernel().accept(&listener);
        (peer, accepted.expect("it waits there"))
    }

    /// A client of the first shard that has said this, and was heard.
    pub fn says(&mut self, bytes: impl AsRef<[u8]>) -> SimPeer {
        let peer = self.peer();
        peer.send(bytes);
        self.settle();
        peer
    }

    /// Publishes text to channels separated by commas.
    pub fn publish(&self, channels: &str, text: &str) -> Position {
        self.publish_for(Audience::All, channels, text)
    }

    /// The same for this audience.
    pub fn publish_for(&self, audience: Audience<'_>, channels: &str, text: &str) -> Position {
        let payload = Payload::new(text.as_bytes(), Kind::Either);
        let channels = channels.split(',').map(Box::from).collect();
        let payload = payload.limited_to(audience);
        let publish = Publish { channels, aliases: [].into_iter().collect(), payload, ttl: None };
        match self.exchange.publisher().publish(publish, None) {
            Ok(Receipt::Released(published)) => published.position,
            other => panic!("it is not released: {other:?}"),
        }
    }

    /// The cursor of a place.
    pub fn cursor(&self, position: Position) -> String {
        self.exchange.cursors().text(position)
    }

    /// Turns a shard once. A turn that began with sleep, and was woken by nothing before its time, must
    /// find nothing to do: otherwise a real shard would sleep over its work.
    pub fn turn(&mut self, number: usize) {
        if self.ended[number] {
            return;
        }
        let (calls, now) = (self.world.calls(), self.world.now());
        self.ended[number] = !self.shards[number].turn();
        let slept_in_vain = match self.shards[number].kernel().ask() {
            Ask::Busy => false,
            Ask::Until(time) => time > now + 1 && self.world.now() < time,
            Ask::Forever => true,
        };
        if slept_in_vain {
            let after = self.world.calls();
            let work =
                |calls: crate::kernel::Calls| (calls.reads, calls.writes, calls.shutdowns, calls.closes);
            assert_eq!(work(calls), work(after), "a shard wanted to sleep though it had work");
        }
    }

    /// Turns all shards until none has anything to do before its time. No time passes.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut rests = true;
            for number in 0..self.shards.len() {
                self.turn(number);
                rests &= self.ended[number] || self.rests(number);
            }
            if rests {
                return;
            }
        }
        panic!("the shards do not come to rest");
    }

    /// Lets time pass as it would: every shard wakes when it asked to.
    pub fn pass(&mut self, ms: u64) {
        let end = self.world.now() + ms;
        self.settle();
        while self.world.now() < end {
            let asks = self.shards.iter_mut().map(|shard| shard.kernel().ask());
            let wake = |ask| if let Ask::Until(time) = ask { time } else { u64::MAX };
            let next = asks.map(wake).min().unwrap_or(end);
            let now = self.world.now();
            self.world.pass(next.clamp(now + 1, end.max(now + 1)) - now);
            self.settle();
        }
    }

    fn rests(&mut self, number: usize) -> bool {
        match self.shards[number].kernel().ask() {
            Ask::Busy => false,
            Ask::Until(time) => time > self.world.now(),
            Ask::Forever => true,
        }
    }
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scene({} shards at {} ms)", self.shards.len(), self.world.now())
    }
}

/// Rounds after which shards that do not come to rest never will.
const ROUNDS_MAX: usize = 20_000;
