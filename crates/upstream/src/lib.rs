//! Whom we ask: the application's hook who a client is, and a URL for the keys that tokens are signed with.
//!
//! Shards put questions into the exchange and ring a bell; here they are taken, asked, and answered by mail.
//! The only HTTP client of the server is here.

mod bell;
mod counters;
mod hook;
mod http;
mod keys;
mod tell;

pub mod limits;

use std::io;
use std::sync::Arc;

use access::{About, Question};
use exchange::Exchange;
pub use hyper::Uri;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

pub use bell::{Ear, bell};
pub use counters::Counters;
pub use hook::Hook;

use http::Client;

/// Whom to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Who says who a client is.
    pub hook: Option<Hook>,
    /// Where there are keys for tokens.
    pub keys: Option<Uri>,
}

impl Settings {
    /// Whether nobody is ever asked.
    pub fn is_empty(&self) -> bool {
        self.hook.is_none() && self.keys.is_none()
    }
}

/// Something that was done meanwhile.
enum Done {
    Called(hook::Called),
    Fetched(keys::Fetched),
}

/// Answers questions for ever. `ear` hears the bell that shards ring. An error: the bell is broken, or the system has no certificates to check others by.
pub async fn serve(
    settings: Settings,
    exchange: Arc<Exchange>,
    ear: Ear,
    counters: Arc<Counters>,
) -> io::Result<()> {
    let urls = settings.hook.as_ref().map(|hook| &hook.url).into_iter().chain(&settings.keys);
    let client = Client::new(urls)?;
    let new_hook =
        |hook| hook::Asking::new(hook, client.clone(), Arc::clone(&exchange), Arc::clone(&counters));
    let mut hook = settings.hook.map(new_hook);
    let new_keys = |url| keys::Keys::new(url, client.clone(), Arc::clone(&exchange), Arc::clone(&counters));
    let mut keys = settings.keys.map(new_keys);
    let ear = ear.listen()?;
    let mut work: JoinSet<Done> = JoinSet::new();
    loop {
        let due = keys.as_ref().map(keys::Keys::due);
        let mut calls = Vec::new();
        let mut fetch = None;
        tokio::select! {
                    rung = ear.readable() => {
                        rung?;
                        // How often it was rung does not matter.
                        let _ = ear.try_read(&mut [0; 64]);
                        for inquiry in exchange.asked() {
                            let Ok(question) = inquiry.downcast::<Question>() else { continue };
                            match (&question.about, &mut hook, &mut keys) {
                                (About::Headers(_), Some(hook), _) => hook.ask(*question, &mut calls),
        (About::Keys, _, Some(keys)) => {
         if let Some(begun) = keys.ask(question.shard) { fetch = Some(begun); }
         }
                                _ => {}
                            }
                        }
                    }
                    Some(done) = work.join_next() => match (done, &mut hook, &mut keys) {
                        (Ok(Done::Called(called)), Some(hook), _) => hook.called(called, &mut calls),
                        (Ok(Done::Fetched(fetched)), _, Some(keys)) => keys.fetched(fetched),
                        (Err(error), ..) => return Err(io::Error::other(error)),
                        _ => {}
                    },
                    () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                        fetch = keys.as_mut().and_then(keys::Keys::tick);
                    }
                }
        for call in calls {
            work.spawn(async { Done::Called(call.make().await) });
        }
        if let Some(fetch) = fetch {
            work.spawn(async { Done::Fetched(fetch.make().await) });
        }
    }
}
