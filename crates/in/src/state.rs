//! What the requests of the IN line share, by what it is about.

use std::sync::{Arc, OnceLock};

use exchange::hub::Stage;
use exchange::{Exchange, OrderFollower, Publisher, Wake, WakeBatch};
use tokio::sync::Semaphore;

use crate::canary::Canaries;
use crate::connections::Connections;
use crate::counters::InCounters;
use crate::dialects::DialectState;
use crate::idempotency::Idempotency;
use crate::limits::SURVEYS_MAX;
use crate::notifier::Flusher;
use crate::quotas::RateQuotas;
use crate::route::Route;
use crate::settings::{InSettings, LiveSettings};
use crate::sign_ins::SignIns;
use crate::sources::{Sources, StoreLine, WaitLine};

/// The line, as a request sees it. Each part knows nothing of the others.
pub(crate) struct InLine {
    /// What is answered at which address.
    pub(crate) routes: &'static [Route<Arc<Self>>],
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) settings: LiveSettings,
    pub(crate) counters: InCounters,
    pub(crate) connections: Connections,
    pub(crate) rates: RateQuotas,
    pub(crate) sign_ins: SignIns,
    pub(crate) idempotency: Idempotency,
    /// Who wakes the shards for what is in the batch.
    pub(crate) flusher: Arc<Flusher>,
    batch: WakeBatch,
    pub(crate) canaries: Arc<Canaries>,
    /// Once somebody has watched users, what is told of them is kept for whoever comes back.
    pub(crate) follows_users: OnceLock<OrderFollower>,
    /// Places for questions about users.
    pub(crate) surveys: Semaphore,
    pub(crate) sources: Sources,
    pub(crate) dialects: DialectState,
}

impl InLine {
    pub(crate) fn new(
        routes: &'static [Route<Arc<Self>>],
        exchange: Arc<Exchange>,
        live: LiveSettings,
        wait: WaitLine,
        store: Option<StoreLine>,
        dialects: DialectState,
    ) -> Self {
        let (answered, store) =
            store.map_or_else(Default::default, |store| (store.answered, Some(store.counters)));
        let flusher = Arc::<Flusher>::default();
        let settings = live.now();
        Self {
            routes,
            exchange,
            counters: InCounters::default(),
            connections: Connections::new(settings.tls_handshakes),
            rates: RateQuotas::new(settings.publish_rate, settings.address_rates, settings.key_rates),
            sign_ins: SignIns::new(settings.sign_in_age),
            idempotency: Idempotency::new(settings.idempotency_age, settings.idempotency_keys, answered),
            batch: WakeBatch::new(Arc::clone(&flusher) as Arc<dyn Wake>),
            flusher,
            canaries: Arc::default(),
            follows_users: OnceLock::new(),
            surveys: Semaphore::new(SURVEYS_MAX),
            sources: Sources { wait, store },
            dialects,
            settings: live,
        }
    }

    /// The port through which single messages are published: shards are woken once for all of a turn.
    pub(crate) fn publisher(&self) -> Publisher<'_> {
        self.exchange.publisher().in_batch(&self.batch)
    }

    /// The program ends: from now on the line is not ready for more.
    pub(crate) fn drain(&self) {
        self.exchange.admin().set_stage(Stage::Ending);
        self.end_connections();
    }

    /// All connections are to end, by an answer to what is under way.
    pub(crate) fn end_connections(&self) {
        self.connections.drain();
        self.exchange.admin().wake_all_followers();
    }

    /// Whether each answer is the last of its connection, since the program is about to end, or another one goes on.
    pub(crate) fn is_ending(&self) -> bool {
        self.exchange.stage() == Stage::Ending || self.connections.are_draining()
    }

    /// What is set now. One request asks once for what must go together.
    #[inline]
    pub(crate) fn settings(&self) -> Arc<InSettings> {
        self.settings.now()
    }

    /// What was made of the settings at the start is made of those of now.
    pub(crate) fn take_settings(&self) {
        let settings = self.settings();
        self.rates.set(settings.publish_rate, settings.address_rates, settings.key_rates);
        self.connections.handshakes.set_max(settings.tls_handshakes);
        // Whoever watches by a key that is gone is to look again.
        self.exchange.admin().wake_all_followers();
    }
}
