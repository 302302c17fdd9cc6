//! `POST /users/U/channels`: the live connections of a user listen to other channels.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use dialect::native::{NameList, names_in_list, user_in_path};
use dialect::{Code, Problem};
use exchange::{UserAnswer, UserQuestion};
use serde::{Deserialize, Serialize};

use crate::body::{self, BodyLimit};
use crate::limits::{CHANGES_LEN_MAX, JOINS_MAX};
use crate::response::{ErrorResponse, json};
use crate::state::InLine;
use crate::users::ask;

/// Which channels are joined and left.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinWords {
    #[serde(default)]
    join: NameList,
    #[serde(default)]
    leave: NameList,
}

/// Channels.
type Names = Vec<Box<str>>;

/// How many connections were told.
#[derive(Serialize)]
struct Changed {
    connections: usize,
}

/// Has the connections of a user that wait now listen to other channels.
pub(crate) async fn change(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let (head, body) = request.into_parts();
    let user = head.uri.path().strip_prefix("/users/").and_then(|rest| rest.strip_suffix("/channels"));
    let user = user_in_path(user.unwrap_or_default())?;
    let limit = BodyLimit { len_max: CHANGES_LEN_MAX, advice: "name fewer channels at once" };
    let (join, leave) = read(&body::read(&line, &head.headers, body, limit).await?)?;
    let survey = ask(&line, UserQuestion::Change { user, join, leave }).await?;
    let changed = survey.answers().flatten().map(|answer| match answer {
        UserAnswer::Changed(count) => *count,
        _ => 0,
    });
    Ok(json(&Changed { connections: changed.sum() }))
}

/// What is joined, and what is left.
fn read(body: &[u8]) -> Result<(Names, Names), Problem> {
    let wrong = |why: &str| {
        let right = "send {\"join\": [NAME…], \"leave\": [NAME…]}, either of which may be left out";
        Problem::bad(Code::Join, format!("the body {why}; {right}"))
    };
    let words: JoinWords =
        serde_json::from_slice(body).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let names = |list: &NameList| if list.is_empty() { Ok(Vec::new()) } else { names_in_list(list) };
    let (join, leave) = (names(&words.join)?, names(&words.leave)?);
    if join.len() > JOINS_MAX || leave.len() > JOINS_MAX {
        return Err(wrong(&format!("names more than {JOINS_MAX} channels in a list")));
    }
    if join.is_empty() && leave.is_empty() {
        return Err(wrong("names no channel"));
    }
    if let Some(both) = join.iter().find(|name| leave.contains(name)) {
        return Err(wrong(&format!("has {both:?} in both lists")));
    }
    Ok((join, leave))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<(&[&str], &[&str]), &str>) {
        match (read(body.as_bytes()), expected) {
            (Ok((join, leave)), Ok((joins, leaves))) => {
                let same = |names: Names, expected: &[&str]| {
                    names.iter().map(|name| &**name).eq(expected.iter().copied())
                };
                assert!(same(join, joins) && same(leave, leaves), "{body}");
            }
            (Err(problem), Err(code)) => assert_eq!(problem.code.name(), code, "{body}"),
            (got, _) => panic!("{body}: {got:?}"),
        }
    }

    #[test]
    fn what_is_joined_and_left_is_read() {
        check(r#"{"join": ["a", "b"], "leave": ["c"]}"#, Ok((&["a", "b"], &["c"])));
        check(r#"{"leave": ["c", "c"]}"#, Ok((&[], &["c"])));
        for (body, code) in [
            ("", "join"),
            ("{}", "join"),
            ("[]", "join"),
            (r#"{"join": []}"#, "join"),
            (r#"{"join": "a"}"#, "join"),
            (r#"{"joins": ["a"]}"#, "join"),
            (r#"{"join": ["a"], "leave": ["a"]}"#, "join"),
            (r#"{"join": ["$all"]}"#, "channel-name"),
        ] {
            check(body, Err(code));
        }
        let many: Vec<String> = (0..=JOINS_MAX).map(|n| format!("\"{n}\"")).collect();
        check(&format!("{{\"join\": [{}]}}", many.join(",")), Err("join"));
    }
}
