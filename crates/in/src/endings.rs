//! `DELETE /users/U` and `DELETE /connections/ID`: connections are ended, and their clients told why. What a user was given
//! before counts no longer, for a while.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use dialect::hub::{Millis, UserEnd, WallTime};
use dialect::native::{age, user_in_path};
use dialect::{Code, Problem};
use exchange::{Ticket, TooManyEnded, UserAnswer, UserQuestion};
use serde::Serialize;
use tokio::time::sleep;

use crate::admission::unstored;
use crate::limits::{KEPT_LOOK, REASON_LEN_MAX, RETRY_AFTER_S, USER_END_MS_MAX, USER_END_MS_MIN};
use crate::response::{ErrorResponse, excerpt, json};
use crate::state::InLine;
use crate::users::ask;

/// Ends all connections of a user. From now on what was issued to it before is refused: as long as is asked for, or else until
/// the last credentials of those connections would have ended.
pub(crate) async fn end_user(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let user = user_in_path(request.uri().path().strip_prefix("/users/").unwrap_or_default())?;
    let query = request.uri().query().unwrap_or_default();
    let (reason, lasts) = (read_reason(query, USER_ENDED)?, read_for(query)?);
    let at = line.exchange.wall();
    let end = UserEnd { user, at, until: at.after(lasts.unwrap_or(USER_END_MS_MAX)) };
    // Before anybody is ended, since who is comes back at once.
    line.exchange.ended_users().put(&end, lasts.is_some()).map_err(too_many)?;
    whole(carry_out(Arc::clone(&line), end, reason, lasts)).await
}

/// Does all of it, whether the caller waits for that or goes away.
async fn whole(
    work: impl Future<Output = Result<Response, ErrorResponse>> + Send + 'static,
) -> Result<Response, ErrorResponse> {
    let gone = || Problem::new(503, Code::Draining, "this server is going down; try again soon");
    tokio::spawn(work).await.unwrap_or_else(|_| Err(gone().into()))
}

/// Ends a user who is refused already: its connections, and then how long it is refused.
async fn carry_out(
    line: Arc<InLine>,
    mut end: UserEnd,
    reason: Box<str>,
    lasts: Option<Millis>,
) -> Result<Response, ErrorResponse> {
    let asked = ask(&line, UserQuestion::EndUser { user: end.user.clone(), reason }).await;
    let (mut count, mut last) = (0, WallTime::PAST);
    for answer in asked.iter().flat_map(|survey| survey.answers()).flatten() {
        let UserAnswer::EndedUser(ended, until) = answer else { continue };
        (count, last) = (count + ended, last.max(*until));
    }
    if lasts.is_none() {
        // Of who is not there, such as between two polls, it is not known how long its tokens last.
        if count > 0 && asked.is_ok() {
            end.until = last.clamp(end.at.after(USER_END_MS_MIN), end.until);
        }
        line.exchange.ended_users().settle(&end);
    }
    if let Some(ticket) = line.exchange.admin().keep_user_end(end) {
        kept(&line, ticket).await?;
    }
    asked?;
    line.counters.users_ended.add();
    Ok(json(&EndedAnswer { ended: count }))
}

/// Waits until a store has kept what was told to it.
async fn kept(line: &InLine, ticket: Ticket) -> Result<(), ErrorResponse> {
    loop {
        match line.exchange.admin().is_kept(ticket) {
            Some(kept) => return kept.map_err(unstored),
            None => sleep(KEPT_LOOK).await,
        }
    }
}

/// For how long a user is refused; `None`: as long as is usual.
fn read_for(query: &str) -> Result<Option<Millis>, Problem> {
    let mut lasts = None;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if &*key != "for" || value.is_empty() {
            continue;
        }
        let seconds = || value.parse::<Millis>().ok()?.checked_mul(1_000);
        let read = age(&value).or_else(seconds).filter(|millis| (1..=USER_END_MS_MAX).contains(millis));
        lasts = Some(read.ok_or_else(|| {
            let why = format!(
                "for is {:?}; give seconds, or a time such as 90s, 10m or 1h, of a day at the most",
                excerpt(&value)
            );
            Problem::bad(Code::For, why)
        })?);
    }
    Ok(lasts)
}

fn too_many(why: TooManyEnded) -> ErrorResponse {
    let why = format!(
        "nothing was done: {why}; try again when some of them are over, or end users for a shorter time"
    );
    ErrorResponse::retry_after(Problem::new(503, Code::EndedUsers, why), RETRY_AFTER_S)
}

/// Ends one connection.
pub(crate) async fn end_connection(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let reason = read_reason(request.uri().query().unwrap_or_default(), ENDED)?;
    let text = request.uri().path().strip_prefix("/connections/").unwrap_or_default();
    let found = line.exchange.registry().connection_ids().read(text);
    let found = found.and_then(|id| Some((id, line.exchange.registry().taken_ids().location(id)?)));
    let Some((id, location)) = found else { return Err(no_connection(text)) };
    let (asking, text) = (Arc::clone(&line), text.to_owned());
    whole(async move { end_one(&asking, UserQuestion::End { id, location, reason }, &text).await }).await
}

/// Ends the connection that is asked about.
async fn end_one(line: &InLine, question: UserQuestion, text: &str) -> Result<Response, ErrorResponse> {
    let survey = ask(line, question).await?;
    let ended = survey.answers().flatten().map(|answer| match answer {
        UserAnswer::Ended(count) => *count,
        _ => 0,
    });
    match ended.sum() {
        0 => Err(no_connection(text)),
        ended => Ok(json(&EndedAnswer { ended })),
    }
}

/// Why connections are ended, as their clients are told; `usual` where nothing is said.
fn read_reason(query: &str, usual: &str) -> Result<Box<str>, Problem> {
    let mut reason = Box::from(usual);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if &*key == "reason" {
            if value.len() > REASON_LEN_MAX || value.chars().any(char::is_control) {
                let why = format!(
                    "reason is {:?}; give a sentence of {REASON_LEN_MAX} bytes at the most, without control characters",
                    excerpt(&value)
                );
                return Err(Problem::bad(Code::Reason, why));
            }
            reason = value.into();
        }
    }
    Ok(reason)
}

fn no_connection(text: &str) -> ErrorResponse {
    let why = format!(
        "no connection that waits has the id {:?}; /users/USER lists those of a user, and each client is told its own",
        excerpt(text)
    );
    Problem::new(404, Code::Connection, why).into()
}

/// The answer to whoever ends connections.
#[derive(Debug, Serialize)]
struct EndedAnswer {
    ended: usize,
}

/// The reasons where none is given.
const USER_ENDED: &str = "the application ended all connections of this user";
const ENDED: &str = "the application ended this connection";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_user_is_refused_is_read() {
        for (query, expected) in [
            ("", Some(None)),
            ("for=", Some(None)),
            ("reason=x&for=90", Some(Some(90_000))),
            ("for=90s", Some(Some(90_000))),
            ("for=10m", Some(Some(600_000))),
            ("for=1d", Some(Some(86_400_000))),
            ("for=86400", Some(Some(86_400_000))),
            ("for=86401", None),
            ("for=0", None),
            ("for=-1", None),
            ("for=1.5", None),
            ("for=soon", None),
            ("for=99999999999999999999d", None),
        ] {
            assert_eq!(read_for(query).ok(), expected, "{query}");
        }
    }
}
