//! `POST /pub`: many messages in one request, as a JSON array or one object a line; or one object.
//!
//! Each item is answered by itself, in order and in the form of the batch: one that is bad or finds no
//! room spoils no other.

mod encoding;
mod item;

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use dialect::hub::{ConnectionId, Publish, Right};
use dialect::{Code, Problem};
use exchange::Published;
use tokio::task::yield_now;

use crate::admission::{self, Patience};
use crate::body::{self, BodyLimit};
use crate::caller::Requester;
use crate::denial_log;
use crate::doubts::Doubts;
use crate::limits::{BATCH_LEN_MAX, BATCH_STEP_MAX};
use crate::placement::{self, Placement};
use crate::publish::{ANSWER_LEN, answer, write_answer};
use crate::publish_options;
use crate::response::ErrorResponse;
use crate::state::InLine;
use encoding::BatchEncoding;
use item::BatchItem;

/// Publishes the items of the body.
pub(crate) async fn publish(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let (head, body) = request.into_parts();
    publish_options::identity_only(&head.headers)?;
    publish_options::content_type(&head.headers)?;
    let caller = Requester::of(&line, &head.extensions)?;
    let bytes = body::read(&line, &head.headers, body, limit(&line)).await?;
    let (encoding, items) = encoding::split(&bytes, says_lines(&head.headers))?;
    let except = publish_options::except(&head.headers, line.exchange.registry().connection_ids())?;
    let key = publish_options::key(head.uri.query().unwrap_or_default(), &head.headers)?;
    if encoding == BatchEncoding::Lone {
        let item = read(&line, &caller, items.first().copied().unwrap_or_default(), except)?;
        let key = item.key.or(key);
        let doubts = Doubts::of(&item.publish.payload);
        let published =
            placement::one(&line, item.publish, key.as_deref(), Some(&caller), &mut Patience::default())
                .await?;
        return Ok(answer(&published, line.exchange.cursors(), doubts));
    }
    if key.is_some() {
        let why = "the request has one idempotency key for many messages; give each item its own \"key\"";
        return Err(Problem::bad(Code::Key, why).into());
    }
    let mut answers = BatchAnswer {
        encoding,
        count: 0,
        text: Vec::with_capacity(items.len() * ANSWER_LEN),
        doubts: Doubts::default(),
    };
    let mut patience = Patience::default();
    answers.begin();
    for step in items.chunks(BATCH_STEP_MAX) {
        // All have their places; a store keeps them together.
        let outcomes = place_step(&line, &caller, step, except, &mut patience, &mut answers.doubts).await;
        for outcome in outcomes.into_iter().flatten() {
            let outcome = match outcome {
                Ok(placed) => placed.released(&line).await,
                Err(refusal) => Err(refusal),
            };
            answers.put(&line, outcome);
        }
        // A long batch does not hold up those who publish meanwhile.
        yield_now().await;
    }
    answers.end();
    let mut response = ([(header::CONTENT_TYPE, encoding.content_type())], answers.text).into_response();
    answers.doubts.tell(&mut response);
    Ok(response)
}

/// Reads a few items and gives those that are good their places: together, but for those that have a key, which
/// may have to wait for somebody else's.
async fn place_step(
    line: &InLine,
    caller: &Requester,
    items: &[&[u8]],
    except: Option<ConnectionId>,
    patience: &mut Patience,
    doubts: &mut Doubts,
) -> Vec<Option<Result<Placement, ErrorResponse>>> {
    let mut together = VecDeque::with_capacity(items.len());
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items {
        let item = read(line, caller, item, except).map_err(ErrorResponse::from);
        if let Ok(item) = &item {
            *doubts |= Doubts::of(&item.publish.payload);
        }
        match item {
            Ok(BatchItem { publish, key: None, .. }) => match admission::message(line, Some(caller)) {
                Ok(()) => {
                    together.push_back(publish);
                    outcomes.push(None);
                }
                Err(refusal) => outcomes.push(Some(Err(refusal))),
            },
            Ok(BatchItem { publish, key, .. }) => {
                place_together(line, &mut together, &mut outcomes, patience).await;
                outcomes.push(Some(
                    placement::place(line, publish, key.as_deref(), Some(caller), patience).await,
                ));
            }
            Err(refusal) => outcomes.push(Some(Err(refusal))),
        }
    }
    place_together(line, &mut together, &mut outcomes, patience).await;
    outcomes
}

/// Reads an item that its sender may publish. `except` is not given it, unless it says itself who is not.
fn read(
    line: &InLine,
    caller: &Requester,
    item: &[u8],
    except: Option<ConnectionId>,
) -> Result<BatchItem, Problem> {
    let ids = line.exchange.registry().connection_ids();
    let mut item = BatchItem::read(item, ids, |names| admission::payload_limit(line, names))?;
    item.publish.payload = publish_options::withheld(item.publish.payload, item.except.or(except));
    caller.check(line, Right::Publish, item.publish.channels.iter().map(|name| &**name))?;
    Ok(item)
}

/// Gives what was gathered its places, and fills them in.
async fn place_together(
    line: &InLine,
    gathered: &mut VecDeque<Publish>,
    outcomes: &mut [Option<Result<Placement, ErrorResponse>>],
    patience: &mut Patience,
) {
    let mut open = outcomes.iter_mut().filter(|outcome| outcome.is_none());
    let fill = |outcome| {
        if let Some(open) = open.next() {
            *open = Some(outcome);
        }
    };
    placement::many(line, gathered, patience, fill).await;
}

/// What became of an item.
type ItemOutcome = Result<Published, ErrorResponse>;

/// The answers of a batch, as text.
struct BatchAnswer {
    encoding: BatchEncoding,
    count: usize,
    text: Vec<u8>,
    /// What is to be said of some of the items.
    doubts: Doubts,
}

impl BatchAnswer {
    fn begin(&mut self) {
        if self.encoding == BatchEncoding::Array {
            self.text.push(b'[');
        }
    }

    fn put(&mut self, line: &InLine, outcome: ItemOutcome) {
        if self.encoding == BatchEncoding::Array && self.count > 0 {
            self.text.push(b',');
        }
        self.count += 1;
        match outcome {
            Ok(published) => write_answer(&published, line.exchange.cursors(), &mut self.text),
            Err(refusal) => {
                let problem = refusal.problem();
                line.counters.refused(problem.code);
                denial_log::keep(line, problem, None, "an item of a batch");
                self.text.extend_from_slice(b"{\"error\":");
                problem.write(&mut self.text);
                self.text.push(b'}');
            }
        }
        if self.encoding == BatchEncoding::Lines {
            self.text.push(b'\n');
        }
    }

    fn end(&mut self) {
        if self.encoding == BatchEncoding::Array {
            self.text.extend_from_slice(b"]\n");
        }
    }
}

fn limit(line: &InLine) -> BodyLimit {
    let len_max = BATCH_LEN_MAX.max(line.settings().payload_limit.saturating_mul(2));
    BodyLimit { len_max, advice: "send several smaller batches" }
}

/// Whether the content type says that there is one object a line.
fn says_lines(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["application/x-ndjson", "application/ndjson", "application/jsonl"]
        .iter()
        .any(|lines| kind.eq_ignore_ascii_case(lines))
}
