//! The JSON object of a message, and the document of a long poll.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hub::{Cursors, Kind, Message, Position, Said};
use serde::de::IgnoredAny;

use super::line_ends::{escape_line_ends, is_json};

/// Appends the object of `message` for a client whose matches are the targets of these indices:
/// `{"cursor", "channel" or "channels", "event"?, "user"?, "data", "base64"?, "time"}`.
///
/// The user is that of the client that said it, which has no word in that; what a publisher says has none.
///
/// Data is embedded as JSON where it is that, on one line; else it is a string; binary data is base64. Time is seconds
/// since the Unix epoch.
///
/// What says that a message was taken back is no message, and has an object of its own: [`write_removal`].
pub fn write_object(message: &Message, matches: &[usize], cursors: Option<Cursors>, out: &mut Vec<u8>) {
    debug_assert!(message.removal().is_none() && message.movement().is_none());
    out.push(b'{');
    if let Some(cursors) = cursors {
        out.extend_from_slice(b"\"cursor\":\"");
        cursors.write(message.position, out);
        out.extend_from_slice(b"\",");
    }
    match matches {
        [one] => {
            out.extend_from_slice(b"\"channel\":");
            write_string(hub::told_name(&message.targets()[*one].name), out);
        }
        several => {
            out.extend_from_slice(b"\"channels\":[");
            for (n, index) in several.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_string(hub::told_name(&message.targets()[*index].name), out);
            }
            out.push(b']');
        }
    }
    let said = message.payload();
    if let Some(event) = said.event {
        out.extend_from_slice(b",\"event\":");
        write_string(event, out);
    }
    if let Some(user) = said.speaker().user() {
        out.extend_from_slice(b",\"user\":");
        write_string(user, out);
    }
    out.extend_from_slice(b",\"data\":");
    write_data(said, out);
    write_time(message.time, out);
    out.push(b'}');
}

/// Appends what a channel's readers are told: a message, or that one was taken back.
pub fn write_told(message: &Message, matches: &[usize], cursors: Cursors, out: &mut Vec<u8>) {
    if write_notice(message, cursors, out) {
        out.extend_from_slice(b",\"cursor\":\"");
        cursors.write(message.position, out);
        out.extend_from_slice(b"\"}");
    } else {
        write_object(message, matches, Some(cursors), out);
    }
}

/// The same without a cursor, that would speak for what the reader is still owed.
pub fn write_uncovered(message: &Message, matches: &[usize], cursors: Cursors, out: &mut Vec<u8>) {
    if write_notice(message, cursors, out) {
        out.push(b'}');
    } else {
        write_object(message, matches, None, out);
    }
}

/// Appends the begin of the object of what is no message: that one was taken back, or that a user joined or left. False: it
/// is a message.
fn write_notice(message: &Message, cursors: Cursors, out: &mut Vec<u8>) -> bool {
    if message.removal().is_some() {
        out.extend_from_slice(b"{\"deleted_message\":");
        write_removal(message, cursors, out);
    } else if let Some(movement) = message.movement() {
        out.extend_from_slice(if movement.joined { b"{\"joined\":" } else { b"{\"left\":" });
        write_movement(message, out);
    } else {
        return false;
    }
    true
}

/// Appends which user joined a channel or left it: `{"channel", "user", "info"?, "time"}`.
pub fn write_movement(message: &Message, out: &mut Vec<u8>) {
    let Some(movement) = message.movement() else { return };
    out.extend_from_slice(b"{\"channel\":");
    let name = &message.targets()[0].name;
    write_string(hub::told_name(name), out);
    out.extend_from_slice(b",\"user\":");
    write_string(movement.user, out);
    if let Some(info) = movement.info {
        out.extend_from_slice(b",\"info\":");
        out.extend_from_slice(info.as_bytes());
    }
    write_time(message.time, out);
    out.push(b'}');
}

/// Appends a time as a member, in seconds since the Unix epoch.
fn write_time(time: hub::Millis, out: &mut Vec<u8>) {
    let (seconds, millis) = (time / 1_000, time % 1_000);
    out.extend_from_slice(format!(",\"time\":{seconds}.{millis:03}").as_bytes());
}

/// Appends which message was taken back, and from where: `{"channel": NAME, "cursor": C}`.
pub fn write_removal(removal: &Message, cursors: Cursors, out: &mut Vec<u8>) {
    let Some(hub::Removal { position, .. }) = removal.removal() else { return };
    out.extend_from_slice(b"{\"channel\":");
    write_string(&removal.targets()[0].name, out);
    out.extend_from_slice(b",\"cursor\":\"");
    cursors.write(position, out);
    out.extend_from_slice(b"\"}");
}

/// Appends a long poll's document: `{"cursor": C, "messages": […], "gap"?: true}`.
pub fn write_document<'a>(
    messages: impl Iterator<Item = (&'a Message, &'a [usize])>,
    cursor: Position,
    gap: bool,
    cursors: Cursors,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"cursor\":\"");
    cursors.write(cursor, out);
    out.extend_from_slice(b"\",\"messages\":[");
    for (n, (message, matches)) in messages.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_told(message, matches, cursors, out);
    }
    out.push(b']');
    if gap {
        out.extend_from_slice(b",\"gap\":true");
    }
    out.push(b'}');
}

/// What data of this media type is; `text`: it is UTF-8, and here it is. `None`: it is said to be JSON, and is none.
pub fn kind_of(content_type: Option<&str>, text: Option<&str>) -> Option<Kind> {
    let named = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let begins =
        |family: &str| named.get(..family.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(family));
    let ends = |suffix: &str| named.len() > suffix.len() && named.to_ascii_lowercase().ends_with(suffix);
    let is_json = named.eq_ignore_ascii_case("application/json") || ends("+json");
    Some(match text {
        _ if is_json => return text.filter(|text| is_json_text(text)).map(|_| Kind::Json),
        Some(_) if named.eq_ignore_ascii_case("text/plain") => Kind::Text,
        Some(_) if named.eq_ignore_ascii_case("application/octet-stream") => Kind::Binary,
        Some(_) if ["image/", "audio/", "video/"].into_iter().any(begins) => Kind::Binary,
        Some(_) => Kind::Either,
        None => Kind::Binary,
    })
}

/// Whether a text is one JSON value.
pub fn is_json_text(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn write_data(payload: Said<'_>, out: &mut Vec<u8>) {
    write_value(payload, out);
    if payload.kind == Kind::Binary {
        out.extend_from_slice(b",\"base64\":true");
    }
}

/// Appends data as one JSON value, on one line; what is binary is a string in base64.
pub fn write_value(payload: Said<'_>, out: &mut Vec<u8>) {
    let data = payload.data();
    if payload.kind == Kind::Binary {
        out.push(b'"');
        out.extend_from_slice(STANDARD.encode(data).as_bytes());
        out.push(b'"');
        return;
    }
    let Ok(text) = simdutf8::basic::from_utf8(data) else {
        write_string(&String::from_utf8_lossy(data), out);
        return;
    };
    if is_json(payload) {
        let from = out.len();
        // A line end in valid JSON is white space: it cannot stand inside a string.
        out.extend(
            data.trim_ascii().iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }),
        );
        escape_line_ends(from, out);
        return;
    }
    write_string(text, out);
}

/// Appends a JSON string, on what everybody takes for one line.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    let from = out.len();
    serde_json::to_writer(&mut *out, text).expect("a vector takes everything, and a string is JSON");
    escape_line_ends(from, out);
}

/// Appends an array of strings.
pub fn write_strings(texts: &[impl AsRef<str>], out: &mut Vec<u8>) {
    out.push(b'[');
    for (n, text) in texts.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_string(text.as_ref(), out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub::{Epoch, Payload, Target};

    fn message(data: &[u8], kind: Kind, event: Option<&str>) -> Message {
        let target = |name: &str| Target { name: name.into(), alias: None };
        let payload = Payload { event: event.map(Into::into), ..Payload::new(data, kind) };
        let targets = [target("a"), target("b\"")].into_iter().collect();
        Message::new(Position::from_bits(1), 1_795_348_412_007, None, targets, payload)
    }

    fn check(data: &[u8], kind: Kind, expected: &str) {
        let mut out = Vec::new();
        write_object(&message(data, kind, None), &[0], None, &mut out);
        let expected = format!("{{\"channel\":\"a\",\"data\":{expected},\"time\":1795348412.007}}");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn data_is_json_or_a_string_or_base64() {
        check(b"hello", Kind::Either, "\"hello\"");
        check(b"42", Kind::Either, "42");
        check(b"{\"a\":\r\n 1}\n", Kind::Either, "{\"a\":   1}");
        check(b"{\"a\":1} x", Kind::Either, "\"{\\\"a\\\":1} x\"");
        check(b"", Kind::Either, "\"\"");
        check(b"a\nb\x01", Kind::Either, "\"a\\nb\\u0001\"");
        check(b"\xff\x00", Kind::Binary, "\"/wA=\",\"base64\":true");
        check(b"\"\xff\"", Kind::Either, "\"\\\"\u{fffd}\\\"\"");
        check(b"1.10", Kind::Text, "\"1.10\"");
        check(b"{\"a\":1}\n", Kind::Text, "\"{\\\"a\\\":1}\\n\"");
        check(b" {\"a\":\n1}", Kind::Json, "{\"a\": 1}");
        check("\"a\u{2028}b\"".as_bytes(), Kind::Json, r#""a\u2028b""#);
        check("[\"\u{85}\",\n\"\u{2029}\"]".as_bytes(), Kind::Either, r#"["\u0085", "\u2029"]"#);
        check("a\u{85}".as_bytes(), Kind::Text, r#""a\u0085""#);
        check(b"NaN", Kind::Either, "\"NaN\"");
        check(b"1.0000000000000000000000001", Kind::Either, "1.0000000000000000000000001");
    }

    #[test]
    fn matches_are_named() {
        let mut out = Vec::new();
        let cursors = Cursors::new(Epoch::new(0));
        write_object(&message(b"x", Kind::Either, Some("e")), &[0, 1], Some(cursors), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"cursor":"a0000001","channels":["a","b\""],"event":"e","data":"x","time":1795348412.007}"#
        );
    }

    #[test]
    fn media_types_tell_what_data_is() {
        let kind =
            |content_type: &str, data: &[u8]| kind_of(Some(content_type), std::str::from_utf8(data).ok());
        for (content_type, of_json, of_text, of_bytes) in [
            ("text/plain", Some(Kind::Text), Some(Kind::Text), Some(Kind::Binary)),
            ("Text/Plain;charset=UTF-8", Some(Kind::Text), Some(Kind::Text), Some(Kind::Binary)),
            ("application/json", Some(Kind::Json), None, None),
            ("application/JSON; charset=utf-8", Some(Kind::Json), None, None),
            ("application/ld+json", Some(Kind::Json), None, None),
            ("image/svg+JSON ;x=y", Some(Kind::Json), None, None),
            ("application/octet-stream", Some(Kind::Binary), Some(Kind::Binary), Some(Kind::Binary)),
            ("Image/PNG; x=y", Some(Kind::Binary), Some(Kind::Binary), Some(Kind::Binary)),
            ("text/html", Some(Kind::Either), Some(Kind::Either), Some(Kind::Binary)),
            ("text/plainer", Some(Kind::Either), Some(Kind::Either), Some(Kind::Binary)),
            ("application/jsonl", Some(Kind::Either), Some(Kind::Either), Some(Kind::Binary)),
            ("+json", Some(Kind::Either), Some(Kind::Either), Some(Kind::Binary)),
            ("", Some(Kind::Either), Some(Kind::Either), Some(Kind::Binary)),
        ] {
            assert_eq!(kind(content_type, b"[1]"), of_json, "{content_type}");
            assert_eq!(kind(content_type, b"hello"), of_text, "{content_type}");
            assert_eq!(kind(content_type, b"\xff"), of_bytes, "{content_type}");
        }
        assert_eq!(kind_of(None, Some("[1]")), Some(Kind::Either));
    }
}
