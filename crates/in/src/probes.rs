//! `/stats`, `/healthz`, `/readyz`: how the program is.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use dialect::hub::{ShardId, Stage};
use dialect::{Code, Problem};
use serde_json::{Map, Value, json};

use crate::limits::RETRY_AFTER_S;
use crate::response::{self, ErrorResponse};
use crate::sources::ShardCounters;
use crate::state::InLine;

/// Whether this thread answers: that it does is the answer.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether messages would be delivered: a canary has gone round all shards.
pub(crate) async fn readyz(State(line): State<Arc<InLine>>) -> Result<&'static str, ErrorResponse> {
    match line.exchange.stage() {
        Stage::Serving => {}
        Stage::Starting => {
            return Err(not_ready(Code::Starting, "the server is about to serve; try again soon"));
        }
        Stage::Ending => return Err(not_ready(Code::Ending, "the server is about to end; use another one")),
    }
    if !line.canaries.round(&line.exchange).await {
        return Err(not_ready(
            Code::NotReady,
            "not every shard of the WAIT line answered within a second; try again",
        ));
    }
    Ok("ready\n")
}

/// All that is counted, as one object.
pub(crate) async fn stats(State(line): State<Arc<InLine>>) -> Response {
    let (totals, keys) = (line.exchange.admin().totals(), line.idempotency.load());
    let shards = (0..line.exchange.shards()).filter_map(|index| u16::try_from(index).ok()).map(|index| {
        let load = line.exchange.admin().load(ShardId(index));
        json!({ "messages": load.messages, "bytes": load.bytes })
    });
    let store = line.sources.store.as_ref().map(|read| object(read()));
    response::json(&json!({
        "store": store,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": line.connections.started.elapsed().as_secs(),
        "channels": totals.channels,
        "online": totals.online,
        "subscriptions": totals.subscriptions,
        "published": totals.published,
        "history": {
            "messages": totals.history_messages,
            "bytes": totals.history_bytes,
            "evicted": totals.evicted,
        },
        "shards": shards.collect::<Vec<_>>(),
        "wait": object(sum((line.sources.wait.counters)())),
        "asked": object((line.sources.wait.asked)()),
        "in": {
            "connections": line.connections.open(),
            "requests": line.counters.requests.read(),
            "published": line.counters.published.read(),
            "waited": line.counters.waited.read(),
            "classic_dropped": line.counters.classic_dropped.read(),
            "classic_unnamed": line.counters.classic_unnamed.read(),
            "classic_lost": line.counters.classic_lost.read(),
            "classic_overflows": line.counters.classic_overflows.read(),
            "classic_timeouts": line.counters.classic_timeouts.read(),
            "repeated": line.counters.repeated.read(),
            "messages_deleted": line.counters.messages_deleted.read(),
            "sign_ins": line.sign_ins.count(),
            "keys": keys.keys,
            "keys_forgotten_early": keys.forgotten_early,
            "refused": object(line.counters.refusals()),
        },
    }))
}

/// The counters of all shards together.
fn sum(shards: Vec<ShardCounters>) -> ShardCounters {
    let sum = shards.into_iter().reduce(|mut sum, shard| {
        sum.iter_mut().zip(shard).for_each(|(sum, (_, value))| sum.1 += value);
        sum
    });
    sum.unwrap_or_default()
}

fn object(counters: impl IntoIterator<Item = (&'static str, u64)>) -> Map<String, Value> {
    counters.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

fn not_ready(code: Code, why: &str) -> ErrorResponse {
    ErrorResponse::retry_after(Problem::new(503, code, why), RETRY_AFTER_S)
}
