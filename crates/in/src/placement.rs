//! Giving messages that were admitted their place, once for each idempotency key, and waiting until they are out.

use std::collections::VecDeque;

use dialect::hub::{IdempotencyKey, Publish};
use exchange::{PublishError, Published, Receipt};
use tokio::time::sleep;

use crate::admission::{self, Patience};
use crate::caller::Requester;
use crate::doubts::Doubts;
use crate::idempotency::{FirstPublish, known_as, reused};
use crate::limits::PUBLISH_RETRY;
use crate::response::ErrorResponse;
use crate::state::InLine;

/// Gives one message its place, and waits until it is out.
pub(crate) async fn one(
    line: &InLine,
    publish: Publish,
    key: Option<&str>,
    caller: Option<&Requester>,
    patience: &mut Patience,
) -> Result<Published, ErrorResponse> {
    place(line, publish, key, caller, patience).await?.released(line).await
}

/// Gives one message its place. A repeat of a key gets the place and the answer of the first who came with it, and
/// waits while that one waits for room; where that one fails, it is the next one's turn. Another message under the same
/// key is refused.
pub(crate) async fn place(
    line: &InLine,
    publish: Publish,
    key: Option<&str>,
    caller: Option<&Requester>,
    patience: &mut Patience,
) -> Result<Placement, ErrorResponse> {
    let Some(key) = key else {
        let receipt = alone(line, publish, None, caller, patience).await?;
        return Ok(Placement { receipt, is_repeat: false, doubts: Doubts::default() });
    };
    let key = known_as(key, caller.and_then(Requester::key).map(|key| key.name.clone()), &publish);
    let known = line.idempotency.entry(&key, publish.channels.len(), line.exchange.now());
    let mut known = known.lock().await;
    // What the store gave up is as good as never tried.
    if let Some(first) = known.as_ref().filter(|first| !first.is_given_up()) {
        if first.hash.is_some_and(|hash| key.hash != Some(hash)) {
            return Err(reused(&key.text).into());
        }
        return Ok(Placement { receipt: first.receipt.clone(), is_repeat: true, doubts: Doubts::default() });
    }
    *known = None;
    let receipt = alone(line, publish, Some(&key), caller, patience).await?;
    // It is known from its place on: whoever asked may go before the store has it.
    *known = Some(FirstPublish { hash: key.hash, receipt: receipt.clone() });
    Ok(Placement { receipt, is_repeat: false, doubts: Doubts::default() })
}

/// A message that has its place. It is out when the store has it; at once where there is none.
pub(crate) struct Placement {
    receipt: Receipt,
    /// Somebody else came with its key before.
    is_repeat: bool,
    /// What its publisher is told of it.
    doubts: Doubts,
}

impl Placement {
    /// The same, of which its publisher is told this.
    pub(crate) fn doubted(self, doubts: Doubts) -> Self {
        Self { doubts, ..self }
    }

    /// What its publisher is told of it.
    pub(crate) fn doubts(&self) -> Doubts {
        self.doubts
    }

    /// Whether it is known what becomes of it.
    pub(crate) fn is_ready(&self) -> bool {
        match &self.receipt {
            Receipt::Released(_) => true,
            Receipt::Ordered(pending) => pending.is_done(),
        }
    }

    /// Waits until it is; may be given up and begun again.
    pub(crate) async fn ready(&mut self) {
        if let Receipt::Ordered(pending) = &mut self.receipt {
            // It is told by `released`.
            let _ = pending.await;
        }
    }

    /// Waits until it is out, and counts it.
    pub(crate) async fn released(mut self, line: &InLine) -> Result<Published, ErrorResponse> {
        self.ready().await;
        self.outcome(line)
    }

    /// Counts it, when it is known that it is out.
    pub(crate) fn outcome(self, line: &InLine) -> Result<Published, ErrorResponse> {
        let published = match self.receipt {
            Receipt::Released(published) => published,
            Receipt::Ordered(pending) => {
                pending.look().expect("it is ready before it is asked for").map_err(admission::unstored)?
            }
        };
        let counter = if self.is_repeat { &line.counters.repeated } else { &line.counters.published };
        counter.add();
        Ok(published)
    }
}

async fn alone(
    line: &InLine,
    publish: Publish,
    key: Option<&IdempotencyKey>,
    caller: Option<&Requester>,
    patience: &mut Patience,
) -> Result<Receipt, ErrorResponse> {
    admission::message(line, caller)?;
    quietly(line, publish, key, patience).await
}

/// Gives a message that was admitted its place, when there is room; shards are woken once for many.
pub(crate) async fn quietly(
    line: &InLine,
    publish: Publish,
    key: Option<&IdempotencyKey>,
    patience: &mut Patience,
) -> Result<Receipt, ErrorResponse> {
    admission::room(line, publish, patience, |publish| line.publisher().publish(publish, key)).await
}

/// Waits until a message is out, which is at once where there is no store.
pub(crate) async fn released(receipt: Receipt) -> Result<Published, ErrorResponse> {
    match receipt {
        Receipt::Released(published) => Ok(published),
        Receipt::Ordered(pending) => pending.await.map_err(admission::unstored),
    }
}

/// Gives the messages of a batch their places, in order, and tells `take` what became of each; each was admitted
/// before. Whoever waited in vain for room is refused, and from then on nobody waits: each further message goes where
/// there is room, or is refused too.
pub(crate) async fn many(
    line: &InLine,
    batch: &mut VecDeque<Publish>,
    patience: &mut Patience,
    mut take: impl FnMut(Result<Placement, ErrorResponse>),
) {
    let mut receipts = Vec::with_capacity(batch.len());
    let mut waited = false;
    while !batch.is_empty() {
        let known = receipts.len();
        if line.exchange.publisher().publish_many(batch, &mut receipts) {
            waited = false;
            continue;
        }
        if !waited || receipts.len() > known {
            line.counters.waited.add();
            patience.begin(line);
        }
        waited = true;
        if patience.is_over() {
            let refused = batch.pop_front().map(|publish| Err(PublishError::Full(Box::new(publish))));
            receipts.extend(refused);
            waited = false;
        } else {
            sleep(PUBLISH_RETRY).await;
        }
    }
    for receipt in receipts {
        take(match receipt {
            Ok(receipt) => Ok(Placement { receipt, is_repeat: false, doubts: Doubts::default() }),
            Err(error) => Err(admission::error_response(line, error)),
        });
    }
}
