//! Request lines with places to fill: `/sub/{ch}?since={cursor}`.

/// A text with places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<TemplatePart>);

/// What fills the places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fill<'a> {
    /// The channel's number.
    pub(crate) channel: u32,
    /// Bytes of a channel's name, reached by zeros; fewer than its digits need means those.
    pub(crate) name_len: usize,
    /// The last cursor the client was told; empty at first.
    pub(crate) cursor: &'a str,
    /// What the client alone has: its token, say.
    pub(crate) value: &'a str,
    /// The message.
    pub(crate) payload: &'a [u8],
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    Channel,
    Cursor,
    Value,
    Payload,
}

impl Template {
    /// Reads a template; what is no place is text.
    pub(crate) fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((at, name, part)) = first_place(rest) {
            if at > 0 {
                parts.push(TemplatePart::Text(rest[..at].to_owned()));
            }
            parts.push(part);
            rest = &rest[at + name.len()..];
        }
        if !rest.is_empty() {
            parts.push(TemplatePart::Text(rest.to_owned()));
        }
        Self(parts)
    }

    /// Whether a client must remember its cursor for it.
    pub(crate) fn has_cursor(&self) -> bool {
        self.0.contains(&TemplatePart::Cursor)
    }

    /// Appends the text with its places filled.
    pub(crate) fn fill(&self, fill: &Fill<'_>, out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) => out.extend_from_slice(text.as_bytes()),
                TemplatePart::Channel => push_name(fill.channel, fill.name_len, out),
                TemplatePart::Value => out.extend_from_slice(fill.value.as_bytes()),
                TemplatePart::Cursor => out.extend_from_slice(fill.cursor.as_bytes()),
                TemplatePart::Payload => out.extend_from_slice(fill.payload),
            }
        }
    }
}

/// Where the first place is, as it is written, and what it means.
fn first_place(text: &str) -> Option<(usize, &'static str, TemplatePart)> {
    let places = [
        ("{ch}", TemplatePart::Channel),
        ("{cursor}", TemplatePart::Cursor),
        ("{value}", TemplatePart::Value),
        ("{payload}", TemplatePart::Payload),
    ];
    places
        .into_iter()
        .filter_map(|(name, part)| text.find(name).map(|at| (at, name, part)))
        .min_by_key(|(at, ..)| *at)
}

/// `c` and the number, as many zeros between them as the length needs.
fn push_name(channel: u32, len: usize, out: &mut Vec<u8>) {
    let digits = channel.to_string();
    out.push(b'c');
    out.resize(out.len() + len.saturating_sub(1 + digits.len()), b'0');
    out.extend_from_slice(digits.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, name_len: usize, expected: &str) {
        let mut out = Vec::new();
        let fill = Fill { channel: 42, name_len, cursor: "a3k", value: "x.y", payload: b"hello" };
        Template::new(template).fill(&fill, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn places_are_filled_and_all_else_stays() {
        check("/sub/{ch}?since={cursor}", 0, "/sub/c42?since=a3k");
        check("{\"channel\":\"{ch}\",\"data\":\"{payload}\"}", 0, "{\"channel\":\"c42\",\"data\":\"hello\"}");
        check("/sub/{ch}?token={value}", 0, "/sub/c42?token=x.y");
        check("{ch}{ch}", 0, "c42c42");
        check("/plain", 0, "/plain");
        check("", 0, "");
    }

    #[test]
    fn names_have_the_length_asked_for() {
        check("{ch}", 16, "c000000000000042");
        check("{ch}", 2, "c42");
    }

    #[test]
    fn only_one_with_a_cursor_needs_one() {
        assert!(Template::new("/sub/{ch}?since={cursor}").has_cursor());
        assert!(!Template::new("/sub/{ch}").has_cursor());
    }
}
