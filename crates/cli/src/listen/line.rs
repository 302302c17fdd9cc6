//! One line of a stream, and what a person sees of it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::text::utc;

/// A message, a cursor or news about the stream. Members of later versions are left alone.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StreamLine<'a> {
    #[serde(borrow)]
    pub(super) cursor: Option<Cow<'a, str>>,
    channel: Option<String>,
    channels: Vec<String>,
    /// `None` for `null` too: it is data only where a channel is named.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    /// Only in what a watch tells.
    online: Option<bool>,
    joined: Option<Moved>,
    left: Option<Moved>,
    time: f64,
    gap: bool,
    deleted: Option<String>,
    deleted_message: Option<DeletedMessage>,
}

/// Who joined a channel or left it.
#[derive(Debug, Deserialize)]
struct Moved {
    channel: String,
    user: String,
    time: f64,
}

/// Which message was taken back.
#[derive(Debug, Deserialize)]
struct DeletedMessage {
    channel: String,
    cursor: String,
}

impl<'a> StreamLine<'a> {
    pub(super) fn read(text: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }

    /// The message for people, as `channel: data` and a line end; or the change.
    pub(super) fn message(&self) -> Option<String> {
        for (moved, word) in [(&self.joined, "joined"), (&self.left, "left")] {
            if let Some(Moved { channel, user, time }) = moved {
                return Some(format!("{}  {channel}: {} {word}\n", utc(*time), user.escape_debug()));
            }
        }
        let names = match &self.channel {
            Some(name) => name.clone(),
            None => self.channels.join(","),
        };
        if self.gap || names.is_empty() {
            return None;
        }
        if let Some(online) = self.online {
            let word = if online { "online" } else { "offline" };
            return Some(format!("{}  {names}: {word}\n", utc(self.time)));
        }
        let data = self.data.map_or("null", RawValue::get);
        // A JSON string is shown as the text it is.
        let text = serde_json::from_str::<String>(data).map_or_else(|_| data.into(), Cow::<str>::from);
        Some(format!("{names}: {text}\n"))
    }

    /// What is to be told beside the messages.
    pub(super) fn news(&self) -> Option<String> {
        if let Some(DeletedMessage { channel, cursor }) = &self.deleted_message {
            return Some(format!("message {cursor} of {channel} was taken back"));
        }
        if let Some(name) = &self.deleted {
            return Some(format!("channel {name} was deleted"));
        }
        match &self.channel {
            Some(name) if self.gap => Some(format!("gap: the server no longer has all messages of {name}")),
            None if self.gap => Some("gap: the server no longer has all that was missed".into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, message: Option<&str>, news: bool) {
        let line = StreamLine::read(text.as_bytes()).unwrap();
        assert_eq!(line.message().as_deref(), message, "{text}");
        assert_eq!(line.news().is_some(), news, "{text}");
    }

    #[test]
    fn messages_are_shown_as_text() {
        check(r#"{"cursor":"a1","channel":"news","data":"hello","time":1.5}"#, Some("news: hello\n"), false);
        check(
            r#"{"cursor":"a1","channel":"a \"b\"","data":{"n": [1,2]}}"#,
            Some("a \"b\": {\"n\": [1,2]}\n"),
            false,
        );
        check(r#"{"cursor":"a1","channels":["a","b"],"data":null}"#, Some("a,b: null\n"), false);
        check(r#"{"cursor":"a1","channel":"a","data":"AAH/","base64":true}"#, Some("a: AAH/\n"), false);
    }

    #[test]
    fn changes_are_shown_with_their_time() {
        let line = "1970-01-01 00:00:01.500 UTC  a: online\n";
        check(r#"{"cursor":"a1","channel":"a","online":true,"time":1.5}"#, Some(line), false);
        let line = "1970-01-01 00:00:02.000 UTC  a: an\\n joined\n";
        let joined = r#"{"cursor":"a1","joined":{"channel":"a","user":"an\n","info":{},"time":2}}"#;
        check(joined, Some(line), false);
        let line = "1970-01-01 00:00:00.000 UTC  a: offline\n";
        check(r#"{"cursor":"a1","channel":"a","online":false,"time":0}"#, Some(line), false);
    }

    #[test]
    fn news_are_no_messages() {
        check(r#"{"cursor":"a1"}"#, None, false);
        check(r#"{"gap":true,"channel":"news"}"#, None, true);
        check(r#"{"cursor":"a1","gap":true}"#, None, true);
        check(r#"{"deleted":"news"}"#, None, true);
        check(r#"{"deleted_message":{"channel":"news","cursor":"a1"},"cursor":"a2"}"#, None, true);
    }

    #[test]
    fn a_line_is_an_object() {
        for bad in ["", "x", "1", "{\"gap\":1}"] {
            assert!(StreamLine::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
