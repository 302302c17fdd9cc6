//! What is carried out, though its client probably means something else: the answer says so in a header.

use std::borrow::Cow;
use std::num::NonZeroU8;

use crate::limits::{WARNED_PARAMETERS_MAX, WARNINGS_MAX};
use crate::slips;

/// The header of an answer that has a warning.
pub const WARNING: &str = "Multiplexor-Warning";

/// The parameters of a subscription, credentials included.
const OF_WAIT: &[&str] = &[
    "transport",
    "since",
    "tail",
    "connection",
    "wait",
    "heartbeat",
    "raw",
    "envelope",
    "errors",
    "compression",
    "presence",
    "lastEventId",
    "last-event-id",
    "last_event_id",
    "token",
    "expires",
    "user",
    "iat",
    "signature",
];

/// Parameters that mean something at one of our addresses, or are often looked for.
const ANYWHERE: &[&str] = &[
    "since",
    "tail",
    "wait",
    "heartbeat",
    "before",
    "event",
    "ttl",
    "limit",
    "after",
    "prefix",
    "raw",
    "envelope",
    "forget",
];

/// Known parameters that nobody misspells by hand, or that are like usual ones of sites (`lat`, `row`, `users`).
const UNGUESSED: &[&str] = &["iat", "raw", "user"];

/// What is said of a parameter that is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It is near this one, which is known.
    Near(&'static str),
    /// It is this one, which means something elsewhere.
    Elsewhere(&'static str),
}

/// What a long poll's answer says of its request, in one byte: so many polls that wait with the same parameter cost no memory,
/// and share what they are answered. The first parameter that is passed over is told, and a `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remark(NonZeroU8);

impl Remark {
    /// That there is nothing to say.
    pub const NOTHING: Self = Self(NonZeroU8::MIN);

    /// What is said of a subscription with this query, to these names.
    pub fn on_wait(query: &str, names: &[Box<str>]) -> Self {
        let number = |found| match found {
            Found::Near(word) => OF_WAIT.iter().position(|known| *known == word),
            Found::Elsewhere(word) => {
                ANYWHERE.iter().position(|known| *known == word).map(|number| number + OF_WAIT.len())
            }
        };
        let parameter = passed_over(query, OF_WAIT).find_map(|(_, found)| number(found));
        let parameter = parameter.map_or(0, |number| u8::try_from(number + 1).expect("the lists are short"));
        let star = if has_star(names) { OF_STAR } else { 0 };
        Self(NonZeroU8::MIN | (star | parameter << PARAMETER_SHIFT))
    }

    /// The same from its bits, wherever they come from.
    pub fn from_bits(bits: u8) -> Self {
        Self(NonZeroU8::MIN | bits)
    }

    /// The remark as bits, for [`Self::from_bits`].
    pub fn to_bits(self) -> u8 {
        self.0.get()
    }

    /// The value of the header [`WARNING`]; `None`: there is nothing to say. The text is ASCII.
    pub fn text(self) -> Option<String> {
        let number = usize::from(self.to_bits() >> PARAMETER_SHIFT).checked_sub(1);
        let near = number.and_then(|number| OF_WAIT.get(number)).map(|near| unknown("a parameter", near));
        let elsewhere = number.and_then(|number| ANYWHERE.get(number.checked_sub(OF_WAIT.len())?));
        let elsewhere = elsewhere.map(|word| means_nothing(word, OF_WAIT));
        let star = (self.to_bits() & OF_STAR != 0).then(|| STAR.to_owned());
        joined(near.into_iter().chain(elsewhere).chain(star))
    }
}

/// Whether one of these names has a `*`, which stands for itself.
pub fn has_star(names: &[Box<str>]) -> bool {
    names.iter().any(|name| name.contains('*'))
}

/// What a subscription says that is probably not meant: in its query, or by a `*` in a name.
pub fn warning_of_wait(query: &str, names: &[Box<str>]) -> Option<String> {
    let star = has_star(names).then(|| STAR.to_owned());
    joined(warning_of_query(query, OF_WAIT).into_iter().chain(star))
}

/// The parameters that are passed over and were probably meant: those near one of these that are known, and
/// those that are known elsewhere. Whatever else is there is some site's own. The text is ASCII.
///
/// Near is a long word within two slips; one below [`LONG_LEN`] letters within one, and with the same first letter.
pub fn warning_of_query(query: &str, known: &[&'static str]) -> Option<String> {
    let told = passed_over(query, known).map(|(name, found)| match found {
        Found::Near(near) => unknown(&name.escape_default().to_string(), near),
        Found::Elsewhere(word) => means_nothing(word, known),
    });
    joined(told.take(WARNINGS_MAX))
}

/// The parameters of a query of which something is to be said.
fn passed_over<'a>(query: &'a str, known: &'a [&'static str]) -> impl Iterator<Item = (Cow<'a, str>, Found)> {
    let names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name).take(WARNED_PARAMETERS_MAX);
    names.filter_map(move |name| find(&name, known).map(|found| (name, found)))
}

fn find(name: &str, known: &[&'static str]) -> Option<Found> {
    if known.contains(&name) {
        return None;
    }
    let len = name.chars().count();
    let far = |known: &'static str| {
        let is_long = known.len() >= LONG_LEN;
        let may_be = !UNGUESSED.contains(&known) && (is_long || known.chars().next() == name.chars().next());
        let slips = slips(name, known, if is_long { 2 } else { 1 }).filter(|_| may_be)?;
        Some((slips, len.abs_diff(known.len()), known))
    };
    let near = known.iter().copied().filter_map(far).min();
    let elsewhere = || ANYWHERE.iter().find(|word| **word == name).copied();
    near.map(|(_, _, near)| Found::Near(near)).or_else(|| elsewhere().map(Found::Elsewhere))
}

fn unknown(what: &str, near: &str) -> String {
    format!("{what} is unknown and was passed over, did you mean {near}?")
}

fn means_nothing(word: &str, known: &[&str]) -> String {
    match known {
        [] => format!("{word} means nothing here"),
        _ => format!("{word} means nothing here, what does is {}", known.join(", ")),
    }
}

fn joined(warnings: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<String> = warnings.collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// What is said of a subscription to a name with a `*`.
pub const STAR: &str =
    "a * in a channel's name stands for itself: this waits on the channel of that very name, and on no other";
/// What is said of a message for one.
pub const STAR_PUBLISHED: &str =
    "a * in a channel's name stands for itself: this goes to the channel of that very name, and to no other";
/// So many letters of a name allow for two slips: shorter ones are near too much that sites say (`size`, `site`: `since`).
const LONG_LEN: usize = 6;
/// Bits of a remark, behind the first, which makes it no 0: there is a `*`; and from the next on the number of a parameter.
const OF_STAR: u8 = 2;
const PARAMETER_SHIFT: u32 = 2;

const _: () =
    assert!(OF_WAIT.len() + ANYWHERE.len() < 1 << (u8::BITS - PARAMETER_SHIFT), "numbers fit a remark");

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, known: &[&'static str], expected: &[&str]) {
        let told = warning_of_query(query, known).unwrap_or_default();
        assert_eq!(told.is_empty(), expected.is_empty(), "{query}: {told}");
        for words in expected {
            assert!(told.contains(words), "{query}: {told}");
        }
        assert!(told.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{told}");
    }

    #[test]
    fn what_is_nearly_known_is_told_with_what_may_be_meant() {
        let of_publish = &["event", "ttl", "key"];
        check("tll=5", of_publish, &["tll is unknown", "did you mean ttl?"]);
        check("evnet=a&kye=b", of_publish, &["did you mean event?", "; ", "did you mean key?"]);
        check("tails=4&sinze=0", OF_WAIT, &["did you mean tail?", "did you mean since?"]);
        check("wiat=5", OF_WAIT, &["did you mean wait?"]);
        check("hartbeet=5", OF_WAIT, &["did you mean heartbeat?"]);
        check("tr%C3%A4nsport=sse", OF_WAIT, &["\\u{e4}", "did you mean transport?"]);
    }

    #[test]
    fn what_means_something_elsewhere_is_told() {
        check("before=x", &["since", "tail", "limit"], &["before means nothing here", "since, tail, limit"]);
        check("tail=5", &[], &["tail means nothing here"]);
        check("ttl=5", OF_WAIT, &["ttl means nothing here"]);
    }

    #[test]
    fn what_a_site_adds_is_left_alone() {
        for query in ["", "_=1", "v=2", "t=1", "ts=1", "cb=x", "utm_source=a", "id=5", "page=2", "=", "q"] {
            check(query, OF_WAIT, &[]);
            check(query, &["event", "ttl", "key"], &[]);
        }
        for name in ["lat", "cat", "mail", "row", "users", "size", "site", "sign", "await", "rows"] {
            check(&format!("{name}=1"), OF_WAIT, &[]);
        }
        check(&format!("{}=1", "x".repeat(100_000)), OF_WAIT, &[]);
        check("since=0&tail=3&token=x&lastEventId=y", OF_WAIT, &[]);
    }

    #[test]
    fn a_remark_says_in_a_byte_what_is_told_first() {
        let check = |query: &str, name: &str, expected: &[&str]| {
            let remark = Remark::on_wait(query, &[name.into()]);
            assert_eq!(Remark::from_bits(remark.to_bits()), remark);
            let text = remark.text().unwrap_or_default();
            assert_eq!(text.is_empty(), expected.is_empty(), "{query}: {text}");
            assert!(expected.iter().all(|words| text.contains(words)), "{query}: {text}");
        };
        check("since=0&_=1", "a", &[]);
        check("sinse=0&tial=1", "a", &["a parameter is unknown", "did you mean since?"]);
        check("", "a*", &[STAR]);
        check("limit=20", "*", &["limit means nothing here, what does is transport", "; a *"]);
        for known in OF_WAIT.iter().filter(|known| !UNGUESSED.contains(known)) {
            let known = if known.starts_with("last") { "lastEventId" } else { known };
            check(&format!("{known}x=1"), "a", &[&format!("did you mean {known}?")]);
        }
        for word in ANYWHERE.iter().filter(|word| !OF_WAIT.contains(word)) {
            check(&format!("{word}=1"), "a", &[&format!("{word} means nothing here")]);
        }
        assert_eq!(Remark::NOTHING.text(), None);
        assert!((0..=u8::MAX).all(|bits| Remark::from_bits(bits).text().is_none_or(|text| text.is_ascii())));
    }

    #[test]
    fn a_star_is_told_for_what_it_is() {
        let names = |name: &str| vec![name.into()];
        assert_eq!(warning_of_wait("", &names("user.*")).as_deref(), Some(STAR));
        assert_eq!(warning_of_wait("", &names("user.1")), None);
        assert!(warning_of_wait("tial=1", &names("*")).unwrap().contains("; a *"));
    }
}
