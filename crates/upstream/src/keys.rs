//! Keys at a URL: fetched at the start and once in a while, and when a token names one that is not known.
//!
//! Keys that cannot be fetched again count for a day. Shards get them as snapshots that never change.

use std::sync::Arc;
use std::time::Duration;

use access::{AuthAnswer, AuthFinding, FoundKeys, Subject, Verdict, read_jwks};
use exchange::Commands;
use exchange::hub::WallTime;
use http_body_util::Full;
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{Request, Uri};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::Parts;
use crate::counters::Counters;
use crate::http::{Client, told};
use crate::limits::{KEYS_AGE, KEYS_LEN_MAX, KEYS_RETRY, KEYS_STALE_MAX, KEYS_TIMEOUT};
use crate::tell::tell;

/// The keys of a URL, as far as they are known.
pub(crate) struct UrlKeys {
    url: Uri,
    client: Client,
    findings: Arc<Commands<AuthFinding>>,
    counters: Arc<Counters>,
    found: FoundKeys,
    /// When they were last fetched with success.
    fetched: Option<Instant>,
    /// When the last fetch began.
    tried: Option<Instant>,
    under_way: bool,
    /// Shards that wait for the fetch under way.
    asked: Vec<u16>,
}

/// A fetch that has ended.
pub(crate) struct Fetched(Result<FoundKeys, String>);

/// A fetch that is to be made.
pub(crate) struct Fetch {
    url: Uri,
    client: Client,
}

impl UrlKeys {
    pub(crate) fn new(url: Uri, Parts { client, findings, counters, .. }: Parts) -> Self {
        Self {
            url,
            client,
            findings,
            counters,
            found: FoundKeys::default(),
            fetched: None,
            tried: None,
            under_way: false,
            asked: Vec::new(),
        }
    }

    /// A shard has a token that names a key it does not know.
    pub(crate) fn ask(&mut self, shard: u16) -> Option<Fetch> {
        let fetch = self.begin(KEYS_RETRY);
        if self.under_way {
            if !self.asked.contains(&shard) {
                self.asked.push(shard);
            }
        } else {
            tell(&self.findings, shard, &again());
        }
        fetch
    }

    /// When something is due next.
    pub(crate) fn due(&self) -> Instant {
        let wait = if self.is_fresh() { KEYS_AGE } else { KEYS_RETRY };
        self.tried.map_or_else(Instant::now, |tried| tried + wait)
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self) -> Option<Fetch> {
        if self.fetched.is_some_and(|fetched| fetched.elapsed() >= KEYS_STALE_MAX) && !self.found.0.is_empty()
        {
            error!(url = told(&self.url), "keys could not be fetched for a day; they count no longer");
            self.put(FoundKeys::default());
        }
        self.begin(Duration::ZERO)
    }

    /// Begins a fetch, unless one is under way or was so lately.
    fn begin(&mut self, after: Duration) -> Option<Fetch> {
        if self.under_way || self.tried.is_some_and(|tried| tried.elapsed() < after) {
            return None;
        }
        (self.under_way, self.tried) = (true, Some(Instant::now()));
        self.counters.keys_fetched.add();
        Some(Fetch { url: self.url.clone(), client: self.client.clone() })
    }

    /// A fetch has ended.
    pub(crate) fn fetched(&mut self, fetched: Fetched) {
        self.under_way = false;
        match fetched.0 {
            Ok(found) => {
                self.fetched = Some(Instant::now());
                if found != self.found {
                    info!(keys = found.0.len(), "keys for tokens were fetched");
                    self.put(found);
                }
            }
            Err(why) => {
                self.counters.keys_failed.add();
                warn!(
                    url = told(&self.url),
                    why,
                    known = self.found.0.len(),
                    "keys for tokens could not be fetched"
                );
            }
        }
        for shard in std::mem::take(&mut self.asked) {
            tell(&self.findings, shard, &again());
        }
    }

    fn put(&mut self, found: FoundKeys) {
        self.counters.keys_known.set(found.0.len());
        self.found = found.clone();
        if !self.findings.put_all(&AuthFinding::Keys(Arc::new(found))) {
            // The next look at them is soon, and then they are new to us again.
            warn!("a shard takes no commands; it gets the keys for tokens later");
            (self.found, self.fetched) = (FoundKeys::default(), None);
        }
    }

    fn is_fresh(&self) -> bool {
        self.fetched.is_some_and(|fetched| self.tried.is_none_or(|tried| fetched >= tried))
    }
}

impl Fetch {
    pub(crate) async fn make(self) -> Fetched {
        Fetched(self.keys().await)
    }

    async fn keys(self) -> Result<FoundKeys, String> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = self.url;
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        let answer = self.client.ask(request, KEYS_TIMEOUT, KEYS_LEN_MAX).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        if answer.status().as_u16() != 200 {
            return Err(format!(
                "it answers {}; it must answer 200 with a JWK set",
                answer.status().as_u16()
            ));
        }
        read_jwks(answer.body()).map(FoundKeys)
    }
}

fn again() -> Arc<Verdict> {
    Arc::new(Verdict { subject: Subject::KEYS, until: WallTime::PAST, said: AuthAnswer::Again })
}
