//! `POST /pub/NAMES`: one message, to one channel or several; and how the answer to a message is put.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use dialect::Problem;
use dialect::hub::{Cursors, Origin, Payload, Publish, Right, Seen};
use dialect::native::{is_binary_type, names_in_path, write_string};
use exchange::Published;

use crate::body::{self, Limit};
use crate::caller::Caller;
use crate::line::Line;
use crate::order::{self, Patience, Placed};
use crate::refusal::{Refusal, json_text};
use crate::said::Said;

/// Publishes the body to the channels in the path.
pub(crate) async fn publish(State(line): State<Arc<Line>>, request: Request) -> Result<Response, Refusal> {
    let published = place(&line, request).await?.released(&line).await?;
    Ok(answer(&published, line.exchange.cursors()))
}

/// Gives what a request publishes its place.
pub(crate) async fn place(line: &Line, request: Request) -> Result<Placed, Refusal> {
    let (head, body) = request.into_parts();
    let names =
        names_in_path(head.uri.path().strip_prefix("/pub/").unwrap_or_default()).map_err(for_publishers)?;
    let caller = Caller::of(line, &head.extensions)?;
    caller.check(line, Right::Publish, names.iter().map(|name| &**name))?;
    let said = Said::read(head.uri.query().unwrap_or_default(), &head.headers)?;
    let limit = Limit { len_max: line.payload_limit(&names), advice: PAYLOAD_ADVICE };
    let bytes = body::read(line, &head.headers, body, limit).await?;
    let ttl = said.ttl;
    let payload = payload(&bytes, std::str::from_utf8(&bytes).is_ok(), said.event, said.content_type)?;
    let publish =
        Publish { channels: names.into_iter().collect(), aliases: Default::default(), payload, ttl };
    order::place(line, publish, said.key.as_deref(), Some(&caller), &mut Patience::default()).await
}

/// `POST /pub/`, which names no channel.
pub(crate) async fn publish_nowhere() -> Refusal {
    no_channel().into()
}

/// Bytes as they came, with what was said about them. `is_text`: they are UTF-8.
pub(crate) fn payload(
    bytes: &[u8],
    is_text: bool,
    event: Option<Box<str>>,
    content_type: Option<Box<str>>,
) -> Result<Payload, Problem> {
    let end = u32::try_from(bytes.len())
        .map_err(|_| Problem::new(413, "payload", "the body has 4 GiB or more; send less"))?;
    let binary = !is_text || content_type.as_deref().is_some_and(is_binary_type);
    Ok(Payload { bytes: bytes.into(), data: 0..end, origin: Origin::Native, event, content_type, binary })
}

/// What a publisher is told of a message.
pub(crate) fn answer(published: &Published, cursors: Cursors) -> Response {
    json_text(answer_text(published, cursors))
}

/// The text of it.
pub(crate) fn answer_text(published: &Published, cursors: Cursors) -> Vec<u8> {
    let mut text = Vec::with_capacity(ANSWER_LEN);
    write_answer(published, cursors, &mut text);
    text.push(b'\n');
    text
}

/// Appends it: the cursor and who waits, by channel, in the publisher's order. Written by hand, since a batch has a
/// thousand of them.
pub(crate) fn write_answer(published: &Published, cursors: Cursors, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"cursor\":\"");
    cursors.write(published.position, out);
    out.extend_from_slice(b"\",\"channels\":{");
    for (n, (name, Seen { waiting, online })) in published.seen.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.extend_from_slice(b":{\"waiting\":");
        match waiting {
            0 => out.push(b'0'),
            more => out.extend_from_slice(more.to_string().as_bytes()),
        }
        let online: &[u8] = if *online { b",\"online\":true}" } else { b",\"online\":false}" };
        out.extend_from_slice(online);
    }
    out.extend_from_slice(b"}}");
}

/// Bytes of an ordinary answer, for a first guess.
pub(crate) const ANSWER_LEN: usize = 80;

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
