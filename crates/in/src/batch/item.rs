//! One item of a batch: what it says, checked.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dialect::hub::{ConnectionId, Kind, Publish, check_name};
use dialect::native::{
    NameList, check_content_type, check_event, check_key, is_json_text, kind_of, names_in_list, no_json,
    read_ttl,
};
use dialect::{Code, Problem, fault};
use exchange::ConnectionIds;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::publish::{PAYLOAD_ADVICE, payload_of};
use crate::publish_options;
use crate::response::excerpt;

/// A message to be published.
#[derive(Debug)]
pub(super) struct BatchItem {
    pub(super) publish: Publish,
    /// The connection that is not to be given it.
    pub(super) except: Option<ConnectionId>,
    pub(super) key: Option<Box<str>>,
}

impl BatchItem {
    /// Reads one item; `len_max` tells how many bytes a message to its channels may have.
    pub(super) fn read(
        text: &[u8],
        ids: &ConnectionIds,
        len_max: impl FnOnce(&[Box<str>]) -> usize,
    ) -> Result<Self, Problem> {
        let fields: ItemFields<'_> = serde_json::from_slice(text).map_err(|error| no_item(text, &error))?;
        let names = fields.names()?;
        let (bytes, encoding) = fields.data(len_max(&names))?;
        let event = fields.text("event", Code::Event, fields.event)?.map(Cow::into_owned);
        let content_type = fields.text("content_type", Code::ContentType, fields.content_type)?;
        let content_type =
            content_type.map(|kind| check_content_type(kind.as_bytes())).transpose()?.flatten();
        let kind =
            encoding.kind(content_type.as_deref(), &bytes, fields.flag("json", Code::Json, fields.json)?)?;
        let ttl = fields.ttl.map(|ttl| {
            // A text is taken too: that is how it stands in a query.
            let text = serde_json::from_str::<Cow<'_, str>>(ttl.get());
            read_ttl(&text.unwrap_or_else(|_| plain_number(ttl.get())))
        });
        Ok(Self {
            publish: Publish {
                channels: names,
                aliases: Default::default(),
                payload: payload_of(
                    kind,
                    &bytes,
                    event.map(check_event).transpose()?.flatten(),
                    content_type,
                )?,
                ttl: ttl.transpose()?,
            },
            except: fields
                .text("except", Code::Connection, fields.except)?
                .map(|text| publish_options::check_except(&text, ids))
                .transpose()?,
            key: fields
                .text("key", Code::Key, fields.key)?
                .map(|key| check_key(key.into_owned()))
                .transpose()?,
        })
    }
}

/// The members of an item as they stand there, so that each fault can be told by its name. `null`
/// counts as not there, but for data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemFields<'a> {
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    channels: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    base64: Option<&'a RawValue>,
    #[serde(borrow)]
    json: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    ttl: Option<&'a RawValue>,
    #[serde(borrow)]
    content_type: Option<&'a RawValue>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    except: Option<&'a RawValue>,
}

impl<'a> ItemFields<'a> {
    fn names(&self) -> Result<SmallVec<[Box<str>; 1]>, Problem> {
        match (self.channel, self.channels) {
            (Some(_), None) => {
                let name = self.text("channel", Code::ChannelName, self.channel)?.unwrap_or_default();
                let name = check_name(name.as_bytes());
                let name = name.map_err(|error| Problem::bad(Code::ChannelName, error.to_string()))?;
                Ok(SmallVec::from_buf([name.into()]))
            }
            (None, Some(channels)) => {
                let names: NameList = serde_json::from_str(channels.get()).map_err(|_| {
                    Problem::bad(
                        Code::ChannelList,
                        "channels is no list of names; give such as [\"news\", \"user.42\"]",
                    )
                })?;
                if names.is_empty() { Err(no_name()) } else { names_in_list(&names).map(SmallVec::from_vec) }
            }
            (Some(_), Some(_)) => {
                Err(Problem::bad(Code::ChannelList, "the item has channel and channels; give one of them"))
            }
            (None, None) => Err(no_name()),
        }
    }

    /// A JSON string says its text, and with `base64` the bytes it stands for; all other JSON says
    /// itself, as it was sent.
    fn data(&self, len_max: usize) -> Result<(Cow<'a, [u8]>, DataEncoding), Problem> {
        let Some(data) = self.data else {
            return Err(Problem::bad(
                Code::Item,
                "the item has no data; give any JSON, such as \"data\": \"hello\"",
            ));
        };
        let base64 = self.flag("base64", Code::Base64, self.base64)?;
        let (bytes, encoding) = match data.get().as_bytes() {
            json @ [b'"', ..] => {
                let text: Cow<'a, str> =
                    Deserialize::deserialize(&mut serde_json::Deserializer::from_slice(json))
                        .map(|ItemText(text)| text)
                        .map_err(|error| {
                            Problem::bad(
                                Code::Data,
                                format!("data is no text: {}; for bytes use base64", fault(&error)),
                            )
                        })?;
                if base64 {
                    (decode(&text)?.into(), DataEncoding::Bytes)
                } else {
                    (bytes_of(text), DataEncoding::Text)
                }
            }
            _ if base64 => {
                return Err(Problem::bad(Code::Base64, "base64 is true, but data is no string; give one"));
            }
            json => (Cow::from(json), DataEncoding::Json),
        };
        if bytes.len() > len_max {
            let why = format!("data has more than {len_max} bytes; {PAYLOAD_ADVICE}");
            return Err(Problem::new(413, Code::Payload, why));
        }
        Ok((bytes, encoding))
    }

    fn flag(&self, name: &str, code: Code, value: Option<&RawValue>) -> Result<bool, Problem> {
        match value.map(RawValue::get) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => {
                let why = format!("{name} is neither true nor false; give one of them");
                Err(Problem::bad(code, why))
            }
        }
    }

    fn text(
        &self,
        name: &str,
        code: Code,
        value: Option<&'a RawValue>,
    ) -> Result<Option<Cow<'a, str>>, Problem> {
        let Some(value) = value else { return Ok(None) };
        let text = serde_json::from_str::<ItemText<'_>>(value.get());
        text.map(|ItemText(text)| Some(text))
            .map_err(|_| Problem::bad(code, format!("{name} is {}; give a string", excerpt(value.get()))))
    }
}

/// How data stands in an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataEncoding {
    /// A string.
    Text,
    /// A string that stands for bytes.
    Bytes,
    /// Any other JSON.
    Json,
}

impl DataEncoding {
    /// What the data is; `as_json`: a string is to be taken for the JSON that it holds.
    fn kind(self, content_type: Option<&str>, bytes: &[u8], as_json: bool) -> Result<Kind, Problem> {
        // Most items say no more than their data.
        match self {
            Self::Text if content_type.is_none() && !as_json => return Ok(Kind::Text),
            Self::Json if content_type.is_none() => return Ok(Kind::Json),
            _ => {}
        }
        let text = std::str::from_utf8(bytes).ok();
        if as_json && self == Self::Bytes {
            return Err(Problem::bad(Code::Json, "the item has json and base64; give one of them"));
        }
        if as_json {
            return if text.is_some_and(is_json_text) { Ok(Kind::Json) } else { Err(no_json(bytes)) };
        }
        Ok(match (self, kind_of(content_type, text).ok_or_else(|| no_json(bytes))?) {
            (Self::Text, Kind::Either) => Kind::Text,
            (Self::Json, Kind::Either) => Kind::Json,
            (_, kind) => kind,
        })
    }
}

/// A string, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct ItemText<'a>(#[serde(borrow)] Cow<'a, str>);

/// Borrowed where the text is.
fn bytes_of(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// A JSON number without an exponent; what is none stays as it is.
fn plain_number(text: &str) -> Cow<'_, str> {
    match text.parse::<f64>() {
        Ok(number) if number >= 0.0 && text.contains(['e', 'E', '-']) => number.abs().to_string().into(),
        _ => text.into(),
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Problem> {
    STANDARD.decode(text).map_err(|error| {
        let why = format!("data is no base64: {error}; give the alphabet with + and /, padded with =");
        Problem::bad(Code::Base64, why)
    })
}

fn no_name() -> Problem {
    Problem::bad(
        Code::ChannelList,
        "the item names no channel; give \"channel\": \"NAME\" or \"channels\": [\"NAME\", \"NAME\"]",
    )
}

fn no_item(text: &[u8], error: &serde_json::Error) -> Problem {
    if !text.starts_with(b"{") {
        let text = String::from_utf8_lossy(text);
        let why = format!(
            "the item is {}; give an object such as {{\"channel\": \"news\", \"data\": \"hello\"}}",
            excerpt(&text)
        );
        return Problem::bad(Code::Item, why);
    }
    Problem::bad(Code::Item, format!("the item is not as it should be: {}", fault(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BatchItem, Problem> {
        BatchItem::read(text.as_bytes(), &ConnectionIds::new([1; 16]), |_| 20)
    }

    fn check_data(data: &str, expected: &[u8]) {
        let item = read(&format!("{{\"channel\":\"a\",\"data\":{data}}}")).unwrap();
        assert_eq!(item.publish.payload.data(), expected, "{data}");
    }

    fn check_error(text: &str, code: &str, word: &str) {
        let problem = read(text).unwrap_err();
        assert_eq!(problem.code.name(), code, "{text}: {problem:?}");
        assert!(problem.detail.contains(word), "{text}: {problem:?}");
    }

    #[test]
    fn a_string_is_its_text_and_all_else_is_itself() {
        check_data("\"hello\"", b"hello");
        check_data(r#""a\n\u0447""#, "a\nч".as_bytes());
        check_data("\"\"", b"");
        check_data("null", b"null");
        check_data("1.10", b"1.10");
        check_data(r#"{"a": [1,  2]}"#, br#"{"a": [1,  2]}"#);
        check_data("\"AAH/\",\"base64\":true", b"\x00\x01\xff");
        check_data("\"AAH/\",\"base64\":false", b"AAH/");
    }

    #[test]
    fn a_string_is_text_and_all_else_is_json() {
        let kind = |members: &str| {
            let item = read(&format!("{{\"channel\":\"a\",{members}}}"));
            item.map(|item| item.publish.payload.kind).map_err(|problem| problem.code.name())
        };
        assert_eq!(kind(r#""data":"[1]""#), Ok(Kind::Text));
        assert_eq!(kind(r#""data":"[1]","content_type":"text/csv""#), Ok(Kind::Text));
        assert_eq!(kind(r#""data":"[1]","json":true"#), Ok(Kind::Json));
        assert_eq!(kind(r#""data":"[1]","json":true,"content_type":"text/plain""#), Ok(Kind::Json));
        assert_eq!(kind(r#""data":"[1]","json":null"#), Ok(Kind::Text));
        assert_eq!(kind(r#""data":"[1]","content_type":"application/json""#), Ok(Kind::Json));
        assert_eq!(kind(r#""data":"[1]","content_type":"image/png""#), Ok(Kind::Binary));
        assert_eq!(kind(r#""data":[1]"#), Ok(Kind::Json));
        assert_eq!(kind(r#""data":[1],"json":true"#), Ok(Kind::Json));
        assert_eq!(kind(r#""data":[1],"content_type":"text/plain""#), Ok(Kind::Text));
        assert_eq!(kind(r#""data":"WzFd","base64":true"#), Ok(Kind::Either));
        assert_eq!(kind(r#""data":"/w==","base64":true"#), Ok(Kind::Binary));
        assert_eq!(kind(r#""data":"[1","json":true"#), Err("data"));
        assert_eq!(kind(r#""data":"WzFd","base64":true,"json":true"#), Err("json"));
        assert_eq!(kind(r#""data":"x","json":1"#), Err("json"));
    }

    #[test]
    fn an_item_says_all_that_a_request_can() {
        let item =
            read(r#"{"channels":["a","b","a"],"data":1,"event":"e","ttl":0.5,"content_type":"text/x"}"#);
        let publish = item.unwrap().publish;
        assert!(publish.channels.iter().map(|name| &**name).eq(["a", "b"]));
        assert_eq!((publish.payload.event.as_deref(), publish.ttl), (Some("e"), Some(500)));
        assert_eq!(publish.payload.content_type.as_deref(), Some("text/x"));
        let item = read(r#"{"channel":"a","data":1,"event":null,"ttl":"60","channels":null}"#).unwrap();
        assert_eq!((item.publish.payload.event, item.publish.ttl), (None, Some(60_000)));
    }

    #[test]
    fn a_fault_is_told_by_its_name() {
        check_error(r#"{"chanel":"a","data":1}"#, "item", "`chanel`");
        check_error(r#"{"channel":"a","data":1,"data":2}"#, "item", "`data`");
        assert_eq!(read(r#"{"channel":"a","data":1,"ttl":1.5e1}"#).unwrap().publish.ttl, Some(15_000));
        check_error(r#"{"channel":"a","data":1,"ttl":-1}"#, "ttl", "-1");
        check_error("5", "item", "5");
        check_error("{", "item", "EOF");
        check_error(r#"{"data":1}"#, "channel-list", "no channel");
        check_error(r#"{"channel":"a","channels":["b"],"data":1}"#, "channel-list", "one of them");
        check_error(r#"{"channels":[],"data":1}"#, "channel-list", "no channel");
        check_error(r#"{"channels":"a","data":1}"#, "channel-list", "no list");
        check_error(r#"{"channel":5,"data":1}"#, "channel-name", "channel is 5");
        check_error(r#"{"channel":"a,b","data":1}"#, "channel-name", "comma");
        check_error(r#"{"channel":"a"}"#, "item", "no data");
        check_error(r#"{"channel":"a","data":"\ud800"}"#, "data", "no text");
        check_error(r#"{"channel":"a","data":"?","base64":true}"#, "base64", "no base64");
        check_error(r#"{"channel":"a","data":1,"base64":true}"#, "base64", "no string");
        check_error(r#"{"channel":"a","data":1,"base64":1}"#, "base64", "neither");
        check_error(r#"{"channel":"a","data":1,"ttl":"soon"}"#, "ttl", "soon");
        check_error(r#"{"channel":"a","data":1,"except":"me"}"#, "connection", "\"me\"");
        check_error(r#"{"channel":"a","data":1,"except":7}"#, "connection", "except is 7");
        check_error(r#"{"channel":"a","data":1,"event":7}"#, "event", "event is 7");
        check_error(r#"{"channel":"a","data":"012345678901234567890"}"#, "payload", "20 bytes");
    }
}
