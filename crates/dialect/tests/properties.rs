//! What holds for any names, payloads, commands and requests.

#![allow(clippy::unwrap_used, reason = "in a test")]

use multiplexor_dialect::hub::limits::CHANNELS_MAX;
use multiplexor_dialect::hub::{Cursors, Epoch, Kind, Message, Payload, Position, Stage, Target, check_name};
use multiplexor_dialect::native::{
    Context, bare_data, intent, is_json_text, last_event_id, names_in_body, names_in_path, read_command,
    since, write_object,
};
use multiplexor_dialect::{Command, Intent, Request, Shows};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A path names what its parts name, each once; and is refused when one of them is no name.
    #[test]
    fn names_in_a_path_are_names(list in any_list()) {
        let parts: Option<Vec<Vec<u8>>> = list.split(',').map(decoded).collect();
        let expected = parts.and_then(|parts| naive(parts.iter().map(Vec::as_slice)));
        prop_assert_eq!(names_in_path(&list).ok(), expected.filter(|_| !list.is_empty()));
    }

    /// So does a body, of lines and commas or of JSON.
    #[test]
    fn names_in_a_body_are_names(names in vec(any_name(), 0..6), end in "[ \r\n]{0,3}") {
        let texts: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
        let json = serde_json::to_vec(&names).unwrap();
        prop_assert_eq!(names_in_body(&json, true).ok(), naive(texts.into_iter()));

        let lines = names.join("\r\n") + &end;
        let lines = lines.trim_end_matches(['\n', '\r', ' ']);
        // A line ends in LF or CR LF; before a comma a CR is part of a name, and so of none.
        let whole = lines.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let parts: Vec<&[u8]> = whole.flat_map(|line| line.split(',')).map(str::as_bytes).collect();
        let expected = naive(parts.into_iter()).filter(|_| !lines.is_empty());
        prop_assert_eq!(names_in_body((names.join("\r\n") + &end).as_bytes(), false).ok(), expected);
    }

    #[test]
    fn any_body_is_a_list_or_a_problem(body: Vec<u8>, json: bool) {
        if let Ok(names) = names_in_body(&body, json) {
            prop_assert!(!names.is_empty() && names.iter().all(|name| check_name(name.as_bytes()).is_ok()));
        }
    }

    /// The object of a message is JSON on one line, and says what was said.
    #[test]
    fn an_object_says_what_was_said(
        data in any_data(),
        kind in prop::sample::select(vec![Kind::Either, Kind::Text, Kind::Json, Kind::Binary]),
        event in proptest::option::of(".{0,8}"),
        names in vec(any_name(), 1..4),
        has_cursor: bool,
    ) {
        // What is no text is bytes, and what is no JSON is none: who makes a message sees to that.
        let text = std::str::from_utf8(&data);
        let kind = match kind {
            Kind::Text if text.is_err() => Kind::Binary,
            Kind::Json if !text.is_ok_and(is_json_text) => Kind::Either,
            kind => kind,
        };
        let matches: Vec<usize> = (0..names.len()).collect();
        let message = message(&data, kind, event.as_deref(), &names);
        let cursors = has_cursor.then(|| Cursors::new(Epoch::new(9)));
        let mut out = b"before".to_vec();
        write_object(&message, &matches, cursors, &mut out);
        let text = std::str::from_utf8(&out[6..]).expect("JSON is UTF-8");
        prop_assert!(!text.contains(PYTHONS_LINE_ENDS));
        serde_json::from_str::<IgnoredAny>(text).expect("an object is JSON");
        let bare = bare_data(message.payload());
        prop_assert!(*bare == *data || kind == Kind::Json || kind == Kind::Either);
        prop_assert_eq!(serde_json::from_slice::<Value>(&bare).ok(), serde_json::from_slice::<Value>(&data).ok());
        if let Ok(object) = serde_json::from_str::<Value>(text) {
            check_object(&object, &message, cursors, &names);
            check_data(&object, &data, kind);
        } else {
            // A lone half of a surrogate pair is JSON by its grammar, and nothing a Rust string can hold.
            prop_assert!(kind != Kind::Binary && kind != Kind::Text && serde_json::from_slice::<Value>(&data).is_err());
        }
    }

    #[test]
    fn any_command_is_one_or_a_problem(text in any_command()) {
        let cursors = Cursors::new(Epoch::new(0));
        match read_command(&text, cursors, 1_000) {
            Ok(Command::Subscribe { names, .. } | Command::Unsubscribe { names, .. }) => {
                prop_assert!(!names.is_empty() && names.iter().all(|name| check_name(name.as_bytes()).is_ok()));
            }
            Ok(Command::Publish { name, speech, .. }) => {
                prop_assert!(check_name(name.as_bytes()).is_ok());
                prop_assert!(speech.data.len() <= text.len());
                prop_assert!(speech.event.as_deref().is_none_or(|event| !event.chars().any(char::is_control)));
            }
            Ok(Command::Renew { token, .. }) => prop_assert!(text.contains("token") && token.len() <= text.len()),
            Ok(Command::Ping { value, .. }) => prop_assert!(serde_json::from_str::<IgnoredAny>(value.get()).is_ok()),
            Err((problem, _)) => prop_assert_eq!(problem.status, 400),
        }
    }

    #[test]
    fn any_start_is_one_or_a_problem(text in "[a0-9smhd.\\-]{0,24}|.{0,24}", bytes: Vec<u8>, now: u64, epoch: u64) {
        let cursors = Cursors::new(Epoch::new(epoch));
        let _ = since(&text, cursors, now);
        let _ = last_event_id(&bytes, cursors);
    }

    #[test]
    fn any_request_is_understood_or_refused(
        method in "GET|HEAD|POST|OPTIONS|PUT|[A-Z]{1,4}",
        path in "/(sub|pub)/[a-c,%$0-9]{0,8}|/|/sub|/.{0,8}",
        query in "([a-z]{2,9}=[a-z0-9%+]{0,6}&){0,3}(since|tail|raw|envelope|transport)=[a-z0-9]{0,7}",
        header: Vec<u8>,
        upgrade: bool,
        body: Vec<u8>,
    ) {
        let request =
            Request { method: &method, path: &path, query: &query, header: &|_| Some(&header), upgrade, tls: false, body: &body };
        match intent(&request, Context {
            cursors: Cursors::new(Epoch::new(0)),
            now: 0,
            shows: &Shows::NOTHING,
            stage: Stage::Serving,
            publishes: true,
            prefix: "",
            address: None,
        }) {
            Ok(Intent::Wait(wait)) => prop_assert!(wait.names.len() <= CHANNELS_MAX),
            Ok(Intent::Answer(answer)) => prop_assert!([200, 204, 405].contains(&answer.status)),
            Err(problem) => prop_assert!((400..500).contains(&problem.status)),
        }
    }
}

/// The names, each once; `None` if one is none, or there are none or too many.
fn naive<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Box<str>>> {
    let mut names: Vec<Box<str>> = Vec::new();
    for part in parts {
        let name = check_name(part).ok()?;
        if names.iter().all(|known| **known != *name) {
            names.push(name.into());
        }
    }
    (1..=CHANNELS_MAX).contains(&names.len()).then_some(names)
}

/// Percent-decoded, in the plainest way.
/// `None`: an escape in it is none.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap());
                at += 3;
            }
            (b'%', ..) => return None,
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Some(out)
}

fn check_object(object: &Value, message: &Message, cursors: Option<Cursors>, names: &[String]) {
    assert_eq!(
        object["cursor"].as_str().map(str::to_owned),
        cursors.map(|cursors| cursors.text(message.position))
    );
    match names {
        [one] => assert_eq!(object["channel"], **one),
        several => assert_eq!(object["channels"], Value::from(several.to_vec())),
    }
    assert_eq!(object["event"].as_str(), message.payload().event);
    assert_eq!(object["time"], 1.007);
}

fn check_data(object: &Value, data: &[u8], kind: Kind) {
    use base64::Engine;
    let is_binary = kind == Kind::Binary;
    assert_eq!(object.get("base64"), is_binary.then_some(&true.into()));
    if is_binary {
        let text = object["data"].as_str().unwrap();
        assert_eq!(base64::engine::general_purpose::STANDARD.decode(text).unwrap(), data);
    } else if let Ok(value) = serde_json::from_slice::<Value>(data)
        && kind != Kind::Text
    {
        assert_eq!(object["data"], value);
    } else {
        assert_eq!(object["data"], *String::from_utf8_lossy(data));
    }
}

fn message(data: &[u8], kind: Kind, event: Option<&str>, names: &[String]) -> Message {
    let target = |name: &String| Target { name: name.as_str().into(), alias: None };
    let payload = Payload {
        data: 4..u32::try_from(data.len()).unwrap() + 4,
        event: event.map(Into::into),
        ..Payload::new([b"head", data].concat(), kind)
    };
    Message::new(Position::from_bits(77), 1_007, None, names.iter().map(target).collect(), payload)
}

fn any_list() -> impl Strategy<Value = String> {
    let part =
        prop_oneof!["[a-z.]{1,3}", "(%[0-9a-fA-F]{1,2}|[a-c$%]){0,4}", ".{0,4}", Just("x".repeat(255))];
    vec(part, 0..6).prop_map(|parts| parts.join(","))
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z.]{1,3}", 2 => ".{0,4}", 1 => "[\"\\\\ \u{7f}$]{1,3}"]
}

/// Where `str.splitlines` of Python cuts.
const PYTHONS_LINE_ENDS: [char; 10] =
    ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];

/// text, JSON with any white space, and JSON that is nearly right.
fn any_data() -> impl Strategy<Value = Vec<u8>> {
    let json = || any_json().prop_map(|value| value.to_string());
    let spaced =
        any_json().prop_map(|value| serde_json::to_string_pretty(&value).unwrap().replace('\n', "\r\n"));
    prop_oneof![
        any::<Vec<u8>>(),
        any::<String>().prop_map(String::into_bytes),
        "[\u{85}\u{2028}\u{2029}a\"]{0,6}".prop_map(String::into_bytes),
        json().prop_map(String::into_bytes),
        (("[ \t\r\n\u{c}\u{a0}]{0,3}"), spaced)
            .prop_map(|(space, text)| (space.clone() + &text + &space).into_bytes()),
        (json(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, at, byte)| {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
        "\"(\\\\u[0-9a-f]{4}|\\\\.|[a-z]){0,4}\"".prop_map(String::into_bytes),
        "-?[0-9]{0,30}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{0,2})?".prop_map(String::into_bytes),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        "[\u{85}\u{2028}\u{2029}a\"\\\\]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((".{0,3}", inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_command() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "subscribe",
        "unsubscribe",
        "ping",
        "since",
        "tail",
        "id",
        "x",
        "publish",
        "data",
        "event",
        "ttl",
        "key",
        "echo",
    ]);
    let value = prop_oneof![
        any_json().prop_map(|value| value.to_string()),
        vec(any_name(), 0..3).prop_map(|names| Value::from(names).to_string()),
        "-?[0-9]{1,12}(\\.[0-9])?",
        "[\\[{\"]{0,300}",
    ];
    let object = vec((key, value), 0..4).prop_map(|fields| {
        let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    });
    prop_oneof![3 => object, 1 => any::<String>()]
}
