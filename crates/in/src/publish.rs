//! `POST /pub/NAMES`, `/pub/$all` and `/users/U/pub`: one message, to one channel or several, to all connections, or to those of
//! a user; and how the answer to a message is put.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use dialect::hub::limits::NAME_LEN_MAX;
use dialect::hub::{Cursors, EVERYBODY, Kind, Payload, Publish, Right, Seen, user_channel};
use dialect::native::{kind_of, names_in_path, no_json, user_in_path, write_string};
use dialect::{Code, Problem};
use exchange::Published;

use crate::admission::{self, Patience};
use crate::body::{self, BodyLimit};
use crate::caller::Requester;
use crate::doubts::Doubts;
use crate::placement::{self, Placement};
use crate::publish_options::{self, PublishOptions};
use crate::response::{ErrorResponse, excerpt, json_text};
use crate::state::InLine;

/// Publishes the body to the channels in the path.
pub(crate) async fn publish(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let placed = place(&line, request).await?;
    let doubts = placed.doubts();
    let published = placed.released(&line).await?;
    Ok(answer(&published, line.exchange.cursors(), doubts))
}

/// Gives what a request publishes its place.
pub(crate) async fn place(line: &InLine, request: Request) -> Result<Placement, ErrorResponse> {
    let (head, body) = request.into_parts();
    let names = names_of(head.uri.path())?;
    let caller = Requester::of(line, &head.extensions)?;
    caller.check(line, Right::Publish, names.iter().map(|name| &**name))?;
    let said = PublishOptions::read(head.uri.query().unwrap_or_default(), &head.headers)?;
    let except = publish_options::except(&head.headers, line.exchange.registry().connection_ids())?;
    let limit = BodyLimit { len_max: admission::payload_limit(line, &names), advice: PAYLOAD_ADVICE };
    let bytes = body::read(line, &head.headers, body, limit).await?;
    let ttl = said.ttl;
    let payload = payload(&bytes, said.event, said.content_type)?;
    let doubts = Doubts::of(&payload);
    let payload = publish_options::withheld(payload, except);
    let publish =
        Publish { channels: names.into_iter().collect(), aliases: Default::default(), payload, ttl };
    let placed =
        placement::place(line, publish, said.key.as_deref(), Some(&caller), &mut Patience::default()).await?;
    Ok(placed.doubted(doubts))
}

/// The channels of a path: those that it names, or that of a user or of everybody, which nobody else can name.
fn names_of(path: &str) -> Result<Vec<Box<str>>, Problem> {
    if let Some(user) = path.strip_prefix("/users/").and_then(|rest| rest.strip_suffix("/pub")) {
        let user = user_in_path(user)?;
        let channel = user_channel(&user);
        if channel.len() > NAME_LEN_MAX {
            let why = format!("the user {:?} has too long a name to be sent something", excerpt(&user));
            return Err(Problem::bad(Code::User, why));
        }
        return Ok(vec![channel]);
    }
    let names = path.strip_prefix("/pub/").unwrap_or_default();
    if [EVERYBODY, "%24all"].contains(&names) {
        return Ok(vec![EVERYBODY.into()]);
    }
    names_in_path(names).map_err(for_publishers)
}

/// `POST /pub/`, which names no channel.
pub(crate) async fn publish_nowhere() -> ErrorResponse {
    no_channel().into()
}

/// Bytes as they came, with what was said about them. What they are follows from their media type.
pub(crate) fn payload(
    bytes: &[u8],
    event: Option<Box<str>>,
    content_type: Option<Box<str>>,
) -> Result<Payload, Problem> {
    let kind =
        kind_of(content_type.as_deref(), std::str::from_utf8(bytes).ok()).ok_or_else(|| no_json(bytes))?;
    payload_of(kind, bytes, event, content_type)
}

/// The same, where it is known what they are.
pub(crate) fn payload_of(
    kind: Kind,
    bytes: &[u8],
    event: Option<Box<str>>,
    content_type: Option<Box<str>>,
) -> Result<Payload, Problem> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(Problem::new(413, Code::Payload, "the body has 4 GiB or more; send less"));
    }
    Ok(Payload { event, content_type, ..Payload::new(bytes, kind) })
}

/// What a publisher is told of a message, and what it probably did not mean.
pub(crate) fn answer(published: &Published, cursors: Cursors, doubts: Doubts) -> Response {
    let mut response = json_text(answer_text(published, cursors));
    doubts.tell(&mut response);
    response
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
    if problem.code == Code::ChannelList { no_channel() } else { problem }
}

pub(crate) fn no_channel() -> Problem {
    Problem::bad(
        Code::ChannelList,
        "no channel is named; publish to /pub/NAME or /pub/NAME,NAME, the body being the data, or send \
         POST /pub a JSON object such as {\"channel\": \"NAME\", \"data\": \"hello\"}",
    )
}

/// What to do about a message too long.
pub(crate) const PAYLOAD_ADVICE: &str = "send less, or start the server with a larger --payload-limit";
