//! The answer to `STATS`: what is held, who listens to it, from where on.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use dialect::hub::{ChannelId, Decimal, Message, Next, Start};
use dialect::realplexor::is_id;
use exchange::{Listeners, Order, Snapshot};

use super::replies::channels;
use crate::limits::{HISTORY_PAGE_MAX, SNAPSHOT_MAX, STATS_PAIRS_MAX};
use crate::state::InLine;
use crate::survey::answered;

/// All of it.
pub(super) async fn stats(line: &InLine) -> String {
    let clients = Clients::of(line).await;
    let mut room = STATS_PAIRS_MAX;
    let mut anonymous = 0;
    let (mut data, mut waiting, mut online) = (String::new(), String::new(), String::new());
    let mut cleanup = String::new();
    for (id, channel) in &channels(line, &|id, _| is_id(id)) {
        if channel.messages > 0 {
            let items = held(line, id);
            put(&mut data, format_args!("{id} => {items}\n"));
            put(&mut cleanup, format_args!("{id} => assigned\n"));
        }
        if channel.waiting > 0 {
            let known = clients.by_id.get(&**id).map(Vec::as_slice).unwrap_or_default();
            let count = (channel.waiting as usize).max(known.len());
            // Clients of other dialects have no number here; as many are shown as there are.
            let others = (known.len()..count).map(|_| {
                anonymous += 1;
                anonymous
            });
            let shown = count.min(room);
            room -= shown;
            let mut handles: Vec<String> = known
                .iter()
                .copied()
                .chain(others)
                .take(shown)
                .map(|handle| format!("(0x{handle:X})"))
                .collect();
            if shown < count {
                handles.push(format!("(and {} more)", count - shown));
            }
            put(&mut waiting, format_args!("{id} => {}\n", handles.join(", ")));
        }
        if channel.online {
            put(&mut online, format_args!("{id} => assigned\n"));
        }
    }
    let pairs = clients.pairs;
    format!(
        "[data_to_send]\n{data}\n[connected_fhs]\n{waiting}\n[online_timers]\n{online}\n\
         [cleanup_timers]\n{cleanup}\n[pairs_by_fhs]\n{pairs}"
    )
}

/// Clients that listen in the words of Realplexor.
#[derive(Default)]
struct Clients {
    /// Their numbers, by the ids they listen to.
    by_id: BTreeMap<Arc<str>, Vec<u64>>,
    /// The last section.
    pairs: String,
}

impl Clients {
    async fn of(line: &InLine) -> Self {
        let mut clients = Self::default();
        let Some(snapshot) = snapshot(line).await else {
            clients.pairs.push_str("(none: the shards are too busy to be asked)\n");
            return clients;
        };
        let (mut names, mut more, mut silent) = (HashMap::new(), 0, 0);
        for (shard, answer) in (1..).zip(snapshot.answers()) {
            match answer {
                Some(listeners) => clients.put(line, shard, listeners, &mut names),
                None => silent += 1,
            }
            more += answer.map_or(0, |listeners| listeners.more);
        }
        if more > 0 {
            put(&mut clients.pairs, format_args!("(and {more} more)\n"));
        }
        if silent > 0 {
            put(&mut clients.pairs, format_args!("(shards that did not answer: {silent})\n"));
        }
        clients
    }

    fn put(
        &mut self,
        line: &InLine,
        shard: u64,
        listeners: &Listeners,
        names: &mut HashMap<ChannelId, Option<Arc<str>>>,
    ) {
        for (number, list) in &listeners.listed {
            let handle = (shard << SHARD_SHIFT) | u64::from(*number);
            let mut named = |(channel, since): &(ChannelId, Decimal)| {
                let name = names
                    .entry(*channel)
                    .or_insert_with(|| line.exchange.registry().names(&[*channel]).pop())
                    .clone()?;
                let pair = format!("{since}:{name}");
                self.by_id.entry(name).or_default().push(handle);
                Some(pair)
            };
            let pairs: Vec<String> = list.iter().filter_map(&mut named).collect();
            put(&mut self.pairs, format_args!("(0x{handle:X}) => {}\n", pairs.join(", ")));
        }
    }
}

/// Asks all shards, and waits until they have answered, or for as long as they may take. `None`: one of them takes
/// no question.
async fn snapshot(line: &InLine) -> Option<Arc<Snapshot>> {
    let _one = line.dialects.realplexor.snapshots.acquire().await.ok()?;
    if !line.exchange.publisher().takes_orders() {
        return None;
    }
    let snapshot = Arc::new(Snapshot::new(line.exchange.shards(), STATS_PAIRS_MAX));
    line.exchange.admin().order_all(&Order::Snapshot(Arc::downgrade(&snapshot)));
    // What is there by then is told.
    answered(&snapshot, SNAPSHOT_MAX).await;
    Some(snapshot)
}

/// What is held for an id, the greatest cursor first.
fn held(line: &InLine, id: &str) -> String {
    let (mut items, mut start) = (Vec::new(), Start::Everything);
    while let Some(page) = line.exchange.admin().history(id, start, HISTORY_PAGE_MAX as usize) {
        items.extend(page.messages);
        match page.next {
            Next::More(resume) => start = Start::More(resume),
            Next::Live { .. } => break,
        }
    }
    let target =
        |message: &Message| message.targets().iter().position(|target| *target.name == *id).unwrap_or(0);
    items.sort_by_key(|message| std::cmp::Reverse((message.outside(target(message)), message.position)));
    let item = |message: &Message| {
        let mut cursor = Vec::new();
        message.write_outside(target(message), &mut cursor);
        let limited = message.audience().channels().map(|ids| ids.collect::<Vec<_>>().join(", "));
        let limited = limited.map(|ids| format!(", limited by ({ids})")).unwrap_or_default();
        format!("[{}: {}b{limited}]", String::from_utf8_lossy(&cursor), message.payload().data().len())
    };
    items.iter().map(item).collect::<Vec<String>>().join(", ")
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}

/// A client's number is that of its shard, from 1, and behind it that of its place there, which has fewer bits.
const SHARD_SHIFT: u32 = 22;
