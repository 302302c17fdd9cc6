//! What is carried out, though its client probably means something else: the answer says so in a header.

use crate::limits::{WARNED_PARAMETERS_MAX, WARNINGS_MAX};
use crate::slips;

/// The header of an answer that has a warning.
pub const WARNING: &str = "Multiplexor-Warning";

/// The parameters of a subscription, credentials included.
const OF_WAIT: &[&str] = &[
    "transport",
    "since",
    "tail",
    "wait",
    "heartbeat",
    "raw",
    "envelope",
    "errors",
    "compression",
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

/// What a subscription says that is probably not meant: in its query, or by a `*` in a name.
pub fn warning_of_wait(query: &str, names: &[Box<str>]) -> Option<String> {
    let star = names.iter().any(|name| name.contains('*')).then(|| STAR.to_owned());
    joined(warning_of_query(query, OF_WAIT).into_iter().chain(star))
}

/// The parameters that are passed over and were probably meant: those within two letters of one of these that are known, and
/// those that are known elsewhere. Whatever else is there is some site's own. The text is ASCII.
pub fn warning_of_query(query: &str, known: &[&str]) -> Option<String> {
    if query.is_empty() {
        return None;
    }
    let names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    joined(names.take(WARNED_PARAMETERS_MAX).filter_map(|name| warning_of(&name, known)).take(WARNINGS_MAX))
}

fn warning_of(name: &str, known: &[&str]) -> Option<String> {
    if known.contains(&name) {
        return None;
    }
    let are_alike = |known: &&&str| name.chars().count().abs_diff(known.len()) <= 2;
    let far = |known: &str| (slips(name, known), name.chars().count().abs_diff(known.len()));
    let near = known.iter().filter(are_alike).map(|known| (far(known), *known)).min();
    let near = near.filter(|((slips, _), known)| *slips <= if known.len() < LONG_LEN { 1 } else { 2 });
    let shown = name.escape_default();
    match near {
        Some((_, near)) => Some(format!("{shown} is unknown and was passed over, did you mean {near}?")),
        None if ANYWHERE.contains(&name) && known.is_empty() => Some(format!("{shown} means nothing here")),
        None if ANYWHERE.contains(&name) => {
            Some(format!("{shown} means nothing here, what does is {}", known.join(", ")))
        }
        None => None,
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
/// So many letters of a name allow for two slips.
const LONG_LEN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, known: &[&str], expected: &[&str]) {
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
        check(&format!("{}=1", "x".repeat(100_000)), OF_WAIT, &[]);
        check("since=0&tail=3&token=x&lastEventId=y", OF_WAIT, &[]);
    }

    #[test]
    fn a_star_is_told_for_what_it_is() {
        let names = |name: &str| vec![name.into()];
        assert_eq!(warning_of_wait("", &names("user.*")).as_deref(), Some(STAR));
        assert_eq!(warning_of_wait("", &names("user.1")), None);
        assert!(warning_of_wait("tial=1", &names("*")).unwrap().contains("; a *"));
    }
}
