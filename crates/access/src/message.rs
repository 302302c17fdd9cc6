//! What the application is asked about a client's message, and what it says of it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Subject;
use crate::limits::MESSAGE_DETAIL_CHARS_MAX;

/// A message of a client that the application is asked about.
#[derive(Clone, PartialEq, Eq)]
pub struct AskedMessage {
    /// Who says it: the messages of one are asked about one after the other.
    pub sender: Subject,
    /// What the application gets: JSON.
    pub body: Vec<u8>,
}

/// What the application says of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum MessageAnswer {
    /// It may be said.
    AsItIs,
    /// This is said in its place: JSON.
    Instead(Box<str>),
    /// It may not be said, for this reason.
    Refused(String),
}

/// What an answer of the application says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookReply {
    #[serde(default, deserialize_with = "even_null")]
    data: Option<Box<RawValue>>,
}

/// Why it refuses.
#[derive(Deserialize)]
struct Refusal {
    detail: String,
}

/// What an answer means; the error says what would be right. Whatever is not understood lets nothing be said.
pub fn answer_about_message(status: u16, body: &[u8]) -> Result<MessageAnswer, String> {
    match status {
        200 if body.trim_ascii().is_empty() => Ok(MessageAnswer::AsItIs),
        200 => {
            let is_object = body.trim_ascii_start().starts_with(b"{");
            let answer = serde_json::from_slice::<HookReply>(body).ok().filter(|_| is_object);
            let wrong = || "its body is not as expected: nothing, {} or {\"data\": …}".to_owned();
            let data = answer.ok_or_else(wrong)?.data;
            Ok(data.map_or(MessageAnswer::AsItIs, |data| MessageAnswer::Instead(data.get().into())))
        }
        403 => {
            let said = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.detail);
            let detail = said.unwrap_or_default();
            let shown = detail.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
            let shown: String = shown.take(MESSAGE_DETAIL_CHARS_MAX).collect();
            let usual = "the application refuses the message".to_owned();
            Ok(MessageAnswer::Refused(if shown.trim().is_empty() { usual } else { shown }))
        }
        other => Err(format!("it answers {other}; it must answer 200 or 403")),
    }
}

/// Makes `null` a value.
fn even_null<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(value).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, expected: Option<MessageAnswer>) {
        assert_eq!(answer_about_message(status, body.as_bytes()).ok(), expected, "{status} {body}");
    }

    #[test]
    fn what_an_answer_says_of_a_message() {
        let instead = |json: &str| Some(MessageAnswer::Instead(json.into()));
        for nothing in ["", " \n", "{}", " {} "] {
            check(200, nothing, Some(MessageAnswer::AsItIs));
        }
        check(200, r#"{"data": "x"}"#, instead("\"x\""));
        check(200, r#"{"data": {"a": 1}}"#, instead(r#"{"a": 1}"#));
        check(200, r#"{"data": null}"#, instead("null"));
        for wrong in ["[]", "x", "null", "[\"x\"]", r#"{"dta": 1}"#, r#"{"data": 1"#] {
            check(200, wrong, None);
        }
        for status in [201, 204, 301, 302, 307, 400, 401, 404, 429, 500, 503] {
            check(status, "{}", None);
        }
    }

    #[test]
    fn a_refusal_says_why_in_a_sentence() {
        let refused = |detail: &str| Some(MessageAnswer::Refused(detail.to_owned()));
        check(403, r#"{"detail": "no links, please"}"#, refused("no links, please"));
        check(403, r#"{"detail": "a\r\nb\u0000c"}"#, refused("a  b c"));
        let long = "\u{e9}".repeat(300);
        check(403, &format!("{{\"detail\": \"{long}\"}}"), refused(&"\u{e9}".repeat(200)));
        for usual in ["", "{}", "<html>", r#"{"detail": 7}"#, r#"{"detail": " "}"#] {
            check(403, usual, refused("the application refuses the message"));
        }
    }
}
