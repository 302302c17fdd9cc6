//! Runs the conversation files of Realplexor: what publishers say and ask, and what comes of it, at every cut
//! of the input.
//!
//! Settings: `online=a,b` are the channels somebody listens to, each time one more; `offline=a` those he left;
//! `users=` whom the users file lets; `limit=N` the most bytes of an input; `partial=on`; `end=open` leaves the
//! connection open; `pairs=5:a,7.5:b` is what a client of this dialect listens to; `held=…` is published before, an id at a time. Facts are those of the dialect of 2009, and
//! `publishes [CURSOR:ID …] "data" for [ID …]`, `refuses STATUS CODE`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::Users;
use dialect::Classic;
use dialect::hub::{ChannelId, Decimal, Epoch, Leave, Limits, Next, Start};
use exchange::{Clock, Exchange, Immediate, Listeners, Mail, Order};
use testkit::conversation::{Case, quoted, read_folder};
use tokio::time::sleep;

use super::{RealplexorIn, stats};
use crate::dialects::InDialects;
use crate::dialects::tests::{Conversation, Nobody, SHARD, line};
use crate::{InSettings, state::InLine};

#[test]
fn conversations_go_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/realplexor");
    let cases = read_folder(&folder, |_| None);
    assert!(cases.len() > 60);
    for case in cases {
        case.check(|parts| run(&case, parts));
    }
}

/// What it would have said is left out, and that is told.
#[test]
fn a_shard_that_says_nothing_holds_stats_up_for_a_while_only() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let line = line(exchange(2), InSettings::default());
    let said = runtime.block_on(async {
        tokio::spawn(shard(Arc::clone(&line), Vec::new()));
        stats::stats(&line).await
    });
    assert!(said.ends_with("[pairs_by_fhs]\n(shards that did not answer: 1)\n"), "{said}");
}

fn run(case: &Case, parts: &[&[u8]]) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let set = |name: &str| case.settings.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    let list = |name: &str| set(name).into_iter().flat_map(|names| names.split(',')).collect::<Vec<_>>();
    let exchange = exchange(1);
    let mut ids = Vec::new();
    for name in list("online") {
        let page = exchange.registry().subscribe(SHARD, &[name], Start::Now).unwrap();
        let Next::Live { channels, .. } = page.next else { panic!("nothing is read") };
        ids.push((name, channels[0]));
    }
    for name in list("offline") {
        let (_, channel) = ids.iter().find(|(known, _)| *known == name).unwrap();
        exchange.registry().leave(SHARD, &[Leave::waiting(*channel, 1)], Some(0));
        exchange.admin().tick();
    }
    let users = match set("users") {
        Some("closed") => Users::read(USERS, [0; 32]),
        Some(_) => Users::read(&format!(":\n{USERS}"), [0; 32]),
        None => Users::default(),
    };
    let mut realplexor = RealplexorIn { users: Arc::new(users), ..RealplexorIn::default() };
    realplexor.limit = case.setting("limit").unwrap_or(realplexor.limit);
    realplexor.partial = set("partial") == Some("on");
    let dialects = InDialects { realplexor: Arc::new(realplexor) };
    let settings = InSettings { hosts: vec!["push.example".into()], dialects, ..InSettings::default() };
    let line = line(exchange, settings);
    let pairs = list("pairs").into_iter().map(|pair| {
        let (cursor, name) = pair.split_once(':').unwrap();
        let (_, channel) = ids.iter().find(|(known, _)| *known == name).unwrap();
        (*channel, Decimal::read(cursor).unwrap())
    });
    let shard = shard(Arc::clone(&line), pairs.collect());
    runtime.block_on(async {
        tokio::spawn(shard);
        let items = list("held");
        let (limits, held): (Vec<&str>, Vec<&str>) = items.iter().partition(|item| item.starts_with('*'));
        for (number, item) in held.iter().enumerate() {
            let limits = if number > 0 { format!(",{}", limits.join(",")) } else { String::new() };
            let said = format!("identifier={item}{limits}\n\n{{}}").into_bytes();
            let talk =
                Conversation { parts: &[&said], ends: true, input: &said, dialect: Classic::Realplexor };
            talk.run(&line, published).await;
        }
        let ends = set("end") != Some("open");
        let talk = Conversation { parts, ends, input: &case.input, dialect: Classic::Realplexor };
        talk.run(&line, published).await.into_iter().map(refusal).collect()
    })
}

/// A shard, for whoever asks it: its connection of number 5 listens in these channels from these cursors on.
async fn shard(line: Arc<InLine>, pairs: Vec<(ChannelId, Decimal)>) {
    let mut mail = Vec::new();
    loop {
        line.exchange.shard(SHARD).take_mail(&mut mail);
        for mail in mail.drain(..) {
            if let Mail::Order(Order::Snapshot(snapshot)) = mail
                && let Some(snapshot) = snapshot.upgrade()
            {
                let listed = if pairs.is_empty() { Vec::new() } else { vec![(5, pairs.clone())] };
                snapshot.put(SHARD, Listeners { listed, more: 0 });
            }
        }
        sleep(Duration::from_millis(1)).await;
    }
}

fn exchange(shards: usize) -> Exchange {
    let limits = Limits::default();
    let wakers = (0..shards).map(|_| Arc::new(Nobody) as Arc<dyn exchange::Wake>).collect();
    Exchange::new(limits, Epoch::new(7), 1, Clock::system(), Box::new(Immediate), wakers)
}

/// A problem document in few words.
fn refusal(fact: String) -> String {
    let Some((_, rest)) = fact.split_once("says \"HTTP/1.1 4") else { return fact };
    let status = rest.get(..2).unwrap_or_default();
    let code = rest.split("\\\"code\\\":\\\"").nth(1).and_then(|rest| rest.split("\\\"").next());
    format!("refuses 4{status} {}", code.unwrap_or("?"))
}

fn published(line: &InLine, _: &[u8]) -> Vec<String> {
    let mut mail = Vec::new();
    line.exchange.shard(SHARD).take_mail(&mut mail);
    // Nobody need be there: what was published is held.
    drop(mail.into_iter().filter(|mail| matches!(mail, Mail::Delivery(_))));
    let mut names = Vec::new();
    line.exchange
        .admin()
        .channels(&|_, _| true, |found| names.extend(found.drain(..).map(|channel| channel.name)));
    let pages = names.iter().filter_map(|name| line.exchange.admin().history(name, Start::Everything, 9));
    let mut messages: Vec<_> = pages.flat_map(|page| page.messages).collect();
    messages.sort_by_key(|message| message.position);
    messages.dedup_by_key(|message| message.position);
    let fact = |message: &dialect::hub::Message| {
        let targets = message.targets().iter().map(|target| match &target.alias {
            Some(alias) => format!("{alias}:{}", target.name),
            None => target.name.to_string(),
        });
        let targets: Vec<String> = targets.collect();
        let limits = message.audience().channels().map(|ids| ids.collect::<Vec<_>>().join(" "));
        let limits = limits.map(|ids| format!(" for [{ids}]")).unwrap_or_default();
        format!("publishes [{}] {}{limits}", targets.join(" "), quoted(message.payload().data()))
    };
    messages.iter().map(fact).collect()
}

/// The hash is of `pw`, with the least work.
const USERS: &str = "joe:$apr1$ab.cdefg$0UUX1eMLXSgk8nNM7bfDv.\nann:plain\n";
