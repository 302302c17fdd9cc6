//! Runs the conversation files of this line: what publishers of 2009 send, and what comes of it, at every
//! cut of the input.
//!
//! The format is told in `testkit::conversation`. Settings: `online=a,b` are the channels somebody listens
//! to, `limit=N` the most bytes of a message, `end=open` leaves the connection open. Facts: `publishes [a b]
//! "data"`, `says "bytes"`, and last what became of the connection: `closes`, `waits` for more, `is HTTP`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dialect::Classic;
use dialect::hub::{Epoch, Limits, ShardId, Start};
use exchange::{Clock, Exchange, Immediate, Mail, Wake};
use testkit::conversation::{Case, quoted, read_folder};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::{Opener, begin};
use crate::realplexor;
use crate::{LegacyState, Settings, state::InLine};

pub(crate) const SHARD: ShardId = ShardId(0);

/// Wakes nobody, as nobody sleeps.
pub(crate) struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

#[test]
fn conversations_go_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations");
    let cases = read_folder(&folder, |_| None);
    assert!(cases.len() > 30);
    for case in cases {
        case.check(|parts| run(&case, parts));
    }
}

fn run(case: &Case, parts: &[&[u8]]) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let set = |name: &str| case.settings.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    let exchange = Exchange::new(
        Limits::default(),
        Epoch::new(7),
        1,
        Clock::system(),
        Box::new(Immediate),
        vec![Arc::new(Nobody)],
    );
    for name in set("online").into_iter().flat_map(|names| names.split(',')) {
        exchange.registry().subscribe(SHARD, &[name], Start::Now).unwrap();
    }
    let mut settings = Settings { hosts: vec!["push.example".into()], ..Settings::default() };
    settings.classic_limit = case.setting("limit").unwrap_or(settings.classic_limit);
    let line = line(exchange, settings);
    let talk =
        Conversation { parts, ends: set("end") != Some("open"), input: &case.input, dialect: Classic::Dklab };
    runtime.block_on(talk.run(&line, published))
}

/// A line beside which there is nothing else.
pub(crate) fn line(exchange: Exchange, settings: Settings) -> Arc<InLine> {
    let wait = crate::WaitLine {
        addresses: Vec::new(),
        counters: Box::new(Vec::new),
        asked: Box::new(Vec::new),
        certificates: None,
        webhooks: Box::new(Vec::new),
        reload: Box::new(|| Err("nothing can be reloaded".to_owned())),
        reloads: Arc::default(),
        settings: Box::new(|| None),
        lines_lost: || 0,
        notices: None,
        prefix: String::new(),
    };
    let legacy = LegacyState::new(&settings.realplexor, None);
    Arc::new(InLine::new(crate::routes::ROUTES, Arc::new(exchange), settings.into(), wait, None, legacy))
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
        let serving = tokio::spawn(async move {
            match dialect {
                Classic::Realplexor => realplexor::begin(&served, &mut server, stopped).await,
                _ => begin(&served, &mut server, stopped).await,
            }
        });
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
        while !line.legacy.password_checks.is_idle() || line.legacy.snapshots.available_permits() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

fn published(line: &InLine, input: &[u8]) -> Vec<String> {
    let mut mail = Vec::new();
    line.exchange.shard(SHARD).take_mail(&mut mail);
    let fact = |mail: &Mail| {
        let Mail::Delivery(delivery) = mail else { panic!("{mail:?}") };
        let payload = delivery.message.payload();
        assert_eq!(payload.bytes, input, "a message is all that was sent");
        let names: Vec<&str> = delivery.message.targets().iter().map(|target| &*target.name).collect();
        let kind = payload.content_type.map(|kind| format!(" as {kind}")).unwrap_or_default();
        format!("publishes [{}] {}{kind}", names.join(" "), quoted(payload.data()))
    };
    mail.iter().map(fact).collect()
}
