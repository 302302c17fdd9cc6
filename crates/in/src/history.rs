//! `GET /channels/NAME/history`: what a channel's history holds, page by page; and
//! `DELETE /channels/NAME`, `DELETE /channels/NAME/history/CURSOR`.

use dialect::hub::{Before, Message, Next, OlderPage, Page, Position, Read, Start};
use dialect::native::{before, since, write_object};
use dialect::{Code, Problem};
use exchange::RemoveError;
use serde::Serialize;

use crate::admission::{full, out_of_room, unstored};
use crate::limits::{HISTORY_PAGE, HISTORY_PAGE_MAX, OLDER_PAGE_MAX};
use crate::placement;
use crate::query::read_number;
use crate::response::{ErrorResponse, excerpt};
use crate::state::InLine;

/// A page of a channel's messages, oldest first: `{"cursor", "messages", "gap"?, "more"?}`.
pub(crate) fn page(line: &InLine, name: &str, query: &str) -> Result<Vec<u8>, Problem> {
    let cursors = line.exchange.cursors();
    let (mut from, mut start, mut tail, mut limit) = (None, None, None, None);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            // A client's template has nothing to put there before its first answer.
            "since" | "tail" if value.is_empty() => {}
            "since" => start = Some(since(&value, cursors, line.exchange.now())?),
            "tail" => tail = Some(Start::Tail(read_number("tail", &value, 0, u32::MAX)?)),
            "before" if value.is_empty() => from = Some(Before::End),
            "before" => from = Some(before(&value, cursors)?),
            "limit" => limit = Some(value),
            _ => {}
        }
    }
    let (page_max, page_usual) = match from {
        Some(_) => (OLDER_PAGE_MAX, OLDER_PAGE_MAX),
        None => (HISTORY_PAGE_MAX, HISTORY_PAGE),
    };
    let limit = limit.map_or(Ok(page_usual), |limit| read_number("limit", &limit, 1, page_max))?;
    match (from, start.or(tail)) {
        (None, start) => Ok(newer(line, name, start.unwrap_or(Start::Everything), limit as usize)),
        (Some(from), None) => Ok(older(line, name, from, limit as usize)),
        (Some(_), Some(_)) => {
            let why = "before goes back from a cursor, since and tail go on from one; give one of them";
            Err(Problem::bad(Code::Before, why))
        }
    }
}

/// What came from this start on.
fn newer(line: &InLine, name: &str, start: Start, limit: usize) -> Vec<u8> {
    // Read before: what is released meanwhile is behind this end, and is owed to whoever comes with it.
    let end = line.exchange.end();
    let page = line.exchange.admin().history(name, start, limit);
    let page = page.unwrap_or_else(|| Page {
        present: Vec::new(),
        messages: Vec::new(),
        gaps: Vec::new(),
        next: Next::Live { position: end, channels: Vec::new() },
    });
    let (cursor, more) = match &page.next {
        Next::More(resume) => (resume.after(), true),
        Next::Live { position, .. } => (*position, false),
    };
    document(line, name, &page.messages, cursor, !page.gaps.is_empty(), more)
}

/// What came before; the cursor is that of the oldest message.
fn older(line: &InLine, name: &str, before: Before, limit: usize) -> Vec<u8> {
    let OlderPage { messages, first, more, gap } = line.exchange.admin().older(name, before, limit);
    document(line, name, &messages, first, gap, more)
}

fn document(
    line: &InLine,
    name: &str,
    messages: &[Message],
    cursor: Position,
    gap: bool,
    more: bool,
) -> Vec<u8> {
    let cursors = line.exchange.cursors();
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(b"{\"cursor\":\"");
    cursors.write(cursor, &mut out);
    out.extend_from_slice(b"\",\"messages\":[");
    // What was taken back is no longer there; that it was is told to those who wait.
    let messages = messages.iter().filter(|message| message.removal().is_none());
    for (n, message) in messages.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        let matched = message.targets().iter().position(|target| *target.name == *name);
        write_object(message, matched.as_slice(), Some(cursors), &mut out);
    }
    out.push(b']');
    for (name, is_so) in [("gap", gap), ("more", more)] {
        if is_so {
            out.extend_from_slice(format!(",\"{name}\":true").as_bytes());
        }
    }
    out.extend_from_slice(b"}\n");
    out
}

/// What a deletion is answered with.
#[derive(Debug, Serialize)]
pub(crate) struct DeletedChannel<'a> {
    name: &'a str,
    /// Whether there was anything to delete.
    deleted: bool,
}

/// Forgets a channel's history; ends its subscriptions too, unless only the history is named.
pub(crate) async fn delete<'a>(
    line: &InLine,
    name: &'a str,
    query: &str,
) -> Result<DeletedChannel<'a>, ErrorResponse> {
    let mut subscriptions = true;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*key, &*value) {
            ("forget", "history") => subscriptions = false,
            ("forget", other) => {
                let why = format!(
                    "forget is {:?}; give history, or leave it out to end the subscriptions too",
                    excerpt(other)
                );
                return Err(Problem::bad(Code::Forget, why).into());
            }
            _ => {}
        }
    }
    if let Some(why) = line.exchange.publisher().store_trouble() {
        return Err(unstored(why));
    }
    let (is_deleted, deleted) = line.exchange.publisher().begin_deletion(name, subscriptions);
    if let exchange::Deleted::Ordered(pending) = deleted {
        pending.await.map_err(unstored)?;
    }
    Ok(DeletedChannel { name, deleted: is_deleted })
}

/// What taking a message back is answered with.
#[derive(Debug, Serialize)]
pub(crate) struct RemovedMessage<'a> {
    channel: &'a str,
    cursor: String,
    deleted: bool,
}

/// Takes one message back from a channel. It is the message at this cursor.
pub(crate) async fn remove<'a>(
    line: &InLine,
    name: &'a str,
    cursor: &str,
) -> Result<RemovedMessage<'a>, ErrorResponse> {
    let cursors = line.exchange.cursors();
    let Some(Read::Here(position) | Read::Unlisted(position)) = cursors.read(cursor) else {
        return Err(no_message(name, cursor));
    };
    let receipt = line.exchange.publisher().remove(name, position).map_err(|error| match error {
        RemoveError::Missing => no_message(name, cursor),
        RemoveError::Full => full(line),
        RemoveError::Unstored(why) => unstored(why),
        RemoveError::Refused(refused) => out_of_room(refused).into(),
    })?;
    placement::released(receipt).await?;
    line.counters.messages_deleted.add();
    Ok(RemovedMessage { channel: name, cursor: cursors.text(position), deleted: true })
}

fn no_message(name: &str, cursor: &str) -> ErrorResponse {
    let problem = Problem::new(
        404,
        Code::Message,
        format!(
            "no such message: the history of {:?} has none with the cursor {:?}; give the cursor that its publisher was \
             answered, or that stands beside it in /channels/NAME/history",
            excerpt(name),
            excerpt(cursor)
        ),
    );
    problem.into()
}
