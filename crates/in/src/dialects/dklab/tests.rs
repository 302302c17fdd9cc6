//! Runs the conversation files of this line: what publishers of 2009 send, and what comes of it, at every
//! cut of the input.
//!
//! The format is told in `testkit::conversation`. Settings: `online=a,b` are the channels somebody listens
//! to, `limit=N` the most bytes of a message, `end=open` leaves the connection open. Facts: `publishes [a b]
//! "data"`, `says "bytes"`, and last what became of the connection: `closes`, `waits` for more, `is HTTP`.

use std::path::Path;
use std::sync::Arc;

use dialect::Classic;
use dialect::hub::{Epoch, Limits, Start};
use exchange::{Clock, Exchange, Immediate, Mail};
use testkit::conversation::{Case, quoted, read_folder};

use crate::dialects::tests::{Conversation, Nobody, SHARD, line};
use crate::{InSettings, state::InLine};

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
    let mut settings = InSettings { hosts: vec!["push.example".into()], ..InSettings::default() };
    settings.classic_limit = case.setting("limit").unwrap_or(settings.classic_limit);
    let line = line(exchange, settings);
    let talk =
        Conversation { parts, ends: set("end") != Some("open"), input: &case.input, dialect: Classic::Dklab };
    runtime.block_on(talk.run(&line, published))
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
