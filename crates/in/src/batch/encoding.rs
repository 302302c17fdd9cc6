//! The form of a batch, and where its items begin and end.
//!
//! Only as much is read as is needed to tell items apart; what they say is read one by one, later.

use dialect::{Code, Problem, fault};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::limits::BATCH_ITEMS_MAX;
use crate::publish::no_channel;

/// How the items stand in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchEncoding {
    /// One object and nothing else.
    Lone,
    /// A JSON array.
    Array,
    /// One object a line.
    Lines,
}

impl BatchEncoding {
    /// The media type of its answer.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Lone | Self::Array => "application/json",
            Self::Lines => "application/x-ndjson",
        }
    }
}

/// Takes a batch apart. `lines`: the sender said that there is one object a line; else the first byte
/// tells.
pub(super) fn split(body: &[u8], lines: bool) -> Result<(BatchEncoding, Vec<&[u8]>), Problem> {
    if lines {
        return Ok((BatchEncoding::Lines, split_lines(body)?));
    }
    let body = body.trim_ascii();
    match body.first() {
        None => Err(no_channel()),
        Some(b'[') => Ok((BatchEncoding::Array, split_array(body)?)),
        Some(b'{') if has_lines(body) => Ok((BatchEncoding::Lines, split_lines(body)?)),
        Some(b'{') => Ok((BatchEncoding::Lone, vec![body])),
        Some(_) => Err(Problem::bad(
            Code::Batch,
            "the body is no JSON; POST /pub takes a JSON object, an array of objects, or one object a line (curl keeps \
             lines by --data-binary); to publish bytes as they are, send them to POST /pub/CHANNEL",
        )),
    }
}

fn split_array(body: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| {
        Problem::bad(
            Code::Batch,
            format!("the body is no JSON array: {}; nothing was published", fault(&error)),
        )
    })?;
    if items.len() > BATCH_ITEMS_MAX {
        return Err(too_many());
    }
    Ok(items.into_iter().map(|item| item.get().as_bytes()).collect())
}

/// Blank lines are nothing.
fn split_lines(body: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let lines: Vec<&[u8]> = lines.take(BATCH_ITEMS_MAX + 1).collect();
    if lines.len() > BATCH_ITEMS_MAX { Err(too_many()) } else { Ok(lines) }
}

/// Whether a body that begins with an object is one object a line: it is no single value, and at
/// least one line is an object by itself. A single object may stand on several lines too.
fn has_lines(body: &[u8]) -> bool {
    let is_value = |text: &[u8]| serde_json::from_slice::<IgnoredAny>(text).is_ok();
    body.contains(&b'\n')
        && !is_value(body)
        && body.split(|byte| *byte == b'\n').any(|line| line.trim_ascii().starts_with(b"{") && is_value(line))
}

fn too_many() -> Problem {
    Problem::new(
        413,
        Code::Batch,
        format!("the batch has more than {BATCH_ITEMS_MAX} items; send several smaller batches"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, lines: bool, expected: Result<(BatchEncoding, &[&str]), &str>) {
        let got = split(body.as_bytes(), lines);
        let got = got.as_ref().map(|(form, items)| {
            (*form, items.iter().map(|item| std::str::from_utf8(item).unwrap()).collect::<Vec<_>>())
        });
        let expected = expected.map(|(form, items)| (form, items.to_vec()));
        assert_eq!(got.map_err(|problem| problem.code.name()), expected, "{body}");
    }

    #[test]
    fn the_first_byte_tells_the_form() {
        check(" {\"a\":\n 1}\n", false, Ok((BatchEncoding::Lone, &["{\"a\":\n 1}"])));
        check("[{\"a\":1}, 2]", false, Ok((BatchEncoding::Array, &["{\"a\":1}", "2"])));
        check("[]", false, Ok((BatchEncoding::Array, &[])));
        check("{\"a\":1}\n\n{\"b\":2}\r\n", false, Ok((BatchEncoding::Lines, &["{\"a\":1}", "{\"b\":2}"])));
        check("{\"a\":\n{\"b\":2}", false, Ok((BatchEncoding::Lines, &["{\"a\":", "{\"b\":2}"])));
        check("{\"a\":1", false, Ok((BatchEncoding::Lone, &["{\"a\":1"])));
        check("", false, Err("channel-list"));
        check("hello", false, Err("batch"));
        check("[{\"a\":1}", false, Err("batch"));
        check("[1] x", false, Err("batch"));
    }

    #[test]
    fn who_says_lines_means_lines() {
        check("{\"a\":1}", true, Ok((BatchEncoding::Lines, &["{\"a\":1}"])));
        check("[1]\nx", true, Ok((BatchEncoding::Lines, &["[1]", "x"])));
        check("\n", true, Ok((BatchEncoding::Lines, &[])));
    }

    #[test]
    fn a_batch_has_a_limit() {
        check(&"1\n".repeat(BATCH_ITEMS_MAX + 1), true, Err("batch"));
        check(&format!("[1{}]", ",1".repeat(BATCH_ITEMS_MAX)), false, Err("batch"));
    }
}
