//! `POST /pub/NAMES`: one message, to one channel or several.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use dialect::Problem;
use dialect::hub::{Origin, Payload, Publish, Refused};
use dialect::native::{is_binary_type, names_in_path};
use exchange::{PublishError, Published, Receipt};
use serde::{Serialize, Serializer};
use tokio::time::{Instant, sleep};

use crate::body;
use crate::limits::{PUBLISH_RETRY, RETRY_AFTER_S};
use crate::line::Line;
use crate::refusal::{Refusal, json};
use crate::said::Said;

/// Publishes the body to the channels in the path.
pub(crate) async fn publish(State(line): State<Arc<Line>>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let names =
        names_in_path(head.uri.path().strip_prefix("/pub/").unwrap_or_default()).map_err(for_publishers)?;
    let said = Said::read(head.uri.query().unwrap_or_default(), &head.headers)?;
    let bytes = body::read(&head.headers, body, line.payload_limit(&names)).await?;
    let ttl = said.ttl;
    let publish = Publish {
        channels: names.into_iter().collect(),
        aliases: Default::default(),
        payload: payload(bytes, said)?,
        ttl,
    };
    let receipt = order(&line, publish).await?;
    line.counters.published.add();
    let cursors = line.exchange.cursors();
    Ok(match &receipt {
        Receipt::Released(published) => {
            json(&Answer { cursor: cursors.text(published.position), channels: Channels(Some(published)) })
        }
        // Only a store that commits later lets a publish end here; who waits is not known before.
        Receipt::Ordered(position) => {
            json(&Answer { cursor: cursors.text(*position), channels: Channels(None) })
        }
    })
}

/// `POST /pub`, which names no channel.
pub(crate) async fn publish_nowhere() -> Refusal {
    no_channel().into()
}

/// Gives the message its place; waits a while where a shard cannot take more at the moment.
async fn order(line: &Line, publish: Publish) -> Result<Receipt, Refusal> {
    let deadline = Instant::now() + line.settings.publish_wait;
    let mut waited = false;
    loop {
        match line.exchange.publish(publish.clone()) {
            Ok(receipt) => return Ok(receipt),
            Err(PublishError::Full) if Instant::now() < deadline => {
                if !waited {
                    line.counters.waited.add();
                }
                waited = true;
                sleep(PUBLISH_RETRY).await;
            }
            Err(PublishError::Full) => return Err(Refusal::retry_after(full(), RETRY_AFTER_S)),
            Err(PublishError::Refused(refused)) => return Err(out_of_room(refused).into()),
        }
    }
}

fn payload(bytes: Vec<u8>, said: Said) -> Result<Payload, Problem> {
    let end = u32::try_from(bytes.len())
        .map_err(|_| Problem::new(413, "payload", "the body has 4 GiB or more; send less"))?;
    let binary =
        said.content_type.as_deref().is_some_and(is_binary_type) || std::str::from_utf8(&bytes).is_err();
    Ok(Payload {
        bytes: bytes.into(),
        data: 0..end,
        origin: Origin::Native,
        event: said.event,
        content_type: said.content_type,
        binary,
    })
}

/// What a publisher is told.
#[derive(Serialize)]
struct Answer<'a> {
    cursor: String,
    channels: Channels<'a>,
}

/// Who waits, by channel, in the publisher's order.
struct Channels<'a>(Option<&'a Published>);

#[derive(Serialize)]
struct Waiting {
    waiting: u32,
    online: bool,
}

impl Serialize for Channels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seen = self.0.iter().flat_map(|published| &published.seen);
        serializer.collect_map(
            seen.map(|(name, seen)| (&**name, Waiting { waiting: seen.waiting, online: seen.online })),
        )
    }
}

/// A list of names is the same in both lines, but whoever named none here wants to publish.
fn for_publishers(problem: Problem) -> Problem {
    if problem.code == "channel-list" { no_channel() } else { problem }
}

fn no_channel() -> Problem {
    Problem::bad(
        "channel-list",
        "no channel is named; publish to /pub/NAME or /pub/NAME,NAME, the body being the data",
    )
}

fn full() -> Problem {
    Problem::new(
        503,
        "full",
        "clients take messages slower than they are published, and the server holds as many as it may; try again",
    )
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
