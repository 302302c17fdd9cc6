//! What may be said with a message, whoever publishes it, and by which line: the event's name, how long it is kept, its media
//! type, its idempotency key.

use hub::{Millis, excerpt};
use serde::de::IgnoredAny;

use crate::limits::{CONTENT_TYPE_LEN_MAX, EVENT_LEN_MAX, KEY_LEN_MAX, TTL_MS_MAX};
use crate::{Code, Problem};

/// An empty key would make repeats of all that were meant to have one.
pub fn check_key(key: String) -> Result<Box<str>, Problem> {
    if key.is_empty() || key.len() > KEY_LEN_MAX || key.chars().any(char::is_control) {
        return Err(Problem::bad(
            Code::Key,
            format!(
                "the idempotency key is {:?}; give 1 to {KEY_LEN_MAX} printable bytes that are another for each message",
                excerpt(&key)
            ),
        ));
    }
    Ok(key.into_boxed_str())
}

/// An empty name counts as none.
pub fn check_event(name: String) -> Result<Option<Box<str>>, Problem> {
    if name.len() > EVENT_LEN_MAX {
        let len = name.len();
        return Err(Problem::bad(
            Code::Event,
            format!("the event's name has {len} bytes; at most {EVENT_LEN_MAX} are allowed"),
        ));
    }
    if name.chars().any(char::is_control) {
        return Err(Problem::bad(
            Code::Event,
            "the event's name holds a control character; use printable characters only",
        ));
    }
    Ok(Some(name.into_boxed_str()).filter(|name| !name.is_empty()))
}

/// Seconds, with or without decimals, in milliseconds; what is below a millisecond is dropped.
pub fn read_ttl(text: &str) -> Result<Millis, Problem> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let millis = || {
        if !is_digits(whole) || !is_digits(decimals) {
            return None;
        }
        let below: Millis = format!("{decimals:0<3}")[..3].parse().ok()?;
        whole
            .parse::<Millis>()
            .ok()?
            .checked_mul(1_000)?
            .checked_add(below)
            .filter(|millis| *millis <= TTL_MS_MAX)
    };
    millis().ok_or_else(|| {
        Problem::bad(
            Code::Ttl,
            format!("ttl is {:?}; give seconds, such as 60 or 0.5, or 0 to keep nothing", excerpt(text)),
        )
    })
}

/// The media type, kept as it was sent. What curl sends with `-d` where nobody said otherwise says
/// nothing about the data.
pub fn check_content_type(value: &[u8]) -> Result<Option<Box<str>>, Problem> {
    let is_header = |value: &&str| {
        value.len() <= CONTENT_TYPE_LEN_MAX && value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
    };
    let Some(value) = std::str::from_utf8(value).ok().filter(is_header) else {
        return Err(Problem::bad(
            Code::ContentType,
            format!(
                "the content type is not ASCII, or longer than {CONTENT_TYPE_LEN_MAX} bytes; send one such as text/plain"
            ),
        ));
    };
    let kind = value.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("multipart/form-data") {
        return Err(Problem::new(
            415,
            Code::ContentType,
            "the body is a form with parts (multipart/form-data), which is no message; send the data itself: in JavaScript \
             a string or JSON.stringify(…) as the body, in curl -d and not -F",
        ));
    }
    let says_nothing = kind.is_empty() || kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    Ok((!says_nothing).then(|| value.into()))
}

/// What is said to be JSON is checked: clients would stumble over it.
pub fn no_json(bytes: &[u8]) -> Problem {
    let why = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str::<IgnoredAny>(text).err().map(|error| error.to_string()),
        Err(_) => None,
    };
    let why = why.unwrap_or_else(|| "it is not UTF-8".to_owned());
    Problem::bad(
        Code::Data,
        format!(
            "the data is said to be JSON, but is none: {why}; send JSON, or Content-Type: text/plain for text and \
             application/octet-stream for bytes"
        ),
    )
}
