//! What may be set about coming in.

use std::sync::Arc;
use std::time::Duration;

use access::{Keyring, Proxies};
use exchange::Network;
use tokio::sync::watch;

use crate::dialects::InDialects;
use crate::limits::{
    CLASSIC_LEN_MAX, CLASSIC_TIMEOUT, HEARTBEAT, IDEMPOTENCY_AGE, IDEMPOTENCY_KEYS_MAX, KEEP_ALIVE,
    KEEP_ALIVE_EXTRA, PAYLOAD_LEN_MAX, POLL_TIMEOUT, PUBLISH_WAIT, REQUEST_TIMEOUT, SIGN_IN_AGE,
    TLS_HANDSHAKES_MAX,
};
use crate::quotas::Rates;

/// What may be set about coming in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InSettings {
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
    /// What is set about dialects at the start.
    pub dialects: InDialects,
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

/// What is set now: a snapshot each time, since it may change while requests are under way.
#[derive(Debug, Clone)]
pub struct LiveSettings(watch::Receiver<Arc<InSettings>>);

impl LiveSettings {
    /// As they are now.
    #[inline]
    pub(crate) fn now(&self) -> Arc<InSettings> {
        Arc::clone(&self.0.borrow())
    }

    /// Waits until they are others. False: they never will be.
    pub(crate) async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

impl From<watch::Receiver<Arc<InSettings>>> for LiveSettings {
    fn from(newest: watch::Receiver<Arc<InSettings>>) -> Self {
        Self(newest)
    }
}

impl From<InSettings> for LiveSettings {
    /// They stay as they are.
    fn from(settings: InSettings) -> Self {
        Self(watch::channel(Arc::new(settings)).1)
    }
}

impl InSettings {
    /// How long a connection may be silent between two requests: a moment longer than its client is told, since one sent
    /// in the last moment is still on its way.
    pub(crate) fn silence_max(&self) -> Duration {
        self.keep_alive + KEEP_ALIVE_EXTRA
    }
}

impl Default for InSettings {
    fn default() -> Self {
        Self {
            payload_limit: PAYLOAD_LEN_MAX,
            keys: Keyring::default(),
            sign_in_age: SIGN_IN_AGE,
            hosts: Vec::new(),
            classic_limit: CLASSIC_LEN_MAX,
            classic_timeout: CLASSIC_TIMEOUT,
            dialects: InDialects::default(),
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
