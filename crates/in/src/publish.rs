//! `POST /pub/NAMES`: one message, to one channel or several; and how the answer to a message is put.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use dialect::Problem;
use dialect::hub::{Cursors, Origin, Payload, Publish, Right};
use dialect::native::{is_binary_type, names_in_path};
use exchange::Published;
use serde::{Serialize, Serializer};

use crate::body::{self, Limit};
use crate::caller::Caller;
use crate::line::Line;
use crate::order::{self, Patience};
use crate::refusal::{Refusal, json};
use crate::said::Said;

/// Publishes the body to the channels in the path.
pub(crate) async fn publish(State(line): State<Arc<Line>>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let names =
        names_in_path(head.uri.path().strip_prefix("/pub/").unwrap_or_default()).map_err(for_publishers)?;
    let caller = Caller::of(&line, &head.extensions)?;
    caller.check(&line, Right::Publish, names.iter().map(|name| &**name))?;
    let said = Said::read(head.uri.query().unwrap_or_default(), &head.headers)?;
    let limit = Limit { len_max: line.payload_limit(&names), advice: PAYLOAD_ADVICE };
    let bytes = body::read(&head.headers, body, limit).await?;
    let ttl = said.ttl;
    let payload = payload(bytes, said.event, said.content_type)?;
    let publish =
        Publish { channels: names.into_iter().collect(), aliases: Default::default(), payload, ttl };
    let published =
        order::one(&line, publish, said.key.as_deref(), Some(&caller), &mut Patience::default()).await?;
    Ok(json(&Answer::new(&published, line.exchange.cursors())))
}

/// `POST /pub/`, which names no channel.
pub(crate) async fn publish_nowhere() -> Refusal {
    no_channel().into()
}

/// Bytes as they came, with what was said about them.
pub(crate) fn payload(
    bytes: Vec<u8>,
    event: Option<Box<str>>,
    content_type: Option<Box<str>>,
) -> Result<Payload, Problem> {
    let end = u32::try_from(bytes.len())
        .map_err(|_| Problem::new(413, "payload", "the body has 4 GiB or more; send less"))?;
    let binary = content_type.as_deref().is_some_and(is_binary_type) || std::str::from_utf8(&bytes).is_err();
    Ok(Payload { bytes: bytes.into(), data: 0..end, origin: Origin::Native, event, content_type, binary })
}

/// What a publisher is told of a message.
#[derive(Serialize)]
pub(crate) struct Answer<'a> {
    cursor: String,
    channels: Channels<'a>,
}

impl<'a> Answer<'a> {
    pub(crate) fn new(published: &'a Published, cursors: Cursors) -> Self {
        Self { cursor: cursors.text(published.position), channels: Channels(published) }
    }
}

/// Who waits, by channel, in the publisher's order.
struct Channels<'a>(&'a Published);

#[derive(Serialize)]
struct Waiting {
    waiting: u32,
    online: bool,
}

impl Serialize for Channels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seen = self.0.seen.iter();
        serializer.collect_map(
            seen.map(|(name, seen)| (&**name, Waiting { waiting: seen.waiting, online: seen.online })),
        )
    }
}

/// A list of names is the same in both lines, but whoever named none here wants to publish.
fn for_publishers(problem: Problem) -> Problem {
    if problem.code == "channel-list" { no_channel() } else { problem }
}

pub(crate) fn no_channel() -> Problem {
    Problem::bad(
        "channel-list",
        "no channel is named; publish to /pub/NAME or /pub/NAME,NAME, the body being the data, or send \
         POST /pub a JSON object such as {\"channel\": \"NAME\", \"data\": \"hello\"}",
    )
}

/// What to do about a message too long.
pub(crate) const PAYLOAD_ADVICE: &str = "send less, or start the server with a larger --payload-limit";
