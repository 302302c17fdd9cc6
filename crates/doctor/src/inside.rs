//! What the IN line of a server says of the doctor's own clients: whether it hears that one of them left.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde::Deserialize;

use crate::finding::{Finding, Level, rounded};
use crate::idle::Silent;
use crate::limits::{FIRST_WORD_MAX, LEAVING_MAX, LEAVING_PAUSE};
use crate::wire::{CHANNEL, LineAddress};
use cli::{InClient, encode};

/// Waits on a channel of its own, leaves, and asks how long the server takes to hear of it; at most `patience`.
pub(crate) fn leaving(
    place: &LineAddress,
    inside: &InClient,
    kind: Silent,
    patience: Option<Duration>,
) -> Vec<Finding> {
    let patience = patience.unwrap_or(LEAVING_MAX);
    let said = match leave(place, inside, kind, patience) {
        Ok(Some(seen)) => judge(seen, patience),
        Ok(None) => return Vec::new(),
        Err(error) => (Level::Warning, format!("the IN line does not tell: {error:#}")),
    };
    let name = if kind == Silent::Poll { "leaving-poll" } else { "leaving" };
    vec![Finding::new(name, said.0, format!("{} that left: {}", kind.words(), said.1))]
}

/// What the IN line knew of a client.
#[derive(Debug, Clone, Copy)]
enum LeavingSeen {
    /// It never came.
    Never,
    /// It left, and this was heard so long afterwards.
    Left(Duration),
    /// It left, and was still taken for there.
    Still,
}

fn judge(seen: LeavingSeen, patience: Duration) -> (Level, String) {
    match seen {
        LeavingSeen::Never => {
            (Level::Warning, "the IN line never knew of it; is --server the one behind this URL?".to_owned())
        }
        LeavingSeen::Left(time) => (Level::Ok, format!("the server heard of it after {:?}", rounded(time))),
        LeavingSeen::Still => {
            let text = format!(
                "the server had not heard of it after {patience:?}, so a channel stays online for that much longer"
            );
            (Level::Warning, text)
        }
    }
}

/// None: there is no client that could leave, which is told of elsewhere.
fn leave(
    place: &LineAddress,
    inside: &InClient,
    kind: Silent,
    patience: Duration,
) -> anyhow::Result<Option<LeavingSeen>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("{CHANNEL}.{:x}.{kind:?}", now.as_nanos());
    let mut client = place.begin_at(&name, kind.headers())?;
    if kind != Silent::Poll {
        // All is read: a connection that is dropped with something unread is reset, which is heard of in other ways.
        client.read(FIRST_WORD_MAX, |answer| answer.says("cursor"));
        if !matches!((kind, client.answer.status), (Silent::WebSocket, 101) | (Silent::Sse, 200)) {
            return Ok(None);
        }
    }
    if wait_until(inside, &name, FIRST_WORD_MAX, |waiting| waiting > 0)?.is_none() {
        return Ok(Some(LeavingSeen::Never));
    }
    drop(client);
    let left = wait_until(inside, &name, patience, |waiting| waiting == 0)?;
    Ok(Some(left.map_or(LeavingSeen::Still, LeavingSeen::Left)))
}

/// Asks again and again how many wait there; gives the time after which it was as wanted.
fn wait_until(
    inside: &InClient,
    name: &str,
    patience: Duration,
    enough: impl Fn(u64) -> bool,
) -> anyhow::Result<Option<Duration>> {
    #[derive(Deserialize)]
    struct Channel {
        waiting: u64,
    }
    let start = Instant::now();
    loop {
        let text = inside.get(&format!("/channels/{}", encode(name)))?;
        let channel: Channel = serde_json::from_str(&text).context("its answer is none of multiplexor's")?;
        if enough(channel.waiting) {
            return Ok(Some(start.elapsed()));
        }
        if start.elapsed() >= patience {
            return Ok(None);
        }
        thread::sleep(LEAVING_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaving_that_is_not_heard_of_is_told() {
        let level = |seen| judge(seen, LEAVING_MAX).0;
        assert_eq!(level(LeavingSeen::Left(Duration::ZERO)), Level::Ok);
        assert_eq!(level(LeavingSeen::Still), Level::Warning);
        assert_eq!(level(LeavingSeen::Never), Level::Warning);
    }
}
