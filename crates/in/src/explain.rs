//! `POST /explain`: why a client would be refused, or let in, step by step. Shards judge what was pasted by the checks that clients
//! pass; nothing is made by it, nothing counted as refused, and nothing of it kept.

use std::sync::Arc;

use access::claims_said;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use dialect::hub::{Door, Right, Rules, Session, WallTime, check_name, excerpt};
use dialect::native::{WaitPath, names_in_path};
use dialect::{Code, Origins, Problem};
use exchange::{Judged, Pasted, Refusal, UserAnswer, UserQuestion};
use serde::{Deserialize, Serialize};

use crate::admission;
use crate::body::{self, BodyLimit};
use crate::caller::Requester;
use crate::limits::{EXPLAINED_LEN_MAX, EXPLAINED_NAMES_MAX, EXPLAINED_PER_S_MAX};
use crate::response::{ErrorResponse, json};
use crate::state::InLine;
use crate::users::ask;

/// What is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainWords {
    token: Option<String>,
    url: Option<String>,
    origin: Option<String>,
    channel: Option<String>,
    right: Option<String>,
}

/// The answer.
#[derive(Serialize)]
struct Explained {
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    detail: String,
    steps: Vec<ExplainedStep>,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct ExplainedStep {
    what: &'static str,
    ok: bool,
    detail: String,
    #[serde(skip)]
    code: Option<Code>,
}

/// Says what comes of a token, a signed URL, an origin or a channel's name.
pub(crate) async fn explain(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let (head, body) = request.into_parts();
    let what = "requests a second ask here for reasons; wait before the next one";
    let too_many = |seconds| admission::too_many(Code::Rate, EXPLAINED_PER_S_MAX, what, seconds);
    line.rates.explained.take().map_err(too_many)?;
    let limit = BodyLimit { len_max: EXPLAINED_LEN_MAX, advice: "paste one token or one URL" };
    let (pasted, token) = read(&body::read(&line, &head.headers, body, limit).await?)?;
    check_key(&line, &Requester::of(&line, &head.extensions)?, &pasted.names)?;
    let (names, right) = (pasted.names.clone(), pasted.right);
    let origin = pasted.origin.clone();
    let survey = ask(&line, UserQuestion::Judge(pasted)).await?;
    let judged = survey.answers().flatten().find_map(|answer| match answer {
        UserAnswer::Judged(judged) => judged.as_deref(),
        _ => None,
    });
    let none = Judged::default();
    let judged = judged.unwrap_or(&none);
    let (rules, now) = (line.exchange.registry().rules(), line.exchange.wall());
    let mut steps = Vec::new();
    steps.extend(origin.as_deref().map(|origin| origin_step(judged, origin)));
    steps.extend(credentials_steps(judged, token.as_deref(), now));
    steps.extend(names.iter().take(EXPLAINED_NAMES_MAX).map(|name| rule_step(&rules, name)));
    steps.extend(judged.may.as_ref().map(|may| right_step(may, right, &names)));
    let mut response = json(&whole(steps));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Who may administer all may ask about anything; who may only some channels, about those.
fn check_key(line: &InLine, requester: &Requester, names: &[Box<str>]) -> Result<(), Problem> {
    if requester.may_everywhere(line, Right::Administer) {
        return Ok(());
    }
    if names.is_empty() {
        let why = "the API key may administer some channels only; name one of them as `channel`, or send a key whose [[key]] has no \
                   `match`";
        return Err(Problem::new(403, Code::Grant, why));
    }
    requester.check(line, Right::Administer, names.iter().map(|name| &**name))
}

/// The question, and the token in it.
fn read(body: &[u8]) -> Result<(Pasted, Option<String>), Problem> {
    let wrong = |why: &str| {
        let right = "send {\"token\" or \"url\", \"origin\", \"channel\", \"right\"}, of which one at least";
        Problem::bad(Code::Body, format!("the body {why}; {right}"))
    };
    // Not the fault's own words: they may have some of what was pasted.
    let words: ExplainWords = serde_json::from_slice(body).map_err(|error| {
        wrong(&format!("cannot be read at line {}, column {}", error.line(), error.column()))
    })?;
    if words.token.is_some() && words.url.is_some() {
        return Err(wrong("has both a token and a URL"));
    }
    if words.token.is_none() && words.url.is_none() && words.origin.is_none() && words.channel.is_none() {
        return Err(wrong("asks about nothing"));
    }
    let right = match words.right.as_deref().map_or(Some(Right::Listen), Right::named) {
        Some(right) if right != Right::Administer => right,
        _ => return Err(wrong("has a `right` that is none of listen, publish, presence and history")),
    };
    let origin = words.origin.as_deref().map(Origins::read).transpose();
    let origin = origin.map_err(|error| Problem::bad(Code::Origin, error.to_string()))?;
    let (mut list, mut query, mut names) = (String::new(), String::new(), Vec::new());
    if let Some(url) = &words.url {
        (list, query) = parts_of(url)
            .ok_or_else(|| wrong("has a `url` of no WAIT line: its path has no /sub/ or the like"))?;
        names = names_in_path(&list)?;
    }
    if let Some(channel) = &words.channel {
        let name = check_name(channel.as_bytes())
            .map_err(|error| Problem::bad(Code::ChannelName, error.to_string()))?;
        names = vec![name.into()];
    }
    if let Some(token) = &words.token {
        query = form_urlencoded::Serializer::new(String::new()).append_pair("token", token.trim()).finish();
    }
    let pasted =
        Pasted { list: list.into(), query: query.into(), names, right, origin: origin.map(String::into) };
    Ok((pasted, words.token))
}

/// The list of names in the path of a URL, and its query. Whatever a proxy has in front of our paths is passed over.
fn parts_of(url: &str) -> Option<(String, String)> {
    let url = url.trim().split('#').next().unwrap_or_default();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    let starts = path.match_indices('/').map(|(at, _)| &path[at..]);
    let (_, list) = starts.filter_map(WaitPath::of).next()?;
    Some((list.to_owned(), query.to_owned()))
}

fn step(what: &'static str, result: Result<String, &Refusal>) -> ExplainedStep {
    match result {
        Ok(detail) => ExplainedStep { what, ok: true, detail, code: None },
        Err((code, detail)) => ExplainedStep { what, ok: false, detail: detail.clone(), code: Some(*code) },
    }
}

fn origin_step(judged: &Judged, origin: &str) -> ExplainedStep {
    let origin = excerpt(origin);
    let fine = if judged.is_listed {
        format!(
            "pages of {origin:?} are listed in `origins`: they may show tokens and cookies, and read the answers"
        )
    } else {
        format!(
            "`origins` is empty, so a page of {origin:?} may show a token, as any page; a cookie counts only where the server \
             itself has that host"
        )
    };
    step(
        "origin",
        judged.page.as_ref().map_or_else(|| Ok(fine.clone()), |page| page.as_ref().map(|()| fine.clone())),
    )
}

fn credentials_steps(judged: &Judged, token: Option<&str>, now: WallTime) -> Vec<ExplainedStep> {
    let Some(session) = &judged.session else { return Vec::new() };
    let what = if token.is_some() { "token" } else { "url" };
    let mut steps = vec![step(what, session.as_ref().map(|session| described(session, now)))];
    if session.is_err()
        && let Some(claims) = token.and_then(claims_said)
    {
        let detail = format!("what the token says of itself, unproven: {claims}");
        steps.push(ExplainedStep { what: "claims", ok: true, detail, code: None });
    }
    let user = session.as_ref().ok().and_then(Session::user).map(excerpt).unwrap_or_default();
    let fine = || format!("the application has not ended the user {user:?} since");
    let named = judged.ended.as_ref().filter(|ended| ended.is_err() || !user.is_empty());
    steps.extend(named.map(|ended| step("user", ended.as_ref().map(|()| fine()))));
    steps
}

/// Whose a session is, how long it lasts, and what it may do.
fn described(session: &Session, now: WallTime) -> String {
    let user = session
        .user()
        .map_or_else(|| "of nobody by name".to_owned(), |user| format!("of the user {:?}", excerpt(user)));
    let ends = session.expires().map_or_else(
        || "it does not end".to_owned(),
        |end| format!("it ends in {} s", end.since(now) / 1_000),
    );
    let mut grants = Vec::new();
    for right in [Right::Listen, Right::Publish, Right::Presence, Right::History] {
        let granted = session.grants().filter(|grant| grant.rights.has(right));
        let names: Vec<String> = granted.map(|grant| grant.names.as_str().to_owned()).collect();
        if !names.is_empty() {
            grants.push(format!("{} {}", right.name(), excerpt(&names.join(", "))));
        }
    }
    let grants = if grants.is_empty() {
        "it grants nothing by itself".to_owned()
    } else {
        format!("it grants: {}", grants.join("; "))
    };
    format!("it is right, and {user}; {ends}; {grants}")
}

fn rule_step(rules: &Rules, name: &str) -> ExplainedStep {
    let door = |door: Door| match door {
        Door::Open => "open",
        Door::Token => "token",
        Door::Off => "off",
    };
    let whose = match rules.pattern(name) {
        Some(pattern) => format!(
            "the first [[channel]] that matches {:?} is that of match = {:?}",
            excerpt(name),
            pattern.as_str()
        ),
        None => format!("no [[channel]] matches {:?}, so the general settings hold", excerpt(name)),
    };
    let detail = format!(
        "{whose}: listen {}, history {}, presence {}, publish {}",
        door(rules.listen(name)),
        door(rules.history(name)),
        door(rules.presence(name)),
        door(rules.publish(name)),
    );
    ExplainedStep { what: "rule", ok: true, detail, code: None }
}

fn right_step(may: &Result<(), Refusal>, right: Right, names: &[Box<str>]) -> ExplainedStep {
    let whose = match names {
        [name] => format!("{:?}", excerpt(name)),
        _ => format!("all {} channels", names.len()),
    };
    let to = match right {
        Right::Publish => "publish to",
        Right::History => "listen to, and read the history of,",
        Right::Presence => "listen to, and see who is on,",
        Right::Listen | Right::Administer => "listen to",
    };
    step("right", may.as_ref().map(|()| format!("a client that shows this may {to} {whose}")))
}

/// The verdict: the first step that fails decides.
fn whole(steps: Vec<ExplainedStep>) -> Explained {
    let failed = steps.iter().find(|step| !step.ok);
    let detail = failed.or_else(|| steps.last()).map(|step| step.detail.clone()).unwrap_or_default();
    Explained {
        allowed: failed.is_none(),
        code: failed.and_then(|step| step.code).map(Code::name),
        detail,
        steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_found_behind_whatever_a_proxy_has_before_it() {
        let parts = |url: &str| parts_of(url).map(|(list, query)| format!("{list}?{query}"));
        for url in
            ["https://h.example/push/sub/a,b?x=1", "/sub/a,b?x=1#f", " wss://h/sub/a,b?x=1 ", "/sse/a,b?x=1"]
        {
            assert_eq!(parts(url).as_deref(), Some("a,b?x=1"), "{url}");
        }
        assert_eq!(parts("https://h.example/?x"), None);
        assert_eq!(parts("https://h.example"), None);
    }

    #[test]
    fn what_is_pasted_is_never_in_what_is_wrong() {
        for (body, part) in [
            ("{}", "about nothing"),
            (r#"{"token":"sEcret","url":"/sub/a?token=sEcret"}"#, "both"),
            (r#"{"token":"sEcret","right":"administer"}"#, "`right`"),
            (r#"{"tokn":"sEcret"}"#, "cannot be read at line 1"),
            (r#"{"token":["sEcret"]}"#, "cannot be read at line 1"),
            (r#"{"url":"https://h.example/sEcret"}"#, "no /sub/"),
            (r#"{"origin":"h.example"}"#, "an origin is a scheme"),
            (r#"{"channel":""}"#, "name"),
        ] {
            let problem = read(body.as_bytes()).err().unwrap_or_else(|| panic!("{body} is taken"));
            assert!(
                problem.detail.contains(part) && !problem.detail.contains("sEcret"),
                "{body}: {problem:?}"
            );
        }
    }

    #[test]
    fn the_first_step_that_fails_decides() {
        let wrong = (Code::TokenExpired, "over".to_owned());
        let steps = vec![
            step("origin", Ok("fine".into())),
            step("token", Err(&wrong)),
            step("rule", Ok("open".into())),
        ];
        let explained = whole(steps);
        assert_eq!(
            (explained.allowed, explained.code, &*explained.detail),
            (false, Some("token-expired"), "over")
        );
    }
}
