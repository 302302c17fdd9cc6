//! `GET /channels` and `/channels/NAME`: who is online.

use std::cell::RefCell;
use std::collections::BinaryHeap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::Response;
use dialect::hub::{ChannelInfo, Cursors, Right};
use dialect::native::{check_escapes, names_in_path};
use dialect::{Code, Problem};
use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::caller::Requester;
use crate::channel_users;
use crate::history;
use crate::limits::{CHANNELS_PAGE, CHANNELS_PAGE_MAX, RETRY_AFTER_S};
use crate::query::read_number;
use crate::response::{ErrorResponse, excerpt, json, json_text};
use crate::route;
use crate::state::InLine;

/// A page of channels, by name: those online, or with `all=1` all that are remembered.
pub(crate) async fn list(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let asked = ChannelsQuery::read(request.uri().query().unwrap_or_default())?;
    // The scan of millions of records must not hold up those who publish meanwhile.
    let caller = Requester::of(&line, request.extensions())?;
    let page = spawn_blocking(move || page(&line, &caller, &asked)).await.expect("a scan does not panic");
    Ok(json(&page))
}

/// One channel. Channels exist by use: of one that nobody used, all there is to say is zero.
pub(crate) async fn one(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let name = name_of(request.uri().path())?;
    check(&line, &request, &name)?;
    let info = line.exchange.admin().channel(&name);
    Ok(json(&ChannelStatus::new(&name, info.as_ref(), line.exchange.cursors())))
}

/// Some of the users on a channel.
pub(crate) async fn users(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    page_of(&line, &request, "/users", channel_users::page)
}

/// A page of a channel's history.
pub(crate) async fn history(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    page_of(&line, &request, "/history", history::page)
}

/// A page of what a channel has under this end of its address.
fn page_of(
    line: &InLine,
    request: &Request,
    end: &str,
    page: fn(&InLine, &str, &str) -> Result<Vec<u8>, Problem>,
) -> Result<Response, ErrorResponse> {
    let name = name_of(request.uri().path().strip_suffix(end).unwrap_or_default())?;
    check(line, request, &name)?;
    Ok(json_text(page(line, &name, request.uri().query().unwrap_or_default())?))
}

/// Deletes a channel.
pub(crate) async fn delete(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let name = name_of(request.uri().path())?;
    check(&line, &request, &name)?;
    if !line.exchange.publisher().takes_orders() {
        let why = "more channels were deleted than the shards have carried out so far; try again";
        return Err(ErrorResponse::retry_after(Problem::new(503, Code::Full, why), RETRY_AFTER_S));
    }
    Ok(json(&history::delete(&line, &name, request.uri().query().unwrap_or_default()).await?))
}

/// Takes one message back.
pub(crate) async fn remove(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let path = request.uri().path();
    let (channel, cursor) = path.rsplit_once("/history/").unwrap_or_default();
    let name = name_of(channel)?;
    check(&line, &request, &name)?;
    Ok(json(&history::remove(&line, &name, cursor).await?))
}

/// Checks that whoever asks may do this on the channel: has the right that the row of the address names.
fn check(line: &InLine, request: &Request, name: &str) -> Result<(), Problem> {
    let caller = Requester::of(line, request.extensions())?;
    if caller.key().is_none() {
        return Ok(());
    }
    let route = route::find(line.routes, request.uri().path());
    let right = route.and_then(|route| route.operation(request.method())?.right);
    // Without a row that says less, nobody may but who may everything.
    caller.check(line, right.unwrap_or(Right::Administer), [name])
}

/// The one name in a path.
fn name_of(path: &str) -> Result<Box<str>, Problem> {
    check_escapes(path)?;
    match names_in_path(path.strip_prefix("/channels/").unwrap_or_default()) {
        Ok(names) if names.len() == 1 => Ok(names.into_iter().next().unwrap_or_default()),
        Ok(_) => Err(no_such_name(SLASH)),
        Err(problem) => Err(no_such_name(&problem.detail)),
    }
}

/// What is asked of the list.
#[derive(Debug, PartialEq, Eq)]
struct ChannelsQuery {
    prefix: String,
    after: Option<String>,
    limit: usize,
    all: bool,
}

impl ChannelsQuery {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut asked = Self { prefix: String::new(), after: None, limit: CHANNELS_PAGE, all: false };
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "prefix" => asked.prefix = value.into_owned(),
                "after" => asked.after = Some(value.into_owned()),
                "limit" => asked.limit = read_number("limit", &value, 1, CHANNELS_PAGE_MAX)?,
                "all" => asked.all = read_flag("all", &value)?,
                _ => {}
            }
        }
        Ok(asked)
    }

    fn wants(&self, name: &str, online: bool) -> bool {
        (online || self.all)
            && name.starts_with(&*self.prefix)
            && self.after.as_deref().is_none_or(|after| name > after)
    }
}

/// The first `limit` channels by name. Only as many are held, however many there are.
fn page(line: &InLine, caller: &Requester, asked: &ChannelsQuery) -> ChannelsPage {
    // One more than is shown tells whether there is a next page.
    let first = RefCell::new(FirstNames { heap: BinaryHeap::new(), len_max: asked.limit + 1 });
    let wants = |name: &str, online| {
        asked.wants(name, online) && first.borrow().has_room(name) && caller.sees(line, name)
    };
    line.exchange.admin().channels(&wants, |found| {
        found.drain(..).for_each(|info| first.borrow_mut().put(info));
    });
    let mut channels: Vec<ListedChannel> = first.into_inner().heap.into_sorted_vec();
    let more = channels.len() > asked.limit;
    channels.truncate(asked.limit);
    ChannelsPage { next: channels.last().filter(|_| more).map(|last| last.name.to_string()), channels }
}

/// The first names of all that were put in.
struct FirstNames {
    /// The last of them on top.
    heap: BinaryHeap<ListedChannel>,
    len_max: usize,
}

impl FirstNames {
    fn has_room(&self, name: &str) -> bool {
        self.heap.len() < self.len_max || self.heap.peek().is_none_or(|last| name < &*last.name)
    }

    fn put(&mut self, info: ChannelInfo) {
        self.heap.push(ListedChannel { name: info.name, waiting: info.waiting, online: info.online });
        if self.heap.len() > self.len_max {
            self.heap.pop();
        }
    }
}

/// The answer to `/channels`. `next` is what to give as `after` for the next page.
#[derive(Debug, Serialize)]
struct ChannelsPage {
    channels: Vec<ListedChannel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One line of the list; the order of the fields makes it sort by name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct ListedChannel {
    #[serde(serialize_with = "write_name")]
    name: Arc<str>,
    waiting: u32,
    online: bool,
}

/// The answer to `/channels/NAME`.
#[derive(Debug, Serialize)]
struct ChannelStatus<'a> {
    name: &'a str,
    waiting: u32,
    online: bool,
    history: HistoryStatus,
}

#[derive(Debug, Default, Serialize)]
struct HistoryStatus {
    messages: u32,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
}

impl<'a> ChannelStatus<'a> {
    fn new(name: &'a str, info: Option<&ChannelInfo>, cursors: Cursors) -> Self {
        let Some(info) = info else {
            return Self { name, waiting: 0, online: false, history: HistoryStatus::default() };
        };
        let (first, last) = info.kept.map(|(first, last)| (cursors.text(first), cursors.text(last))).unzip();
        let history = HistoryStatus { messages: info.messages, bytes: info.bytes, first, last };
        Self { name, waiting: info.waiting, online: info.online, history }
    }
}

fn write_name<S: serde::Serializer>(name: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}

fn read_flag(name: &str, text: &str) -> Result<bool, Problem> {
    match text {
        "1" | "true" | "" => Ok(true),
        "0" | "false" => Ok(false),
        other => Err(Problem::bad(Code::Flag, format!("{name} is {:?}; give 1 or 0", excerpt(other)))),
    }
}

pub(crate) fn no_such_name(why: &str) -> Problem {
    Problem::new(
        404,
        Code::ChannelName,
        format!("no channel can have this name: {why}; ask for /channels/NAME"),
    )
}

/// What is asked for is not there.
pub(crate) async fn not_found(uri: Uri) -> ErrorResponse {
    if uri.path().starts_with("/channels/") {
        return no_such_name(SLASH).into();
    }
    let path = excerpt(uri.path());
    let problem = Problem::new(
        404,
        Code::NotFound,
        format!(
            "there is nothing at {path}; publish with POST /pub/CHANNEL, ask GET /channels, /channels/CHANNEL, \
             /watch, /stats, /metrics, /refused, /healthz or /readyz; all there is stands in /openapi.json, and /demo shows \
             it; clients wait on the WAIT line, not here"
        ),
    );
    problem.into()
}

/// Why a path with further parts names no channel.
pub(crate) const SLASH: &str = "a slash in a name is written %2F, and one channel is asked for at a time";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_read() {
        let usual = ChannelsQuery { prefix: String::new(), after: None, limit: 1_000, all: false };
        assert_eq!(ChannelsQuery::read(""), Ok(usual));
        let special =
            ChannelsQuery { prefix: "user.".into(), after: Some("user.7".into()), limit: 5, all: true };
        assert_eq!(ChannelsQuery::read("prefix=user.&after=user.7&limit=5&all=1"), Ok(special));
        for bad in ["limit=0", "limit=10001", "limit=x", "all=maybe"] {
            assert!(ChannelsQuery::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_first_names_are_kept() {
        let mut first = FirstNames { heap: BinaryHeap::new(), len_max: 2 };
        for name in ["m", "c", "x", "a", "b"] {
            if first.has_room(name) {
                first.put(ChannelInfo {
                    name: name.into(),
                    waiting: 0,
                    online: true,
                    messages: 0,
                    bytes: 0,
                    kept: None,
                });
            }
        }
        assert!(!first.has_room("c"));
        let names: Vec<_> =
            first.heap.into_sorted_vec().iter().map(|listed| listed.name.to_string()).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
