//! `GET /channels/NAME/history`: what a channel's history holds, page by page; and
//! `DELETE /channels/NAME`, `DELETE /channels/NAME/history/CURSOR`.

use dialect::hub::{Next, Page, Read, Start};
use dialect::native::{since, write_object};
use dialect::{Code, Problem};
use exchange::RemoveError;
use serde::Serialize;

use crate::admission::{full, out_of_room, unstored};
use crate::limits::{HISTORY_PAGE, HISTORY_PAGE_MAX};
use crate::placement;
use crate::query::read_number;
use crate::response::{ErrorResponse, excerpt};
use crate::state::InLine;

/// A page of a channel's messages, oldest first: `{"cursor", "messages", "gap"?, "more"?}`.
pub(crate) fn page(line: &InLine, name: &str, query: &str) -> Result<Vec<u8>, Problem> {
    let cursors = line.exchange.cursors();
    let (mut start, mut tail, mut limit) = (None, None, HISTORY_PAGE);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            // A client's template has nothing to put there before its first answer.
            "since" | "tail" if value.is_empty() => {}
            "since" => start = Some(since(&value, cursors, line.exchange.now())?),
            "tail" => tail = Some(Start::Tail(read_number("tail", &value, 0, u32::MAX)?)),
            "limit" => limit = read_number("limit", &value, 1, HISTORY_PAGE_MAX)?,
            _ => {}
        }
    }
    let start = start.or(tail).unwrap_or(Start::Everything);
    // Read before: what is released meanwhile is behind this end, and is owed to whoever comes with it.
    let end = line.exchange.end();
    let page = line.exchange.history(name, start, limit as usize);
    let page = page.unwrap_or_else(|| Page {
        messages: Vec::new(),
        gaps: Vec::new(),
        next: Next::Live { position: end, channels: Vec::new() },
    });
    let (cursor, more) = match &page.next {
        Next::More(resume) => (resume.after(), true),
        Next::Live { position, .. } => (*position, false),
    };
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(b"{\"cursor\":\"");
    cursors.write(cursor, &mut out);
    out.extend_from_slice(b"\",\"messages\":[");
    // What was taken back is no longer there; that it was is told to those who wait.
    let messages = page.messages.iter().filter(|message| message.removal().is_none());
    for (n, message) in messages.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        let matched = message.targets().iter().position(|target| *target.name == *name);
        write_object(message, matched.as_slice(), Some(cursors), &mut out);
    }
    out.push(b']');
    for (name, is_so) in [("gap", !page.gaps.is_empty()), ("more", more)] {
        if is_so {
            out.extend_from_slice(format!(",\"{name}\":true").as_bytes());
        }
    }
    out.extend_from_slice(b"}\n");
    Ok(out)
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
    if let Some(why) = line.exchange.store_trouble() {
        return Err(unstored(why));
    }
    let (is_deleted, deleted) = line.exchange.begin_deletion(name, subscriptions);
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
    let Some(Read::Here(position)) = cursors.read(cursor) else { return Err(no_message(name, cursor)) };
    let receipt = line.exchange.remove(name, position).map_err(|error| match error {
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
