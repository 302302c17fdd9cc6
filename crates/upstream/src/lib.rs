//! Whom we ask, and whom we tell: the application's hook who a client is, a URL for the keys that tokens are signed with, the
//! application itself for what is not ours; and its webhooks what comes about.
//!
//! Shards put questions into a queue; here they are taken, asked, and answered by mail.
//! The only HTTP client of the server is here.

mod counters;
mod hook;
mod http;
mod keys;
mod messages;
mod page;
mod relay;
mod tell;
mod turns;
mod webhooks;

pub mod limits;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use access::{About, AuthFinding, Question};
use exchange::{Commands, Exchange, Questions};
pub use hyper::{self, Uri};
use tokio::net::unix::pipe;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::error;

pub use counters::Counters;
pub use hook::{Hook, is_of_one_request};
pub use messages::PublishHook;
pub use page::Takeover;
pub use relay::{Relayed, answered, request};
pub use webhooks::{
    EventType, EventTypes, LastCall, TestAnswer, Webhook, WebhookDesk, WebhookStatus, Webhooks,
    serve_webhooks, test_webhook,
};

use http::Client;

/// Whom to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Who says who a client is.
    pub hook: Option<Hook>,
    /// Where there are keys for tokens.
    pub keys: Option<Uri>,
    /// Where requests go that are not ours.
    pub takeover: Option<Takeover>,
    /// Who says whether a client's message may be said.
    pub publish: Option<PublishHook>,
}

impl UpstreamSettings {
    /// Whether nobody is ever asked.
    pub fn is_empty(&self) -> bool {
        self.hook.is_none() && self.keys.is_none() && self.takeover.is_none() && self.publish.is_none()
    }
}

/// Something that was done meanwhile.
enum Done {
    Called(hook::Called),
    Fetched(keys::Fetched),
    Passed(page::PassedRequest),
    Asked(messages::MessageCalled),
}

/// All who are asked.
struct All {
    hook: Option<hook::HookCalls>,
    keys: Option<keys::UrlKeys>,
    pages: Option<page::AppPages>,
    messages: Option<messages::MessageCalls>,
}

/// What each of them needs.
struct Parts {
    client: Client,
    exchange: Arc<Exchange>,
    findings: Arc<Commands<AuthFinding>>,
    counters: Arc<Counters>,
}

/// Where questions come from, and answers go.
#[derive(Debug)]
pub struct Inbox {
    /// What shards want to know.
    pub questions: Arc<Questions<Question>>,
    /// Becomes readable when there are questions.
    pub notices: OwnedFd,
    /// What shards are told.
    pub findings: Arc<Commands<AuthFinding>>,
}

/// What is under way.
type Work = JoinSet<Done>;

/// Answers questions for ever. An error: their notices cannot be heard.
pub async fn serve(
    settings: UpstreamSettings,
    exchange: Arc<Exchange>,
    inbox: Inbox,
    counters: Arc<Counters>,
) -> io::Result<()> {
    let urls = settings.hook.as_ref().map(|hook| &hook.url).into_iter().chain(&settings.keys);
    let urls = urls.chain(settings.takeover.as_ref().map(|takeover| &takeover.url));
    let client = Client::new(urls.chain(settings.publish.as_ref().map(|publish| &publish.url)));
    let Inbox { questions, notices, findings } = inbox;
    let parts = || Parts {
        client: client.clone(),
        exchange: Arc::clone(&exchange),
        findings: Arc::clone(&findings),
        counters: Arc::clone(&counters),
    };
    let mut all = All {
        hook: settings.hook.map(|hook| hook::HookCalls::new(hook, parts())),
        keys: settings.keys.map(|url| keys::UrlKeys::new(url, parts())),
        pages: settings.takeover.map(|takeover| page::AppPages::new(takeover, parts())),
        messages: settings.publish.map(|publish| messages::MessageCalls::new(publish, parts())),
    };
    // An eventfd is read as a pipe is.
    let notices = pipe::Receiver::from_owned_fd_unchecked(notices)?;
    let mut work = Work::new();
    loop {
        let due = all.keys.as_ref().map(keys::UrlKeys::due);
        tokio::select! {
            noticed = notices.readable() => {
                noticed?;
                // How often it was written does not matter.
                let _ = notices.try_read(&mut [0; 8]);
                questions.take().into_iter().for_each(|question| all.ask(question, &mut work));
            }
            Some(done) = work.join_next() => match done {
                Ok(done) => all.done(done, &mut work),
                // Who waits for it is refused in time; all others are still served.
                Err(error) => error!(%error, "a call broke down"),
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                fetch(all.keys.as_mut().and_then(keys::UrlKeys::tick), &mut work);
            }
        }
    }
}

impl All {
    fn ask(&mut self, question: Question, work: &mut Work) {
        match (&question.about, self) {
            (About::Headers(_), Self { hook: Some(hook), .. }) => {
                call(|calls| hook.ask(question, calls), work)
            }
            (About::Keys, Self { keys: Some(keys), .. }) => fetch(keys.ask(question.shard), work),
            (About::Page(_), Self { pages: Some(pages), .. }) => {
                pass(|passes| pages.ask(question, passes), work);
            }
            (About::Message(_), Self { messages: Some(messages), .. }) => {
                ask_about(|calls| messages.ask(question, calls), work);
            }
            // Whoever is not set is not asked.
            _ => {}
        }
    }

    fn done(&mut self, done: Done, work: &mut Work) {
        match (done, self) {
            (Done::Called(called), Self { hook: Some(hook), .. }) => {
                call(|calls| hook.called(called, calls), work);
            }
            (Done::Fetched(fetched), Self { keys: Some(keys), .. }) => keys.fetched(fetched),
            (Done::Passed(passed), Self { pages: Some(pages), .. }) => {
                pass(|passes| pages.passed(passed, passes), work);
            }
            (Done::Asked(called), Self { messages: Some(messages), .. }) => {
                ask_about(|calls| messages.called(called, calls), work);
            }
            _ => {}
        }
    }
}

/// Begins the calls of the hook that this leads to.
fn call(lead: impl FnOnce(&mut Vec<hook::Call>), work: &mut Work) {
    let mut calls = Vec::new();
    lead(&mut calls);
    for call in calls {
        work.spawn(async { Done::Called(call.make().await) });
    }
}

/// Passes on the requests that this leads to.
fn pass(lead: impl FnOnce(&mut Vec<page::Pass>), work: &mut Work) {
    let mut passes = Vec::new();
    lead(&mut passes);
    for pass in passes {
        work.spawn(async { Done::Passed(pass.make().await) });
    }
}

/// Begins the calls about messages that this leads to.
fn ask_about(lead: impl FnOnce(&mut Vec<messages::MessageCall>), work: &mut Work) {
    let mut calls = Vec::new();
    lead(&mut calls);
    for call in calls {
        work.spawn(async { Done::Asked(call.make().await) });
    }
}

/// Begins to fetch keys, where it is time.
fn fetch(begun: Option<keys::Fetch>, work: &mut Work) {
    if let Some(begun) = begun {
        work.spawn(async { Done::Fetched(begun.make().await) });
    }
}
