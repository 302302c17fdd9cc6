//! What the server asks others about a client, and what they say: the application by its hook, or whoever
//! publishes keys.
//!
//! A shard puts a [`Question`] and goes on; the [`Verdict`] comes back by mail.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use hub::{Asker, Glob, Grant, Millis, Right, Session, SessionParts, WallTime};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::info::info;
use crate::limits::{GRANTS_MAX, LASTS_S};
use crate::token::{NamePatterns, joins};
use crate::user_claim::user_claim;
use crate::{AskedMessage, Denied, PublicKey};

/// What a question is about, and what its verdict is found by: half of the SHA-256 of what was shown, which is enough
/// that nobody finds anything else with the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject([u8; 16]);

/// Something a shard wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The number of the shard.
    pub shard: u16,
    /// Whose turn it takes where many ask.
    pub asker: Asker,
    /// What its verdict is found by.
    pub subject: Subject,
    /// What it is.
    pub about: About,
}

/// What is asked.
#[derive(Clone, PartialEq, Eq)]
pub enum About {
    /// Whose headers these are: lines of `name: value`, each with its line end. For the hook.
    Headers(Arc<str>),
    /// Whether there are other keys by now than the shard has.
    Keys,
    /// What the application answers to this request.
    Page(Arc<AppRequest>),
    /// What the application says of a message.
    Message(Arc<AskedMessage>),
}

/// A request that is the application's to answer.
#[derive(Clone, PartialEq, Eq)]
pub struct AppRequest {
    /// The method.
    pub method: Box<str>,
    /// Path and query.
    pub target: Box<str>,
    /// All headers, as they came.
    pub headers: Vec<(Box<str>, Box<[u8]>)>,
    /// The body.
    pub body: Vec<u8>,
    /// From where it came; `None`: that is not known, or no address.
    pub from: Option<IpAddr>,
}

/// What the application answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageAnswer {
    /// The head without its last line, and without a word about the connection.
    pub head: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
}

/// Somebody whom the application wants to be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSession {
    /// On these channels, as in a path.
    pub names: Box<str>,
    /// Until this ends; `None`: as long as it stays.
    pub session: Option<Session>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What was asked about.
    pub subject: Subject,
    /// Until when it holds for whoever shows the same.
    pub until: WallTime,
    /// What it is.
    pub said: AuthAnswer,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthAnswer {
    /// This is whoever shows it.
    Session(Session),
    /// The application refuses.
    Refused(Denied),
    /// Nobody could be asked, or the answer made no sense.
    Failed(Denied),
    /// All keys there are have been sent to the shard; look again.
    Again,
    /// The application answers itself.
    Page(Arc<PageAnswer>),
    /// The application wants the client to be held.
    Held(Arc<HeldSession>),
    /// The application lets a message be said: as it is, or with this data, which is JSON.
    Allowed(Option<Box<str>>),
    /// The application gave no answer to what was passed to it; the status of the client's.
    Unanswered(u16, Denied),
}

/// The keys found at a URL, as shards get them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundKeys(pub Vec<PublicKey>);

/// What a shard is told that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthFinding {
    /// The answer to a question.
    Verdict(Arc<Verdict>),
    /// Other keys than before.
    Keys(Arc<FoundKeys>),
}

impl Subject {
    /// The subject of whoever shows this.
    pub fn of(shown: &str) -> Self {
        Self::of_bytes(shown.as_bytes())
    }

    /// The subject of something that is no text.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let whole = digest(&SHA256, bytes);
        Self(*whole.as_ref().first_chunk().expect("it has 32 bytes"))
    }

    /// As plain bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The one subject of all who ask for keys.
    pub const KEYS: Self = Self([0; 16]);
}

/// Without what was shown.
impl std::fmt::Debug for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Headers(_) => "Headers(…)",
            Self::Keys => "Keys",
            Self::Page(_) => "Page(…)",
            Self::Message(_) => "Message(…)",
        })
    }
}

/// What the application says of a client.
#[derive(Deserialize)]
struct SessionAnswer {
    user: Option<String>,
    info: Option<Box<RawValue>>,
    listen: Option<NamePatterns>,
    publish: Option<NamePatterns>,
    presence: Option<NamePatterns>,
    history: Option<NamePatterns>,
    join: Option<NamePatterns>,
    lasts: Option<f64>,
}

/// The session that a hook's answer stands for, and until when it holds: `age_ms` long where it does not say. `asked`: when
/// the hook was called, which is as old as what it says may be. The error says what would be right.
pub fn session_of_answer(
    json: &[u8],
    asked: WallTime,
    now: WallTime,
    age_ms: Millis,
) -> Result<(Session, WallTime), String> {
    let answer: SessionAnswer = serde_json::from_slice(json).map_err(|error| {
        format!(
            "its body is not as expected: {error}; it must be a JSON object such as \
             {{\"user\": \"ann\", \"listen\": [\"user.ann\", \"room.*\"], \"lasts\": 600}}"
        )
    })?;
    let age_ms = match answer.lasts {
        None => age_ms,
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within the range")]
        Some(seconds) if LASTS_S.contains(&seconds) => (seconds * 1_000.0) as Millis,
        Some(seconds) => {
            let (min, max) = (LASTS_S.start(), LASTS_S.end());
            return Err(format!("its `lasts` is {seconds}; it must be from {min} to {max} seconds"));
        }
    };
    let said = [
        (Right::Listen, &answer.listen),
        (Right::Publish, &answer.publish),
        (Right::Presence, &answer.presence),
        (Right::History, &answer.history),
    ];
    let mut grants = Vec::new();
    for (right, names) in said {
        for name in names.as_ref().map_or(&[][..], NamePatterns::list) {
            let names = Glob::new(name).map_err(|error| format!("in its `{}` {error}", right.name()))?;
            grants.push(Grant { rights: [right].into_iter().collect(), names });
        }
    }
    if grants.len() > GRANTS_MAX {
        return Err(format!("it names {} channels; at most {GRANTS_MAX} are allowed", grants.len()));
    }
    let until = now.after(age_ms);
    let user = user_claim(answer.user.as_deref()).map_err(|why| format!("its `user` {why}"))?;
    let info = info(answer.info.as_deref()).map_err(|why| format!("its {why}"))?;
    let joins = joins(answer.join.as_ref()).map_err(|why| format!("its {why}"))?;
    let session = Session::of(&SessionParts {
        user,
        info: info.as_deref(),
        issued: Some(asked),
        expires: Some(until),
        grants: &grants,
        joins: &joins,
    });
    Ok((session, until))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<(Option<&str>, Millis), &str>) {
        match (
            session_of_answer(
                json.as_bytes(),
                WallTime::from_millis(900),
                WallTime::from_millis(1_000),
                60_000,
            ),
            expected,
        ) {
            (Ok((session, until)), Ok(expected)) => {
                assert_eq!((session.user(), until.millis()), expected, "{json}");
                assert_eq!(session.expires(), Some(until));
                let asked = session.user().map(|_| WallTime::from_millis(900));
                assert_eq!(session.issued(), asked, "the word is as old as the question");
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{json}: {error}"),
            (got, _) => panic!("{json}: {got:?}"),
        }
    }

    #[test]
    fn an_answer_is_a_session() {
        check("{}", Ok((None, 61_000)));
        check(r#"{"user":"ann","listen":"a","more":1}"#, Ok((Some("ann"), 61_000)));
        check(r#"{"lasts":2.5}"#, Ok((None, 3_500)));
        check(r#"{"user":""}"#, Ok((None, 61_000)));
        check(r#"{"user":"a\u0000b"}"#, Err("`user` holds a control character"));
        let (session, _) = session_of_answer(
            br#"{"listen":["a","b.*"],"history":"h"}"#,
            WallTime::PAST,
            WallTime::PAST,
            1_000,
        )
        .unwrap();
        assert_eq!(session.info(), None);
        let named = br#"{"user":"ann","info":{"name": "Ann"}}"#;
        let (named, _) = session_of_answer(named, WallTime::PAST, WallTime::PAST, 1_000).unwrap();
        assert_eq!((named.user(), named.info()), (Some("ann"), Some(r#"{"name":"Ann"}"#)));
        let may = |right, name| session.may(right, name, WallTime::from_millis(999));
        assert!(may(Right::Listen, "a") && may(Right::Listen, "b.1") && may(Right::History, "h"));
        assert!(!may(Right::Listen, "h") && !may(Right::History, "a") && !may(Right::Publish, "a"));
        assert!(!session.may(Right::Listen, "a", WallTime::from_millis(1_000)));
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_told() {
        check("", Err("must be a JSON object"));
        check("<html>", Err("must be a JSON object"));
        check("[]", Err("must be a JSON object"));
        check(r#"{"listen":[1]}"#, Err("list of texts"));
        check(r#"{"join":["a","b*"]}"#, Err("`join` has \"b*\""));
        check(r#"{"join":"$all"}"#, Err("`join`"));
        check(&format!(r#"{{"join":[{}"a"]}}"#, "\"a\",".repeat(100)), Err("at most 100"));
        check(r#"{"user":7}"#, Err("must be a JSON object"));
        check(r#"{"listen":[""]}"#, Err("`listen`"));
        check(&format!(r#"{{"info":"{}"}}"#, "x".repeat(1_023)), Err("its `info` has 1025 bytes"));
        check(r#"{"lasts":0}"#, Err("`lasts` is 0"));
        check(r#"{"lasts":-1}"#, Err("`lasts`"));
        check(r#"{"lasts":1e300}"#, Err("`lasts`"));
        let many: Vec<String> = (0..=GRANTS_MAX).map(|n| format!("\"c{n}\"")).collect();
        check(&format!("{{\"listen\":[{}]}}", many.join(",")), Err("at most"));
    }

    #[test]
    fn what_was_shown_is_not_shown_by_accident() {
        assert_eq!(format!("{:?}", About::Headers("cookie: secret".into())), "Headers(…)");
        assert!(Subject::of("a") != Subject::of("b") && Subject::of("a") == Subject::of("a"));
    }
}
