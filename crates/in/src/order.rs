//! Giving messages their place, and waiting a while where a shard cannot take more at the moment.

use std::collections::VecDeque;

use dialect::Problem;
use dialect::hub::{Publish, Refused};
use exchange::{PublishError, Receipt};
use tokio::time::{Instant, sleep};

use crate::limits::{PUBLISH_RETRY, RETRY_AFTER_S};
use crate::line::Line;
use crate::refusal::Refusal;

/// Gives one message its place. A repeat of a key gets the answer of the first who came with it, and
/// waits for it while that one is under way; where that one fails, it is the next one's turn.
pub(crate) async fn one(
    line: &Line,
    publish: Publish,
    key: Option<&str>,
    patience: &mut Patience,
) -> Result<Receipt, Refusal> {
    let Some(key) = key else { return alone(line, publish, patience).await };
    let first = line.keys.entry(key, publish.channels.len(), line.exchange.now());
    let mut is_first = false;
    let receipt = first.get_or_try_init(|| {
        is_first = true;
        alone(line, publish, patience)
    });
    let receipt = receipt.await?.clone();
    if !is_first {
        line.counters.repeated.add();
    }
    Ok(receipt)
}

/// Takes one of the messages that may be published this second.
pub(crate) fn admit(line: &Line) -> Result<(), Refusal> {
    line.rate.take().map_err(|seconds| {
        let rate = line.settings.publish_rate;
        let problem = Problem::new(
            429,
            "rate",
            format!(
                "more than {rate} messages a second were published; publish fewer, or start the server with \
                 a larger --publish-rate"
            ),
        );
        Refusal::retry_after(problem, seconds)
    })
}

async fn alone(line: &Line, publish: Publish, patience: &mut Patience) -> Result<Receipt, Refusal> {
    admit(line)?;
    let receipt = patiently(line, publish, patience, |publish| {
        line.exchange.publish_quietly(publish).inspect(|_| line.bell.ring_soon(&line.exchange))
    });
    receipt.await.inspect(|_| line.counters.published.add())
}

/// Tries to give a message its place until there is room for it, or patience is over.
pub(crate) async fn patiently<T>(
    line: &Line,
    mut publish: Publish,
    patience: &mut Patience,
    place: impl Fn(Publish) -> Result<T, PublishError>,
) -> Result<T, Refusal> {
    let mut waited = false;
    loop {
        publish = match place(publish) {
            Ok(placed) => return Ok(placed),
            Err(PublishError::Full(publish)) => *publish,
            Err(PublishError::Refused(refused)) => return Err(out_of_room(refused).into()),
        };
        if !waited {
            line.counters.waited.add();
            patience.begin(line);
        }
        waited = true;
        if patience.is_over() {
            return Err(full());
        }
        sleep(PUBLISH_RETRY).await;
    }
}

/// Gives the messages of a batch their places, in order; each was admitted before. Whoever waited
/// in vain for room is refused, and from then on nobody waits: each further message goes where there is room, or is refused too.
pub(crate) async fn many(
    line: &Line,
    mut batch: VecDeque<Publish>,
    patience: &mut Patience,
) -> Vec<Result<Receipt, Refusal>> {
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut receipts = Vec::new();
    let mut waited = false;
    while !batch.is_empty() {
        let room = line.exchange.publish_many(&mut batch, &mut receipts);
        if !receipts.is_empty() {
            waited = false;
        }
        for receipt in receipts.drain(..) {
            if receipt.is_ok() {
                line.counters.published.add();
            }
            outcomes.push(receipt.map_err(|refused| out_of_room(refused).into()));
        }
        if room {
            continue;
        }
        if !waited {
            line.counters.waited.add();
            patience.begin(line);
        }
        waited = true;
        if patience.is_over() {
            batch.pop_front();
            outcomes.push(Err(full()));
            waited = false;
        } else {
            sleep(PUBLISH_RETRY).await;
        }
    }
    outcomes
}

/// How long messages wait for room: each for a while, until one of the same batch waited in vain.
#[derive(Default)]
pub(crate) struct Patience {
    deadline: Option<Instant>,
    lost: bool,
}

impl Patience {
    /// A message begins to wait.
    fn begin(&mut self, line: &Line) {
        if !self.lost {
            self.deadline = Some(Instant::now() + line.settings.publish_wait);
        }
    }

    fn is_over(&mut self) -> bool {
        self.lost = self.lost || self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        self.lost
    }
}

fn full() -> Refusal {
    let problem = Problem::new(
        503,
        "full",
        "clients take messages slower than they are published, and the server holds as many as it may; try again",
    );
    Refusal::retry_after(problem, RETRY_AFTER_S)
}

fn out_of_room(refused: Refused) -> Problem {
    if let Refused::Payload(_) = refused {
        return Problem::new(413, "payload", format!("{refused}; send less, or set more for it"));
    }
    Problem::new(
        507,
        "memory",
        format!("the message was not taken: {refused}; publish to channels already in use"),
    )
}
