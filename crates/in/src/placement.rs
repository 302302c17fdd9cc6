//! Giving messages their place, and waiting a while where a shard cannot take more at the moment.

use std::collections::VecDeque;

use aws_lc_rs::digest::{Context, SHA256};
use dialect::hub::{HASH_LEN, IdempotencyKey, Publish, Refused};
use dialect::{Code, Problem};
use exchange::{PublishError, Published, Receipt, Unstored};
use tokio::time::{Instant, sleep};

use crate::caller::Caller;
use crate::limits::{PUBLISH_RETRY, RETRY_AFTER_S};
use crate::quotas;
use crate::response::{ErrorResponse, excerpt};
use crate::state::InLine;

/// Gives one message its place, and waits until it is out.
pub(crate) async fn one(
    line: &InLine,
    publish: Publish,
    key: Option<&str>,
    caller: Option<&Caller>,
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
    caller: Option<&Caller>,
    patience: &mut Patience,
) -> Result<Placement, ErrorResponse> {
    let Some(key) = key else {
        let receipt = alone(line, publish, None, caller, patience).await?;
        return Ok(Placement { receipt, is_repeat: false, is_warned: false });
    };
    let key = known_as(key, caller, &publish);
    let known = line.keys.entry(&key.id(), publish.channels.len(), line.exchange.now());
    let mut known = known.lock().await;
    // What the store gave up is as good as never tried.
    if let Some(first) = known.as_ref().filter(|first| !is_given_up(&first.receipt)) {
        if first.hash.is_some_and(|hash| key.hash != Some(hash)) {
            return Err(reused(&key.text).into());
        }
        return Ok(Placement { receipt: first.receipt.clone(), is_repeat: true, is_warned: false });
    }
    *known = None;
    let receipt = alone(line, publish, Some(&key), caller, patience).await?;
    // It is known from its place on: whoever asked may go before the store has it.
    *known = Some(FirstPublish { hash: key.hash, receipt: receipt.clone() });
    Ok(Placement { receipt, is_repeat: false, is_warned: false })
}

/// The first message that came under a key, and what became of it.
pub(crate) struct FirstPublish {
    /// Tells it from any other; `None`: not known.
    pub(crate) hash: Option<[u8; HASH_LEN]>,
    pub(crate) receipt: Receipt,
}

/// A key as it is remembered: whose it is, and for what.
fn known_as(key: &str, caller: Option<&Caller>, publish: &Publish) -> IdempotencyKey {
    let mut context = Context::new(&SHA256);
    let mut add = |piece: Option<&[u8]>| {
        // Pieces have their length in front, so that none can be taken for a part of another.
        let len = piece.map_or(u64::MAX, |piece| piece.len() as u64);
        context.update(&len.to_le_bytes());
        context.update(piece.unwrap_or_default());
    };
    add(Some(&(publish.channels.len() as u64).to_le_bytes()));
    publish.channels.iter().for_each(|name| add(Some(name.as_bytes())));
    let payload = &publish.payload;
    add(payload.event.as_deref().map(str::as_bytes));
    add(payload.content_type.as_deref().map(str::as_bytes));
    add(publish.ttl.map(u64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
    add(Some(payload.data()));
    let owner = caller.and_then(Caller::key).map(|key| key.name.clone());
    let hash = context.finish().as_ref().first_chunk().copied();
    IdempotencyKey { owner, text: key.into(), hash }
}

fn reused(key: &str) -> Problem {
    Problem::new(
        422,
        Code::KeyReused,
        format!(
            "the idempotency key {:?} came before with another message; give each message a key of its own, and \
             repeat it as it was: channels, data, event, type and ttl",
            excerpt(key)
        ),
    )
}

/// A message that has its place. It is out when the store has it; at once where there is none.
pub(crate) struct Placement {
    receipt: Receipt,
    /// Somebody else came with its key before.
    is_repeat: bool,
    /// Its publisher is told what it was taken for.
    is_warned: bool,
}

impl Placement {
    /// The same, of which its publisher is told that it was taken as text.
    pub(crate) fn warned(self) -> Self {
        Self { is_warned: true, ..self }
    }

    /// Whether its publisher is told that.
    pub(crate) fn is_warned(&self) -> bool {
        self.is_warned
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
                pending.look().expect("it is ready before it is asked for").map_err(unstored)?
            }
        };
        let counter = if self.is_repeat { &line.counters.repeated } else { &line.counters.published };
        counter.add();
        Ok(published)
    }
}

fn is_given_up(receipt: &Receipt) -> bool {
    matches!(receipt, Receipt::Ordered(pending) if matches!(pending.look(), Some(Err(_))))
}

/// Takes one of the messages that may be published this second. `caller`: who publishes, where that is known.
pub(crate) fn admit(line: &InLine, caller: Option<&Caller>) -> Result<(), ErrorResponse> {
    // Who is refused takes nothing of what is everybody's.
    quotas::admit_message(line, caller)?;
    line.rate.take().map_err(|seconds| {
        let rate = line.settings.publish_rate;
        let problem = Problem::new(
            429,
            Code::Rate,
            format!(
                "more than {rate} messages a second were published; publish fewer, or start the server with \
                 a larger --publish-rate"
            ),
        );
        ErrorResponse::retry_after(problem, seconds)
    })
}

async fn alone(
    line: &InLine,
    publish: Publish,
    key: Option<&IdempotencyKey>,
    caller: Option<&Caller>,
    patience: &mut Patience,
) -> Result<Receipt, ErrorResponse> {
    admit(line, caller)?;
    patiently(line, publish, patience, |publish| {
        line.exchange.publish_quietly(publish, key).inspect(|_| line.bell.ring_soon(&line.exchange))
    })
    .await
}

/// Waits until a message is out, which is at once where there is no store.
pub(crate) async fn released(receipt: Receipt) -> Result<Published, ErrorResponse> {
    match receipt {
        Receipt::Released(published) => Ok(published),
        Receipt::Ordered(pending) => pending.await.map_err(unstored),
    }
}

/// Tries to give a message its place until there is room for it, or patience is over.
pub(crate) async fn patiently<T>(
    line: &InLine,
    mut publish: Publish,
    patience: &mut Patience,
    place: impl Fn(Publish) -> Result<T, PublishError>,
) -> Result<T, ErrorResponse> {
    let mut waited = false;
    loop {
        publish = match place(publish) {
            Ok(placed) => return Ok(placed),
            Err(PublishError::Full(publish)) => *publish,
            Err(error) => return Err(refusal(error)),
        };
        if !waited {
            line.counters.waited.add();
            patience.begin(line);
        }
        waited = true;
        if patience.is_over() {
            return Err(full(line));
        }
        sleep(PUBLISH_RETRY).await;
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
        if line.exchange.publish_many(batch, &mut receipts) {
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
            Ok(receipt) => Ok(Placement { receipt, is_repeat: false, is_warned: false }),
            Err(PublishError::Full(_)) => Err(full(line)),
            Err(error) => Err(refusal(error)),
        });
    }
}

/// How long messages wait for room: each for a while, until one of the same batch waited in vain.
#[derive(Default)]
pub(crate) struct Patience {
    deadline: Option<Instant>,
    lost: bool,
}

impl Patience {
    /// A message begins to wait.
    fn begin(&mut self, line: &InLine) {
        if !self.lost {
            self.deadline = Some(Instant::now() + line.settings.publish_wait);
        }
    }

    fn is_over(&mut self) -> bool {
        self.lost = self.lost || self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        self.lost
    }
}

/// There is no room now.
pub(crate) fn full(line: &InLine) -> ErrorResponse {
    let who = if line.exchange.store_is_behind() { "the store takes" } else { "clients take" };
    let why = format!(
        "{who} messages slower than they are published, and the server holds as many as it may; try again"
    );
    let problem = Problem::new(503, Code::Full, why);
    ErrorResponse::retry_after(problem, RETRY_AFTER_S)
}

fn refusal(error: PublishError) -> ErrorResponse {
    match error {
        // Whoever publishes waits before he comes here.
        PublishError::Full(_) => ErrorResponse::retry_after(
            Problem::new(503, Code::Full, "the server holds as many messages as it may; try again"),
            RETRY_AFTER_S,
        ),
        PublishError::Unstored(why) => unstored(why),
        PublishError::Refused(refused) => out_of_room(refused).into(),
    }
}

/// The store does not keep it.
pub(crate) fn unstored(why: Unstored) -> ErrorResponse {
    match why {
        Unstored::Full => ErrorResponse::retry_after(
            Problem::new(
                507,
                Code::Disk,
                "the message was not taken: the disk of the store is full; make room on it, and try again",
            ),
            RETRY_AFTER_S,
        ),
        Unstored::Broken => ErrorResponse::retry_after(
            Problem::new(
                503,
                Code::Disk,
                "the message was not taken: the disk of the store fails, see the server's log; try again",
            ),
            RETRY_AFTER_S,
        ),
    }
}

/// The hub has no room.
pub(crate) fn out_of_room(refused: Refused) -> Problem {
    if let Refused::Payload(_) = refused {
        return Problem::new(413, Code::Payload, format!("{refused}; send less, or set more for it"));
    }
    Problem::new(
        507,
        Code::Memory,
        format!(
            "the message was not taken: {refused}; publish to channels already in use, or set more for it"
        ),
    )
}
