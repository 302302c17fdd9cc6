//! Telling shards, whose mailboxes may have no room for a moment.

use std::sync::Arc;

use access::{AuthFinding, Verdict};
use exchange::Commands;
use exchange::hub::ShardId;
use tokio::time::sleep;
use tracing::error;

use crate::limits::{TELL_RETRY, TELL_TRIES};

/// Tells a shard a verdict, at once or as soon as there is room.
pub(crate) fn tell(findings: &Arc<Commands<AuthFinding>>, shard: u16, verdict: &Arc<Verdict>) {
    let verdict = AuthFinding::Verdict(Arc::clone(verdict));
    if findings.put(ShardId(shard), verdict.clone()) {
        return;
    }
    let findings = Arc::clone(findings);
    tokio::spawn(async move {
        for _ in 0..TELL_TRIES {
            sleep(TELL_RETRY).await;
            if findings.put(ShardId(shard), verdict.clone()) {
                return;
            }
        }
        error!(shard, "a shard takes no commands; who waits to be let in there is refused in time");
    });
}
