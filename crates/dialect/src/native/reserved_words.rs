//! Names of events that the server tells things by. A publisher may use them, and is warned: clients cannot tell his from the
//! server's.

/// The names, as they are.
const NAMES: &[&str] = &[
    "cursor",
    "gap",
    "present",
    "joined",
    "left",
    "subscribed",
    "unsubscribed",
    "deleted",
    "deleted-message",
    "expired",
    "ended",
    "refused",
    "error",
    "message",
    "multiplexor",
    "pong",
    "mercure",
];

/// How names begin that other dialects have for themselves.
const PREFIXES: &[&str] = &["pusher:", "pusher_internal:"];

/// Whether the server tells things by events of this name.
pub fn is_reserved(event: &str) -> bool {
    NAMES.contains(&event) || PREFIXES.iter().any(|prefix| event.starts_with(prefix))
}

/// What is said of an event that has such a name.
pub const RESERVED: &str = "the server tells things by events of this name (cursor, gap, deleted, message and others), so that clients \
    cannot tell yours from its own; give the event another name";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_reserved_and_what_is_like_it_is_not() {
        for name in ["cursor", "deleted-message", "pusher:ping", "pusher_internal:x", "mercure"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["", "Cursor", "cursors", "tick", "pusher", "client-typing", "deleted_message"] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn the_manual_has_them_all() {
        let manual = include_str!("../../../../docs/protocol.md");
        let names: Vec<String> = NAMES.iter().map(|name| format!("`{name}`")).collect();
        let prefixes: Vec<String> = PREFIXES.iter().map(|prefix| format!("`{prefix}…`")).collect();
        let list = [names, prefixes].concat().join(", ");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(manual).contains(&list), "docs/protocol.md is to list {list}");
    }
}
