//! The JSON object of a message, and the document of a long poll.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hub::{Cursors, Message, Position, Said};
use serde::de::IgnoredAny;

/// Appends the object of `message` for a client whose matches are the targets of these indices:
/// `{"cursor", "channel" or "channels", "event"?, "data", "base64"?, "time"}`.
///
/// Data is embedded as JSON where it is valid JSON, on one line; else it is a string; binary data is
/// base64. Time is seconds since the Unix epoch.
pub fn write_object(message: &Message, matches: &[usize], cursors: Option<Cursors>, out: &mut Vec<u8>) {
    out.push(b'{');
    if let Some(cursors) = cursors {
        out.extend_from_slice(b"\"cursor\":\"");
        cursors.write(message.position, out);
        out.extend_from_slice(b"\",");
    }
    match matches {
        [one] => {
            out.extend_from_slice(b"\"channel\":");
            write_string(&message.targets()[*one].name, out);
        }
        several => {
            out.extend_from_slice(b"\"channels\":[");
            for (n, index) in several.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_string(&message.targets()[*index].name, out);
            }
            out.push(b']');
        }
    }
    if let Some(event) = message.payload().event {
        out.extend_from_slice(b",\"event\":");
        write_string(event, out);
    }
    out.extend_from_slice(b",\"data\":");
    write_data(message.payload(), out);
    let (seconds, millis) = (message.time / 1_000, message.time % 1_000);
    out.extend_from_slice(format!(",\"time\":{seconds}.{millis:03}}}").as_bytes());
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
        write_object(message, matches, Some(cursors), out);
    }
    out.push(b']');
    if gap {
        out.extend_from_slice(b",\"gap\":true");
    }
    out.push(b'}');
}

/// Whether a media type says that data is bytes and not text.
pub fn is_binary_type(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/octet-stream"
        || ["image/", "audio/", "video/"].iter().any(|family| kind.starts_with(family))
}

fn write_data(payload: Said<'_>, out: &mut Vec<u8>) {
    write_value(payload, out);
    if payload.binary {
        out.extend_from_slice(b",\"base64\":true");
    }
}

/// Appends data as one JSON value, on one line; what is binary is a string in base64.
pub(crate) fn write_value(payload: Said<'_>, out: &mut Vec<u8>) {
    let data = payload.data();
    if payload.binary {
        out.push(b'"');
        out.extend_from_slice(STANDARD.encode(data).as_bytes());
        out.push(b'"');
        return;
    }
    let Ok(text) = simdutf8::basic::from_utf8(data) else {
        write_string(&String::from_utf8_lossy(data), out);
        return;
    };
    if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        // A line end in valid JSON is white space: it cannot stand inside a string.
        out.extend(
            data.trim_ascii().iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }),
        );
        return;
    }
    write_string(text, out);
}

/// Appends a JSON string.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a vector takes everything, and a string is JSON");
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub::{Epoch, Origin, Payload, Target};

    fn message(data: &[u8], binary: bool, event: Option<&str>) -> Message {
        let target = |name: &str| Target { name: name.into(), alias: None };
        let payload = Payload {
            bytes: data.into(),
            data: 0..u32::try_from(data.len()).unwrap(),
            origin: Origin::Native,
            event: event.map(Into::into),
            content_type: None,
            binary,
        };
        let targets = [target("a"), target("b\"")].into_iter().collect();
        Message::new(Position::from_bits(1), 1_795_348_412_007, None, targets, payload)
    }

    fn check(data: &[u8], binary: bool, expected: &str) {
        let mut out = Vec::new();
        write_object(&message(data, binary, None), &[0], None, &mut out);
        let expected = format!("{{\"channel\":\"a\",\"data\":{expected},\"time\":1795348412.007}}");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn data_is_json_or_a_string_or_base64() {
        check(b"hello", false, "\"hello\"");
        check(b"42", false, "42");
        check(b"{\"a\":\r\n 1}\n", false, "{\"a\":   1}");
        check(b"{\"a\":1} x", false, "\"{\\\"a\\\":1} x\"");
        check(b"", false, "\"\"");
        check(b"a\nb\x01", false, "\"a\\nb\\u0001\"");
        check(b"\xff\x00", true, "\"/wA=\",\"base64\":true");
        check(b"\"\xff\"", false, "\"\\\"\u{fffd}\\\"\"");
        check(b"NaN", false, "\"NaN\"");
        check(b"1.0000000000000000000000001", false, "1.0000000000000000000000001");
    }

    #[test]
    fn matches_are_named() {
        let mut out = Vec::new();
        let cursors = Cursors::new(Epoch::new(0));
        write_object(&message(b"x", false, Some("e")), &[0, 1], Some(cursors), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"cursor":"a0000001","channels":["a","b\""],"event":"e","data":"x","time":1795348412.007}"#
        );
    }

    #[test]
    fn media_types_tell_binary() {
        assert!(is_binary_type("application/octet-stream"));
        assert!(is_binary_type("Image/PNG; x=y"));
        assert!(!is_binary_type("text/plain"));
        assert!(!is_binary_type("application/json"));
    }
}
