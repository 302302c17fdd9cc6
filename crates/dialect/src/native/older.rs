//! `GET /history/NAME`: what was said before, page by page backwards.

use hub::limits::OLDER_MESSAGES_MAX;
use hub::{Before, Cursors, Read, Start, excerpt};

use super::context::{Context, method_not_allowed};
use super::credentials::credentials;
use super::names::names_in_path;
use super::warnings::warning_of_query;
use crate::{Code, Intent, Older, Problem, Request, Transport, Wait};

/// How the address begins; the name of a channel stands behind it.
pub(super) const PATH: &str = "/history/";

/// What a complete request for such a page wants; `list` stands behind the address.
pub(super) fn older(request: &Request<'_>, list: &str, context: Context<'_>) -> Result<Intent, Problem> {
    if !matches!(request.method, "GET" | "HEAD") {
        return Ok(Intent::Answer(method_not_allowed(request.method, "GET, HEAD, OPTIONS")));
    }
    let names = names_in_path(list)?;
    if names.len() > 1 {
        let why =
            format!("the history of one channel is read at a time; ask for {}{PATH}NAME", context.prefix);
        return Err(Problem::bad(Code::ChannelList, why));
    }
    let (mut at, mut limit) = (Before::End, OLDER_MESSAGES_MAX);
    for (key, value) in form_urlencoded::parse(request.query.as_bytes()) {
        match &*key {
            // A client's template has nothing to put there before its first answer.
            "before" | "limit" if value.is_empty() => {}
            "before" => at = before(&value, context.cursors)?,
            "limit" => limit = read_limit(&value)?,
            _ => {}
        }
    }
    let older = Older {
        before: at,
        limit: u8::try_from(limit).expect("a page has few messages"),
        warning: warning_of_query(request.query, PARAMETERS).map(Into::into),
    };
    Ok(Intent::Wait(Box::new(Wait {
        older: Some(Box::new(older)),
        transport: Transport::Poll,
        compression: true,
        head_only: request.method == "HEAD",
        credentials: credentials(request, list, context.shows).map(Box::new),
        ..Wait::of(names, Start::Now)
    })))
}

/// Reads the cursor before which somebody wants to read.
pub fn before(text: &str, cursors: Cursors) -> Result<Before, Problem> {
    match cursors.read(text) {
        Some(Read::Here(position) | Read::Unlisted(position)) => Ok(Before::Place(position)),
        Some(Read::Elsewhere) => Ok(Before::Lost),
        None => Err(Problem::bad(
            Code::Before,
            format!(
                "before is {:?}; give the cursor of the oldest message that you have, or leave it out to begin with the \
                 newest ones",
                excerpt(text)
            ),
        )),
    }
}

fn read_limit(text: &str) -> Result<usize, Problem> {
    text.parse().ok().filter(|limit| (1..=OLDER_MESSAGES_MAX).contains(limit)).ok_or_else(|| {
        let why = format!("limit is {:?}; give a whole number from 1 to {OLDER_MESSAGES_MAX}", excerpt(text));
        Problem::bad(Code::Number, why)
    })
}

/// The parameters, credentials included.
const PARAMETERS: &[&str] = &["before", "limit", "token", "expires", "user", "iat", "signature"];

const _: () = assert!(OLDER_MESSAGES_MAX <= u8::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shows;
    use hub::{Epoch, Position, Stage};

    fn check(method: &str, target: &str, expected: &str) {
        let (list, query) = target.split_once('?').unwrap_or((target, ""));
        let request = Request { method, query, ..Request::with(&|_| None) };
        let (cursors, shows) = (Cursors::new(Epoch::new(7)), &Shows::NOTHING);
        let context = Context {
            cursors,
            now: 0,
            shows,
            stage: Stage::Serving,
            publishes: false,
            prefix: "/push",
            address: None,
        };
        let got = match older(&request, list, context) {
            Ok(Intent::Wait(wait)) => {
                let Wait { names, head_only, older, credentials, .. } = *wait;
                let Older { before, limit, warning } = *older.unwrap();
                let more =
                    [(head_only, " head"), (warning.is_some(), " warned"), (credentials.is_some(), " shown")];
                let more: String =
                    more.into_iter().filter(|(is_so, _)| *is_so).map(|(_, word)| word).collect();
                format!("{} {before:?} {limit}{more}", names.join(","))
            }
            Ok(Intent::Answer(answer)) => answer.status.to_string(),
            Err(problem) => format!("{} {}", problem.status, problem.code),
        };
        assert_eq!(got, expected, "{method} {target}");
    }

    #[test]
    fn a_page_is_asked_for_by_the_cursor_before_which_it_is() {
        let cursor = Cursors::new(Epoch::new(7)).text(Position::from_bits(9));
        let elsewhere = Cursors::new(Epoch::new(8)).text(Position::from_bits(9));
        let place = Before::Place(Position::from_bits(9));
        check("GET", "a%2Fb", "a/b End 100");
        check("HEAD", "a?limit=1", "a End 1 head");
        check("GET", &format!("a?before={cursor}&limit=20"), &format!("a {place:?} 20"));
        check("GET", &format!("a?before={elsewhere}"), "a Lost 100");
        check("GET", "a?before=&limit=&token=t", "a End 100 shown");
        check("GET", "a?befor=x", "a End 100 warned");
        check("GET", "a?since=5m", "a End 100 warned");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        check("GET", "a,b", "400 channel-list");
        check("GET", "", "400 channel-list");
        check("GET", "a%zz", "400 channel-name");
        check("GET", "a?before=5m", "400 before");
        for limit in ["0", "101", "-1", "x"] {
            check("GET", &format!("a?limit={limit}"), "400 number");
        }
        check("POST", "a", "405");
    }
}
