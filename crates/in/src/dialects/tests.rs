//! What the tests of all dialects need: a line, and publishers who say something on it.

use std::sync::Arc;
use std::time::Duration;

use dialect::Classic;
use dialect::hub::ShardId;
use exchange::{Exchange, Wake};
use testkit::conversation::quoted;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::{DialectState, Opener, begin};
use crate::{InSettings, state::InLine};

pub(crate) const SHARD: ShardId = ShardId(0);

/// Wakes nobody, as nobody sleeps.
pub(crate) struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

/// A line beside which there is nothing else.
pub(crate) fn line(exchange: Exchange, settings: InSettings) -> Arc<InLine> {
    let wait = crate::WaitLine {
        addresses: Vec::new(),
        counters: Box::new(Vec::new),
        asked: Box::new(Vec::new),
        certificates: None,
        webhooks: Box::new(Vec::new),
        reload: Box::new(|| Err("nothing can be reloaded".to_owned())),
        reloads: Arc::default(),
        upgrades: Arc::default(),
        settings: Box::new(|| None),
        lines_lost: || 0,
        notices: None,
        prefix: String::new(),
    };
    let dialects = DialectState::new(&settings.dialects, None);
    Arc::new(InLine::new(crate::routes::ROUTES, Arc::new(exchange), settings.into(), wait, None, dialects))
}

/// What a publisher says, and to whom.
pub(crate) struct Conversation<'a> {
    pub(crate) parts: &'a [&'a [u8]],
    /// It ends the connection then.
    pub(crate) ends: bool,
    pub(crate) input: &'a [u8],
    pub(crate) dialect: Classic,
}

impl Conversation<'_> {
    /// Says it, and tells what came of it; `published` tells the messages.
    pub(crate) async fn run(
        self,
        line: &Arc<InLine>,
        published: impl Fn(&InLine, &[u8]) -> Vec<String>,
    ) -> Vec<String> {
        let Self { parts, ends, input, dialect } = self;
        let (mut client, mut server) = duplex(1 << 20);
        let (_stop, stopped) = watch::channel(());
        let served = Arc::clone(line);
        let serving = tokio::spawn(async move { begin(&served, &mut server, dialect, stopped).await });
        for part in parts {
            // Whoever is done with the connection reads no more of it.
            let _ = client.write_all(part).await;
            rest(line).await;
        }
        if ends {
            let _ = client.shutdown().await;
            rest(line).await;
        }
        let mut said = Vec::new();
        while matches!(timeout(Duration::ZERO, client.read_buf(&mut said)).await, Ok(Ok(len)) if len > 0) {}
        let mut facts = published(line, input);
        if !said.is_empty() {
            facts.push(format!("says {}", quoted(&said)));
        }
        let waits = !serving.is_finished() && said.is_empty() && !is_over(&mut client).await;
        if waits {
            serving.abort();
            facts.push("waits".to_owned());
            return facts;
        }
        drop(client);
        facts.push(match serving.await.unwrap() {
            Opener::Done => "closes".to_owned(),
            Opener::Http(read) => {
                assert!(input.starts_with(&read), "what was read is handed on");
                "is HTTP".to_owned()
            }
        });
        facts
    }
}

/// Whether the other side has ended what it says.
async fn is_over(client: &mut tokio::io::DuplexStream) -> bool {
    matches!(timeout(Duration::ZERO, client.read(&mut [0])).await, Ok(Ok(0)))
}

/// Lets all tasks do what they can do now.
async fn rest(line: &InLine) {
    for _ in 0..20 {
        yield_now().await;
        // Passwords are checked in a thread of their own, and shards have to be asked.
        let state = &line.dialects.realplexor;
        while !state.password_checks.is_idle() || state.snapshots.available_permits() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
}
