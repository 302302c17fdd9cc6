//! What all requests of the IN line share.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use access::{Keyring, Proxies};
use exchange::hub::{Answered, Asker, Stage};
use exchange::{Exchange, Keys, Network, Published, Receipt, SharedPlaces};
use tokio::sync::{Mutex, Semaphore, watch};

use crate::counters::InCounters;
use crate::handshake::HandshakeSlot;
use crate::limits::{
    CLASSIC_LEN_MAX, CLASSIC_TIMEOUT, CONNECTIONS_MAX, HEARTBEAT, IDEMPOTENCY_AGE, IDEMPOTENCY_KEYS_MAX,
    KEEP_ALIVE, KEEP_ALIVE_EXTRA, PAYLOAD_LEN_MAX, POLL_TIMEOUT, PUBLISH_WAIT, REQUEST_TIMEOUT, SIGN_IN_AGE,
    SIGN_INS_MAX, TLS_HANDSHAKES_MAX, WRONG_KEYS_PER_S_MAX,
};
use crate::notifier::ShardNotifier;
use crate::placement::FirstPublish;
use crate::probes::Canaries;
use crate::quotas::{RateQuotas, Rates};
use crate::rate::Rate;
use crate::realplexor::{PasswordChecks, Realplexor};
use crate::sign_in::SignIn;

/// What may be set about coming in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a message at the most.
    pub payload_limit: usize,
    /// Who may use the line; none: whoever reaches it.
    pub keys: Keyring,
    /// How long somebody who signed in with a key need not do so again.
    pub sign_in_age: Duration,
    /// Names by which the line may be called, beside IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Bytes of a message in the words of 2009, its head included.
    pub classic_limit: usize,
    /// How long such a message may take.
    pub classic_timeout: Duration,
    /// What is set about the dialect of Realplexor at the start.
    pub realplexor: Realplexor,
    /// How long a publish waits when a shard owes its readers too much, before it is refused.
    pub publish_wait: Duration,
    /// How long a repeat under the same key gets the first answer; zero: not at all.
    pub idempotency_age: Duration,
    /// Keys remembered at once; one of a message to several channels counts as so many.
    pub idempotency_keys: usize,
    /// Messages a second in all; 0: any number.
    pub publish_rate: u32,
    /// What one address may have.
    pub address_rates: Rates,
    /// What one API key may have.
    pub key_rates: Rates,
    /// Bits of an address of IPv6 that tell one from another.
    pub address_prefix: u8,
    /// Proxies that are believed when they say whose connections and requests they pass on.
    pub proxies: Proxies,
    /// How long a request may take, from its first byte to its last.
    pub request_timeout: Duration,
    /// How long a connection stays open for a further request, at least.
    pub keep_alive: Duration,
    /// Handshakes of TLS under way at once.
    pub tls_handshakes: usize,
    /// How long a long poll of `/watch` waits.
    pub poll_timeout: Duration,
    /// How long a stream of `/watch` may be silent.
    pub heartbeat: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            payload_limit: PAYLOAD_LEN_MAX,
            keys: Keyring::default(),
            sign_in_age: SIGN_IN_AGE,
            hosts: Vec::new(),
            classic_limit: CLASSIC_LEN_MAX,
            classic_timeout: CLASSIC_TIMEOUT,
            realplexor: Realplexor::default(),
            publish_wait: PUBLISH_WAIT,
            idempotency_age: IDEMPOTENCY_AGE,
            idempotency_keys: IDEMPOTENCY_KEYS_MAX,
            publish_rate: 0,
            address_rates: Rates::default(),
            key_rates: Rates::default(),
            address_prefix: Network::PREFIX_MAX,
            proxies: Proxies::default(),
            request_timeout: REQUEST_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            tls_handshakes: TLS_HANDSHAKES_MAX,
            poll_timeout: POLL_TIMEOUT,
            heartbeat: HEARTBEAT,
        }
    }
}

/// Name and value of each counter of one shard.
pub type ShardCounters = Vec<(&'static str, u64)>;

/// Reads counters that belong to somebody else, by shard.
pub type ReadCounters = Box<dyn Fn() -> Vec<ShardCounters> + Send + Sync>;

/// What became of the files of certificates.
#[derive(Debug, Default)]
pub struct CertificateNews {
    /// Times new ones were read and are shown.
    pub reloads: AtomicU64,
    /// Times new ones could not be used.
    pub failures: AtomicU64,
    /// When the first of those that are shown ends, in Unix time.
    pub not_after: AtomicI64,
}

/// The WAIT line, as far as it is known here.
pub struct WaitLine {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// What stands before its paths.
    pub prefix: String,
    /// Reads its counters.
    pub counters: ReadCounters,
    /// What becomes of the certificates of both lines; `None`: neither speaks TLS.
    pub certificates: Option<Arc<CertificateNews>>,
    /// Reads what is counted of asking others about its clients.
    pub asked: Box<dyn Fn() -> ShardCounters + Send + Sync>,
    /// Reads how many lines of the log were left out.
    pub lines_lost: fn() -> u64,
    /// Becomes readable when there is more for those who follow the order; `None`: they are woken by whoever finds it.
    pub notices: Option<OwnedFd>,
}

/// The store, as far as it is known here.
pub struct StoreLine {
    /// Keys that came before the program was started anew, in order, and what was answered.
    pub answered: Vec<Answered>,
    /// Reads its counters.
    pub counters: Box<dyn Fn() -> ShardCounters + Send + Sync>,
}

/// The line, as a request sees it.
pub(crate) struct InLine {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) settings: Settings,
    /// What is set about the dialect of Realplexor now.
    pub(crate) realplexor: watch::Receiver<Arc<Realplexor>>,
    /// What came of the message under each key; held while the first who came with it is under way.
    pub(crate) keys: Keys<Arc<Mutex<Option<FirstPublish>>>>,
    /// Who signed in, by what is kept of the cookie.
    pub(crate) sign_ins: Keys<Arc<SignIn>>,
    pub(crate) wrong_keys: Rate,
    pub(crate) rate: Rate,
    pub(crate) shares: RateQuotas,
    pub(crate) bell: ShardNotifier,
    pub(crate) counters: InCounters,
    pub(crate) canaries: Arc<Canaries>,
    pub(crate) wait: WaitLine,
    /// One permit a password that is being checked.
    pub(crate) password_checks: PasswordChecks,
    /// Those whose handshake of TLS is under way.
    pub(crate) handshakes: SharedPlaces<HandshakeSlot, Asker>,
    /// To ask the shards who listens: one at a time, so that their mailboxes keep room.
    pub(crate) snapshots: Semaphore,
    /// Reads the counters of the store, if there is one.
    pub(crate) store: Option<Box<dyn Fn() -> ShardCounters + Send + Sync>>,
    /// One permit a connection.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) started: Instant,
    draining: AtomicBool,
}

impl InLine {
    pub(crate) fn new(
        exchange: Arc<Exchange>,
        settings: Settings,
        wait: WaitLine,
        store: Option<StoreLine>,
        realplexor: Option<watch::Receiver<Arc<Realplexor>>>,
    ) -> Self {
        let as_set = || watch::channel(Arc::new(settings.realplexor.clone())).1;
        let (answered, store) =
            store.map_or_else(Default::default, |store| (store.answered, Some(store.counters)));
        let line = Self {
            store,
            exchange,
            keys: Keys::new(
                u64::try_from(settings.idempotency_age.as_millis()).unwrap_or(u64::MAX),
                settings.idempotency_keys,
            ),
            sign_ins: Keys::new(
                u64::try_from(settings.sign_in_age.as_millis()).unwrap_or(u64::MAX),
                SIGN_INS_MAX,
            ),
            wrong_keys: Rate::new(WRONG_KEYS_PER_S_MAX),
            rate: Rate::new(settings.publish_rate),
            shares: RateQuotas::new(settings.address_rates, settings.key_rates),
            bell: ShardNotifier::default(),
            realplexor: realplexor.unwrap_or_else(as_set),
            handshakes: SharedPlaces::new(settings.tls_handshakes),
            settings,
            counters: InCounters::default(),
            canaries: Arc::default(),
            wait,
            password_checks: PasswordChecks::new(),
            snapshots: Semaphore::new(1),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            started: Instant::now(),
            draining: AtomicBool::new(false),
        };
        for Answered { key, time, position, seen } in answered {
            let weight = seen.len();
            let receipt = Receipt::Released(Published { position, seen });
            let first = FirstPublish { hash: key.hash, receipt };
            line.keys.keep(&key.id(), weight, time, Arc::new(Mutex::new(Some(first))));
        }
        line
    }

    /// Bytes that a message to all of these channels may have.
    pub(crate) fn payload_limit(&self, channels: &[impl AsRef<str>]) -> usize {
        let limit = self.exchange.payload_limit(channels, self.settings.payload_limit as u64);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// The program ends: from now on the line is not ready for more.
    pub(crate) fn drain(&self) {
        self.exchange.set_stage(Stage::Ending);
        self.draining.store(true, Ordering::Relaxed);
        self.exchange.wake_followers();
    }

    /// Whether each answer is the last of its connection, since the program is about to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.exchange.stage() == Stage::Ending
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// How long a connection may be silent between two requests: a moment longer than its client is told, since one sent
    /// in the last moment is still on its way.
    pub(crate) fn silence_max(&self) -> Duration {
        self.settings.keep_alive + KEEP_ALIVE_EXTRA
    }

    /// What a client is told of that, in the header `Keep-Alive`.
    pub(crate) fn keep_alive(&self) -> String {
        format!("timeout={}", self.settings.keep_alive.as_secs())
    }

    /// Connections open now.
    pub(crate) fn connections_open(&self) -> usize {
        CONNECTIONS_MAX - self.connections.available_permits()
    }
}
