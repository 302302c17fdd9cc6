//! `GET /users` and `/users/U`: who waits, and by which connections. Shards are asked, all at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use dialect::hub::{Position, Present, UserName, WallTime};
use dialect::native::user_in_path;
use dialect::{Code, Problem};
use exchange::{ListedUser, Order, UserAnswer, UserConnection, UserList, UserQuestion, UserSurvey, shown};
use serde::Serialize;

use crate::limits::{PRESENT_PAGE_MAX, RETRY_AFTER_S, SURVEY_MAX, USERS_PAGE, USERS_PAGE_MAX};
use crate::query::read_number;
use crate::response::{ErrorResponse, json};
use crate::state::InLine;
use crate::survey::answered;

/// A page of users, by name.
pub(crate) async fn list(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let list = read_list(request.uri().query().unwrap_or_default())?;
    let limit = list.limit;
    // Where users are followed, those who are away within the grace stand here as well: nothing is told of them should they
    // come back.
    let (followed, is_more, at) = followed(&line, &list);
    let cursor = line.exchange.cursors().text(at);
    let survey = ask(&line, UserQuestion::List(list)).await?;
    let mut all: BTreeMap<&str, ListedUser> = followed.iter().map(|one| (&*one.user, away(one))).collect();
    for answer in survey.answers().flatten() {
        let UserAnswer::List(listed) = answer else { continue };
        for one in listed {
            match all.get_mut(&*one.user) {
                Some(known) => {
                    known.connections += one.connections;
                    known.since = known.since.min(one.since);
                }
                None => drop(all.insert(&one.user, one.clone())),
            }
        }
    }
    let more = is_more || all.len() > limit;
    let users: Vec<UserLine<'_>> = all.values().take(limit).map(UserLine::of).collect();
    let next = users.last().filter(|_| more).map(|last| last.user);
    Ok(json(&UsersPage { cursor, users, next }))
}

/// The first users of a page, of those who are followed, read in steps; whether there are more; and the place from which on events
/// complete them.
fn followed(line: &InLine, list: &UserList) -> (Vec<Present>, bool, Position) {
    let (mut found, mut after, mut first) = (Vec::new(), list.after.as_deref().map(UserName::from), None);
    loop {
        let limit = (list.limit - found.len()).min(PRESENT_PAGE_MAX as usize);
        let (users, next, at) = line.exchange.admin().all_users(&list.prefix, after.as_deref(), limit);
        let at = *first.get_or_insert(at);
        found.extend(users);
        if next.is_none() || found.len() >= list.limit {
            return (found, next.is_some(), at);
        }
        after = next;
    }
}

/// A user of whom no connection is known yet.
fn away(Present { user, since, .. }: &Present) -> ListedUser {
    ListedUser { user: (&**user).into(), connections: 0, since: WallTime::from_millis(*since) }
}

/// One user. Of one who is not there, all there is to say is that.
pub(crate) async fn one(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let user = user_in_path(request.uri().path().strip_prefix("/users/").unwrap_or_default())?;
    let survey = ask(&line, UserQuestion::One(user.clone())).await?;
    let (mut connections, mut is_more) = (Vec::new(), false);
    for answer in survey.answers().flatten() {
        let UserAnswer::One(found, more) = answer else { continue };
        connections.extend(found.iter().map(|one| ConnectionLine::of(&line, one)));
        is_more |= more;
    }
    let since = connections.iter().map(|one| one.since).min();
    let online = !connections.is_empty();
    Ok(json(&UserStatus { user: &user, online, since, connections, more: is_more }))
}

/// Asks all shards, and waits until they have answered.
pub(crate) async fn ask(line: &InLine, question: UserQuestion) -> Result<Arc<UserSurvey>, ErrorResponse> {
    let busy = || {
        let why = "the server is too busy to say who is there; try again";
        ErrorResponse::retry_after(Problem::new(503, Code::NotReady, why), RETRY_AFTER_S)
    };
    let _place = line.surveys.acquire().await.map_err(|_| busy())?;
    if !line.exchange.publisher().takes_orders() {
        return Err(busy());
    }
    let survey = Arc::new(UserSurvey::ask(line.exchange.shards(), question));
    line.exchange.admin().order_all(&Order::Users(Arc::downgrade(&survey)));
    if !answered(&survey, SURVEY_MAX).await {
        return Err(busy());
    }
    Ok(survey)
}

fn read_list(query: &str) -> Result<UserList, Problem> {
    let mut list = UserList { prefix: "".into(), after: None, limit: USERS_PAGE };
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "prefix" => list.prefix = value.into(),
            "after" => list.after = Some(value.into()),
            "limit" => list.limit = read_number("limit", &value, 1, USERS_PAGE_MAX)?,
            _ => {}
        }
    }
    Ok(list)
}

/// The answer to `/users`. `next` is what to give as `after` for the next page.
#[derive(Debug, Serialize)]
struct UsersPage<'a> {
    cursor: String,
    users: Vec<UserLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct UserLine<'a> {
    user: &'a str,
    connections: u32,
    since: u64,
}

impl<'a> UserLine<'a> {
    fn of(one: &'a ListedUser) -> Self {
        Self { user: &one.user, connections: one.connections, since: seconds(one.since) }
    }
}

/// The answer to `/users/U`.
#[derive(Debug, Serialize)]
struct UserStatus<'a> {
    user: &'a str,
    online: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    connections: Vec<ConnectionLine>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

#[derive(Debug, Serialize)]
struct ConnectionLine {
    id: String,
    channels: Vec<String>,
    transport: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    since: u64,
}

impl ConnectionLine {
    fn of(line: &InLine, one: &UserConnection) -> Self {
        Self {
            id: line.exchange.registry().connection_ids().text(one.id).as_str().to_owned(),
            channels: line
                .exchange
                .registry()
                .names(&one.channels)
                .iter()
                .filter(|name| dialect::hub::presence_of(name).is_none())
                .map(|name| name.to_string())
                .collect(),
            transport: one.transport,
            address: one.address.map(shown),
            since: seconds(one.since),
        }
    }
}

fn seconds(time: WallTime) -> u64 {
    time.millis() / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_read() {
        let usual = UserList { prefix: "".into(), after: None, limit: USERS_PAGE };
        assert_eq!(read_list("").ok(), Some(usual));
        let special = UserList { prefix: "a".into(), after: Some("ab".into()), limit: 5 };
        assert_eq!(read_list("prefix=a&after=ab&limit=5").ok(), Some(special));
        for bad in ["limit=0", "limit=10001", "limit=x"] {
            assert!(read_list(bad).is_err(), "{bad}");
        }
    }
}
