//! What is said over a live WebSocket: commands of the client, and our answers.

use hub::{Cursors, Message, Millis, Position, Start, WallTime, check_name};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::names::{NameList, names_in_list};
use super::object::{write_string, write_strings, write_uncovered};
use super::since::since;
use super::speech::SpeechWords;
use super::warnings::{STAR, has_star};
use crate::limits::{ID_LEN_MAX, PING_LEN_MAX};
use crate::{Code, Command, Problem, fault};

/// A command as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    subscribe: Option<NameList>,
    unsubscribe: Option<NameList>,
    #[serde(default, deserialize_with = "present")]
    ping: Option<Box<RawValue>>,
    token: Option<String>,
    publish: Option<String>,
    #[serde(default, deserialize_with = "present")]
    data: Option<Box<RawValue>>,
    event: Option<String>,
    ttl: Option<Box<RawValue>>,
    key: Option<String>,
    echo: Option<bool>,
    since: Option<SinceValue>,
    tail: Option<u32>,
    presence: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    id: Option<Box<RawValue>>,
}

/// The id of what may be no command.
#[derive(Deserialize)]
struct OnlyId {
    #[serde(default, deserialize_with = "present")]
    id: Option<Box<RawValue>>,
}

/// `0` may be written as a number, and so may a Unix time.
#[derive(Deserialize)]
#[serde(untagged)]
enum SinceValue {
    Text(String),
    Number(serde_json::Number),
}

/// Reads a command. The error carries the command's id, whatever else is wrong with it.
pub fn read_command(
    text: &str,
    cursors: Cursors,
    now: Millis,
) -> Result<Command, (Problem, Option<Box<RawValue>>)> {
    // The members in a row, without their names, are no command.
    if !is_object(text) {
        return Err((no_command("it is no JSON object"), None));
    }
    let words: Words = serde_json::from_str(text)
        .map_err(|error| (no_command(&fault(&error)), command_id(text.as_bytes())))?;
    if let Some(id) = &words.id
        && id.get().len() > ID_LEN_MAX
    {
        let why = format!("its `id` has {} bytes; at most {ID_LEN_MAX} are repeated", id.get().len());
        return Err((no_command(&why), None));
    }
    let id = words.id.clone();
    command_of(words, cursors, now).map_err(|problem| (problem, id))
}

fn command_of(words: Words, cursors: Cursors, now: Millis) -> Result<Command, Problem> {
    let Words { subscribe, unsubscribe, ping, token, publish, since: from, tail, presence, id, .. } = words;
    match (subscribe, unsubscribe, ping, token, publish) {
        (Some(names), None, None, None, None) => {
            let start = match (from, tail) {
                (Some(SinceValue::Text(text)), _) => since(&text, cursors, now)?,
                (Some(SinceValue::Number(number)), _) => since(&number.to_string(), cursors, now)?,
                (None, Some(tail)) => Start::Tail(tail),
                (None, None) => Start::Now,
            };
            let presence = presence.unwrap_or_default();
            Ok(Command::Subscribe { names: names_in_list(&names)?, start, presence, id })
        }
        (None, Some(names), None, None, None) => {
            Ok(Command::Unsubscribe { names: names_in_list(&names)?, id })
        }
        (None, None, None, None, Some(name)) => {
            let name = check_name(name.as_bytes());
            let name = name.map_err(|error| Problem::bad(Code::ChannelName, error.to_string()))?.into();
            let Words { data, event, ttl, key, echo, .. } = words;
            let speech = SpeechWords { data, event, ttl, key, echo }.read()?;
            Ok(Command::Publish { name, speech: Box::new(speech), id })
        }
        (None, None, None, Some(token), None) => Ok(Command::Renew { token: token.into(), id }),
        (None, None, Some(value), None, None) if value.get().len() <= PING_LEN_MAX => {
            Ok(Command::Ping { value, id })
        }
        (None, None, Some(value), None, None) => {
            let len = value.get().len();
            Err(no_command(&format!("its `ping` has {len} bytes; at most {PING_LEN_MAX} are repeated")))
        }
        _ => Err(no_command("there must be exactly one of subscribe, unsubscribe, publish, token and ping")),
    }
}

/// The id of what a client sent, where that is an object with one that is short enough to be repeated.
pub fn command_id(text: &[u8]) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(text).ok().filter(|text| is_object(text))?;
    let OnlyId { id } = serde_json::from_str(text).ok()?;
    id.filter(|id| id.get().len() <= ID_LEN_MAX)
}

fn is_object(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')
}

/// Makes `"ping": null` a ping, and `"id": null` an id, where serde would see nothing.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(value).map(Some)
}

fn no_command(why: &str) -> Problem {
    Problem::bad(
        Code::Command,
        format!(
            "this is no command: {why}; send {{\"subscribe\": [NAME…], \"since\"?, \"tail\"?, \"presence\"?, \"id\"?}}, \
             {{\"unsubscribe\": [NAME…], \"id\"?}}, {{\"publish\": NAME, \"data\": any, \"event\"?, \"ttl\"?, \"key\"?, \"echo\"?, \
             \"id\"?}}, {{\"token\": TOKEN, \"id\"?}} or {{\"ping\": any, \"id\"?}}"
        ),
    )
}

/// What a page of a backlog tells besides its messages.
#[derive(Debug, Clone, Copy)]
pub struct PageEnd {
    /// Up to here the client is then owed nothing, of all its channels and of those that are added.
    pub cursor: Position,
    /// Another page follows.
    pub more: bool,
    /// Something that was asked for is gone.
    pub gap: bool,
}

/// Appends `{"subscribed": […], "messages": […], "cursor": C, "more"?: true, "gap"?: true, "warning"?, "id"?}`. The messages
/// of a backlog carry no cursors: they may be older than what the connection has seen live.
pub fn write_subscribed<'a>(
    names: &[Box<str>],
    messages: impl Iterator<Item = (&'a Message, &'a [usize])>,
    end: PageEnd,
    id: Option<&RawValue>,
    cursors: Cursors,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"subscribed\":");
    write_strings(names, out);
    out.extend_from_slice(b",\"messages\":[");
    for (n, (message, matches)) in messages.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_uncovered(message, matches, cursors, out);
    }
    out.extend_from_slice(b"],\"cursor\":\"");
    cursors.write(end.cursor, out);
    out.push(b'"');
    if end.more {
        out.extend_from_slice(b",\"more\":true");
    }
    if end.gap {
        out.extend_from_slice(b",\"gap\":true");
    }
    if has_star(names) {
        out.extend_from_slice(b",\"warning\":");
        write_string(STAR, out);
    }
    write_id(id, out);
}

/// Appends `{"unsubscribed": […], "id"?}`.
pub fn write_unsubscribed(names: &[Box<str>], id: Option<&RawValue>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"unsubscribed\":");
    write_strings(names, out);
    write_id(id, out);
}

/// Appends `{"published": NAME, "cursor": C, "id"?}`. The cursor is the message's place.
pub fn write_published(
    name: &str,
    position: Position,
    id: Option<&RawValue>,
    cursors: Cursors,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"published\":");
    write_string(name, out);
    out.extend_from_slice(b",\"cursor\":\"");
    cursors.write(position, out);
    out.push(b'"');
    write_id(id, out);
}

/// Appends `{"renewed": true, "expires"?: SECONDS, "id"?}`.
pub fn write_renewed(expires: Option<WallTime>, id: Option<&RawValue>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"renewed\":true");
    if let Some(expires) = expires {
        out.extend_from_slice(format!(",\"expires\":{}", expires.seconds()).as_bytes());
    }
    write_id(id, out);
}

/// Appends `{"expired": true}`.
pub fn write_expired(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"expired\":true}");
}

/// Appends `{"pong": any, "id"?}`.
pub fn write_pong(value: &RawValue, id: Option<&RawValue>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"pong\":");
    out.extend_from_slice(value.get().as_bytes());
    write_id(id, out);
}

/// Appends `{"cursor": C}`.
pub fn write_cursor(position: Position, cursors: Cursors, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"cursor\":\"");
    cursors.write(position, out);
    out.extend_from_slice(b"\"}");
}

/// Appends `{"cursor": C, "connection": ID}`; the id is base64url.
pub fn write_opening(position: Position, connection: &str, cursors: Cursors, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"cursor\":\"");
    cursors.write(position, out);
    out.extend_from_slice(b"\",\"connection\":\"");
    out.extend_from_slice(connection.as_bytes());
    out.extend_from_slice(b"\"}");
}

/// Appends `{"gap": true, "channel": NAME}`.
pub fn write_gap(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"gap\":true,\"channel\":");
    write_string(name, out);
    out.push(b'}');
}

/// Appends `{"deleted": NAME}`.
pub fn write_deleted(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"deleted\":");
    write_string(name, out);
    out.push(b'}');
}

/// Appends `{"ended": {"reason": REASON}}`.
pub fn write_ended(reason: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"ended\":");
    write_reason(reason, out);
    out.push(b'}');
}

/// Appends `{"subscribed": {"channels": […], "by": "server"}}`, or the same of `unsubscribed`.
pub fn write_changed(word: &str, names: &[Box<str>], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(word.as_bytes());
    out.extend_from_slice(b"\":");
    write_change(names, out);
    out.push(b'}');
}

/// Appends `{"channels": […], "by": "server"}`.
pub fn write_change(names: &[Box<str>], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"channels\":");
    write_strings(names, out);
    out.extend_from_slice(b",\"by\":\"server\"}");
}

/// Appends `{"reason": REASON}`.
pub fn write_reason(reason: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"reason\":");
    write_string(reason, out);
    out.push(b'}');
}

/// Appends `{"error": problem, "id"?}`.
pub fn write_error(problem: &Problem, id: Option<&RawValue>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"error\":");
    problem.write(out);
    write_id(id, out);
}

/// Ends an object, with the id if there is one.
fn write_id(id: Option<&RawValue>, out: &mut Vec<u8>) {
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        out.extend_from_slice(id.get().as_bytes());
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Speech;
    use hub::Epoch;

    fn check(text: &str, expected: &str) {
        let cursors = Cursors::new(Epoch::new(0));
        let got = match read_command(text, cursors, 1_000_000) {
            Ok(Command::Subscribe { names, start, presence, id }) => {
                let presence = if presence { " presence" } else { "" };
                format!("subscribe {names:?} {start:?} {}{presence}", shown(id))
            }
            Ok(Command::Unsubscribe { names, id }) => format!("unsubscribe {names:?} {}", shown(id)),
            Ok(Command::Publish { name, speech, id }) => {
                let Speech { data, kind, event, ttl, key, except, .. } = *speech;
                let data = String::from_utf8(data).unwrap();
                format!("publish {name} {kind:?} {data} {event:?} {ttl:?} {key:?} {except:?} {}", shown(id))
            }
            Ok(Command::Renew { token, id }) => format!("renew {token} {}", shown(id)),
            Ok(Command::Ping { value, id: None }) => format!("ping {value}"),
            Ok(Command::Ping { value, id }) => format!("ping {value} {}", shown(id)),
            Err((problem, id)) => format!("{} {}", problem.code, shown(id)),
        };
        assert_eq!(got, expected, "{text}");
    }

    fn shown(id: Option<Box<RawValue>>) -> String {
        id.map_or_else(|| "-".into(), |id| id.get().into())
    }

    #[test]
    fn commands_are_read() {
        check(r#"{"subscribe":["a"],"presence":true}"#, "subscribe [\"a\"] Now - presence");
        check(r#"{"subscribe":["a","b"]}"#, r#"subscribe ["a", "b"] Now -"#);
        check(r#"{"subscribe":["a"],"since":0,"id":7}"#, r#"subscribe ["a"] Everything 7"#);
        check(r#"{"subscribe":["a"],"since":"a0000001"}"#, r#"subscribe ["a"] After(@1) -"#);
        check(r#"{"subscribe":["a"],"tail":3,"id":"x"}"#, r#"subscribe ["a"] Tail(3) "x""#);
        check(r#"{"unsubscribe":["a"]}"#, r#"unsubscribe ["a"] -"#);
        check(r#"{"token":"t.o.k","id":7}"#, "renew t.o.k 7");
        check(r#"{"ping":null}"#, "ping null");
        check(r#"{"ping":1,"id":7}"#, "ping 1 7");
        check(r#"{"ping":{"t":1}}"#, r#"ping {"t":1}"#);
    }

    #[test]
    fn a_client_says_something_to_others() {
        check(r#"{"publish":"a","data":"hi"}"#, "publish a Text hi None None None Nobody -");
        let all = r#"{"publish":"a","data":{"x": 1},"event":"tick","ttl":0.5,"key":"k","echo":false,"id":7}"#;
        check(all, r#"publish a Json {"x": 1} Some("tick") Some(500) Some("k") Sender 7"#);
        check(
            r#"{"publish":"a","data":null,"echo":true,"ttl":"0"}"#,
            "publish a Json null None Some(0) None Nobody -",
        );
        check(r#"{"publish":"a","data":"\ud83d\ude00"}"#, "publish a Text \u{1f600} None None None Nobody -");
        check(r#"{"publish":"a","id":1}"#, "data 1");
        check(r#"{"publish":"a","data":"\ud83d","id":1}"#, "data 1");
        check(r#"{"publish":"a,b","data":1,"id":1}"#, "channel-name 1");
        check(r#"{"publish":"a\r\nb","data":1,"id":1}"#, "channel-name 1");
        check(r#"{"publish":"a","data":1,"event":"x\u0000","id":1}"#, "event 1");
        check(r#"{"publish":"a","data":1,"event":"joined","id":1}"#, "event 1");
        check(r#"{"publish":"a","data":1,"key":"","id":1}"#, "key 1");
        check(r#"{"publish":"a","data":1,"ttl":-1,"id":1}"#, "ttl 1");
        check(r#"{"publish":"a","data":1,"user":"eve","id":1}"#, "command 1");
        check(r#"{"publish":["a"],"data":1,"id":1}"#, "command 1");
        check(r#"{"publish":"a","data":1,"subscribe":["a"],"id":1}"#, "command 1");
    }

    #[test]
    fn bad_commands_are_told() {
        check("", "command -");
        check("[]", "command -");
        check(r#"[["a"]]"#, "command -");
        check(r#"[["a"],null,null,null,null,null,7]"#, "command -");
        check("\u{feff}{}", "command -");
        check("{}", "command -");
        check(r#"{"subscribe":["a"],"unsubscribe":["b"],"id":1}"#, "command 1");
        check(r#"{"subscribe":["a"],"token":"t"}"#, "command -");
        check(r#"{"subscribe":["a,b"],"id":2}"#, "channel-name 2");
        check(r#"{"subscribe":[],"id":2}"#, "channel-list 2");
        check(r#"{"subscribe":["a"],"since":"x","id":3}"#, "since 3");
        check(r#"{"subscrib":["a"]}"#, "command -");
        let many = "\"a\",".repeat(1_000);
        check(&format!(r#"{{"subscribe":[{many}"a"],"id":4}}"#), "channel-count 4");
        check(&format!(r#"{{"unsubscribe":[{many}"a"],"id":4}}"#), "channel-count 4");
    }

    #[test]
    fn what_is_repeated_is_short() {
        let text = |len: usize| format!("\"{}\"", "x".repeat(len - 2));
        let (id, ping) = (text(ID_LEN_MAX), text(PING_LEN_MAX));
        check(&format!(r#"{{"unsubscribe":["a"],"id":{id}}}"#), &format!(r#"unsubscribe ["a"] {id}"#));
        check(&format!(r#"{{"unsubscribe":["a"],"id":{}}}"#, text(ID_LEN_MAX + 1)), "command -");
        check(&format!(r#"{{"ping":{ping}}}"#), &format!("ping {ping}"));
        check(&format!(r#"{{"ping":{},"id":5}}"#, text(PING_LEN_MAX + 1)), "command 5");
        let cursors = Cursors::new(Epoch::new(0));
        let of =
            |text: &str| read_command(text, cursors, 0).err().map_or(0, |(problem, _)| problem.detail.len());
        let unknown = of(r#"{"x":1}"#);
        assert!(of(&format!(r#"{{"{}":1}}"#, "x".repeat(100_000))) <= unknown + 4 * 80);
        assert!(of(&format!(r#"{{"subscribe":{}}}"#, text(100_000))) <= 600);
        assert!(of(&format!(r#"{{"subscribe":["a"],"since":{}}}"#, text(100_000))) <= 400);
    }

    #[test]
    fn an_error_has_the_id_whatever_else_is_wrong() {
        check(r#"{"subscrib":["a"],"id":7}"#, "command 7");
        check(r#"{"id":7,"subscribe":"a"}"#, "command 7");
        check(r#" {"subscribe":[1],"id":{"n": 7}}"#, r#"command {"n": 7}"#);
        check(r#"{"tail":-1,"subscribe":["a"],"id":"x"}"#, r#"command "x""#);
        check(r#"{"ping":1,"ping":2,"id":null}"#, "command null");
        check(r#"{"id":7}"#, "command 7");
        check(r#"{"subscribe":["a"],"since":"x","id":null}"#, "since null");
        check(r#"{"id":7,"id":8}"#, "command -");
        check(&format!(r#"{{"id":"{}","x":1}}"#, "x".repeat(ID_LEN_MAX)), "command -");
        check(r#"{"id":7"#, "command -");
    }
}
