//! Facts about the dialect of Realplexor that no conversation shows: what holds for any list, any cut and any
//! reply.

#![allow(clippy::unwrap_used, reason = "in a test")]

use std::str::Split;

use multiplexor_dialect::due::{DuePart, Reply};
use multiplexor_dialect::hub::{
    After, ConnectionId, Decimal, Kind, Message, Payload, Position, Reader, Target, Visible,
};
use multiplexor_dialect::native::Paths;
use multiplexor_dialect::realplexor::{
    self, Found, Item, List, Marker, Reading, Realplexor, Tag, command, payload, replaced, whose, write_one,
};
use multiplexor_dialect::{Claim, Dialect};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// A list as it is written.
fn text(list: &List, encoded: bool) -> String {
    let credentials = list.credentials.as_ref().map(|credentials| {
        format!("{}:{}@", credentials.login, String::from_utf8_lossy(&credentials.password))
    });
    let item = |item: &Item| {
        let cursor = item.cursor.as_ref().map(|cursor| format!("{cursor}:")).unwrap_or_default();
        format!("{}{cursor}{}", if item.star { "*" } else { "" }, item.id)
    };
    let items = list.items.iter().map(item).collect::<Vec<_>>().join(",");
    let items =
        if encoded { items.replace(',', "%2C").replace(':', "%3a").replace('*', "%2a") } else { items };
    credentials.unwrap_or_default() + &items
}

prop_compose! {
    fn any_list()(
        credentials in option::of(("[A-Za-z0-9_]{1,8}", "[!-?A-~]{1,12}")),
        items in vec((any::<bool>(), option::of("[0-9]{1,30}(\\.[0-9]{1,30})?"), "[A-Za-z0-9_]{1,12}"), 1..8),
    ) -> List {
        let mut known = Vec::new();
        let items = items.into_iter().filter_map(|(star, cursor, id)| {
            let is_new = !known.contains(&(star, id.clone()));
            known.push((star, id.clone()));
            is_new.then(|| Item { star, cursor: cursor.map(Into::into), id: id.into() })
        });
        let credentials = credentials.map(|(login, password)| realplexor::Credentials {
            login: login.into(),
            password: password.into_bytes().into(),
        });
        List { credentials, items: items.collect() }
    }
}

/// A decimal the slow way: digits before and behind the point, filled up to one length.
fn exact(text: &str, digits: usize) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole:0>digits$}{fraction:0<digits$}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_is_read_as_it_was_written(list in any_list(), before in "[ -~]{0,20}\n", end in "[ \n\r;&#]") {
        prop_assume!(!before.contains("identifier="));
        let said = format!("{before}identifier={}{end}", text(&list, false));
        // Without credentials of its own, a list may look as if it began with some.
        prop_assume!(list.credentials.is_some() || end.starts_with(char::is_whitespace));
        let found = Marker::default().find(said.as_bytes(), Reading { ended: true, ..Reading::RAW });
        prop_assert_eq!(found, Found::List(list));
    }

    #[test]
    fn a_list_in_a_url_may_be_encoded(list in any_list()) {
        let list = List { credentials: None, ..list };
        let said = format!("GET /?identifier={}&x=1 HTTP/1.1", text(&list, true));
        let found = Marker::default().find(said.as_bytes(), Reading::query(true));
        prop_assert_eq!(found, Found::List(list));
    }

    /// What was understood stays so when more comes.
    #[test]
    fn more_bytes_change_nothing_that_was_understood(
        said in "(GET |POST |x|\n|)(/|/sub/a| )(identifier=|[a-z]|\\?|%2C|:|@|&|\\*|[0-9]| |\n|Referer: ){0,12}",
        decodes: bool,
        query: bool,
    ) {
        let reading = Reading { ended: false, decodes, query };
        let whole = Marker::default().find(said.as_bytes(), reading);
        let words = whose(said.as_bytes(), Paths::default().all(), None, &Marker::default());
        for cut in 0..said.len() {
            let early = &said.as_bytes()[..cut];
            if let Found::List(list) = Marker::default().find(early, reading) {
                prop_assert_eq!(&Found::List(list), &whole);
            }
            let early: Option<Claim> = whose(early, Paths::default().all(), None, &Marker::default());
            prop_assert!(early.is_none() || early == words);
        }
    }

    #[test]
    fn decimals_are_compared_exactly(
        one in "[0-9]{1,40}(\\.[0-9]{1,40})?",
        other in "[0-9]{1,40}(\\.[0-9]{1,40})?",
        near in "[0-9]{0,3}",
    ) {
        for other in [other, format!("{one}{near}"), format!("0{one}")] {
            let (a, b) = (Decimal::read(&one).unwrap(), Decimal::read(&other).unwrap());
            prop_assert_eq!(a.cmp(&b), exact(&one, 100).cmp(&exact(&other, 100)), "{} {}", &one, &other);
            prop_assert_eq!(a == b, exact(&one, 100) == exact(&other, 100));
            prop_assert_eq!(Decimal::read(&a.to_string()), Some(a));
        }
    }

    #[test]
    fn any_bytes_are_read(bytes: Vec<u8>, ended: bool) {
        let mut said = b"identifier=".to_vec();
        said.extend(&bytes);
        let reading = Reading { ended, ..Reading::RAW };
        let list = Marker::default().find(&said, reading);
        prop_assert!(!ended || list != Found::More);
        command(&bytes, ended);
        realplexor::behind_blank_line(&bytes);
    }

    #[test]
    fn a_message_keeps_its_data_and_its_limits(
        ids in vec("[a-z_0-9]{1,5}", 0..4),
        data: Vec<u8>,
    ) {
        let names: Vec<&str> = ids.iter().map(String::as_str).collect();
        let payload = payload(&names, &data);
        prop_assert_eq!(payload.data(), &data[..]);
        let message = said(1, &[("a", None)], payload);
        let limits: Vec<&str> = message.audience().channels().into_iter().flatten().collect();
        prop_assert_eq!(limits, names);
    }
}

/// Somebody from whom nothing is hidden.
struct Anybody;

impl Reader for Anybody {
    fn waits_on_any(&self, _: Split<'_, char>) -> bool {
        true
    }

    fn is_connection(&self, _: ConnectionId) -> bool {
        false
    }

    fn is_user(&self, _: &str) -> bool {
        true
    }
}

fn visible(message: &Message) -> Visible<'_> {
    message.visible_to(&Anybody).unwrap()
}

/// A message at this place, with its cursors by id.
fn message(place: u64, cursors: &[(&str, Option<&str>)], data: &str) -> Message {
    said(place, cursors, payload(&[], data.as_bytes()))
}

fn said(place: u64, cursors: &[(&str, Option<&str>)], payload: Payload) -> Message {
    let target =
        |(name, alias): &(&str, Option<&str>)| Target { name: (*name).into(), alias: alias.map(Into::into) };
    let targets = cursors.iter().map(target).collect();
    Message::new(Position::from_bits(place), 1_795_348_412_007, None, targets, payload)
}

fn written(messages: &[Message], cut: Option<&str>, len_max: usize) -> (String, Option<Decimal>) {
    let parts =
        messages.iter().filter_map(|message| DuePart::new(visible(message), 0..message.targets().len()));
    let (reply, cut) = Reply::new(parts.collect(), cut.and_then(Decimal::read), len_max);
    let mut out = Vec::new();
    Realplexor::default().write_reply(&reply, None, &mut out);
    (String::from_utf8(out).unwrap(), cut)
}

#[test]
fn a_reply_is_sorted_by_cursors_and_then_by_data() {
    let messages = [
        message(1, &[("b", Some("10")), ("a", Some("9"))], "3"),
        message(2, &[("a", Some("2"))], "z\n"),
        message(3, &[("a", Some("2.0"))], "y"),
        message(4, &[("c", None)], "last"),
    ];
    let expected = r#"[
  {
    "ids": { "a": "2.0" },
    "data": y
  },
  {
    "ids": { "a": "2" },
    "data":
z

  },
  {
    "ids": { "a": "9", "b": "10" },
    "data": 3
  },
  {
    "ids": { "c": "1795348412.00700000000004" },
    "data": last
  }
]"#;
    assert_eq!(written(&messages, None, 100), (expected.to_owned(), None));
    let mut one = Vec::new();
    write_one(&messages[2], &[0], &mut one);
    assert_eq!(one, b"[\n  {\n    \"ids\": { \"a\": \"2.0\" },\n    \"data\": y\n  }\n]");
}

/// What is left out must be due the next time: no id may be told a cursor greater than that of what is left out.
#[test]
fn a_reply_that_is_cut_leaves_out_what_has_greater_cursors() {
    let messages = [
        message(1, &[("a", Some("1")), ("b", Some("9"))], "xx"),
        message(2, &[("a", Some("2"))], "yy"),
        message(3, &[("b", Some("3"))], "zz"),
    ];
    let ids = |text: &str| text.matches("\"ids\"").count();
    let (whole, cut) = written(&messages, None, 6);
    assert_eq!((ids(&whole), cut), (3, None));
    let (part, cut) = written(&messages, None, 4);
    assert!(part.contains("yy") && !part.contains("zz") && !part.contains("xx"), "{part}");
    assert_eq!(cut, Decimal::read("2"));
    let (one, _) = written(&messages, None, 1);
    assert_eq!(ids(&one), 3, "nothing is as short as that, and something must be said: {one}");
    let (part, cut) = written(&messages, Some("3"), 100);
    assert!(part.contains("yy") && part.contains("zz") && !part.contains("xx"));
    assert_eq!(cut, Decimal::read("3"));
}

#[test]
fn a_list_says_from_where_each_id_is_wanted() {
    let said = b"identifier=a,5:b,1795348412.00700000000004:c,*9:a\n";
    let Found::List(list) = Marker::default().find(said, Reading::RAW) else { panic!("it is whole") };
    let decimal = |text| Decimal::read(text).unwrap();
    assert_eq!(
        list.wishes(),
        [
            ("a".into(), After::Cursor(decimal("9"))),
            ("b".into(), After::Cursor(decimal("5"))),
            ("c".into(), After::Mark(decimal("1795348412.00700000000004"))),
        ]
    );
}

/// A cursor given to these ids is one of ours, and brings this list to be read so.
fn brought(given_to: &[&str], list: &str, expected: &[&str]) {
    let message = message(4, &[("a", None)], "1");
    let (reply, _) = Reply::new(vec![DuePart::new(visible(&message), [0]).unwrap()], None, 9);
    let mut out = Vec::new();
    Realplexor::default().write_reply(&reply, Tag::of(given_to.iter().copied()), &mut out);
    let text = String::from_utf8(out).unwrap();
    let cursor = text.split('"').nth(5).unwrap();
    assert_eq!(cursor.len() - 11, if given_to.len() > 1 { 24 } else { 14 }, "{cursor}");
    let said = format!("identifier={}\n", list.replace('@', cursor));
    let Found::List(list) = Marker::default().find(said.as_bytes(), Reading::RAW) else { panic!("{said}") };
    let word = |after| match after {
        After::Now => "now",
        After::Recent => "recent",
        After::Cursor(_) => "cursor",
        After::Mark(mark) if mark == message.mark() => "mark",
        After::Mark(_) => "another",
    };
    let read: Vec<&str> = list.wishes().into_iter().map(|(_, after)| word(after)).collect();
    assert_eq!(read, expected, "{said}");
}

#[test]
fn a_cursor_tells_old_ids_from_new_ones() {
    brought(&["a", "b"], "@:a,b", &["mark", "mark"]);
    brought(&["b", "a"], "@:a,b", &["mark", "mark"]);
    brought(&["a", "b", "c"], "@:a,b,5:c", &["mark", "mark", "cursor"]);
    // Added behind, and one in front.
    brought(&["a", "b"], "@:a,b,new,new2", &["mark", "mark", "now", "now"]);
    brought(&["a", "b"], "new,@:a,b", &["now", "mark", "mark"]);
    // Given to one id alone.
    brought(&["a"], "@:a,b", &["mark", "now"]);
    // Some were taken away: nobody knows of the rest.
    brought(&["a", "b", "c"], "@:a,c", &["mark", "recent"]);
    brought(&["a", "b"], "1795348400.00000000000001:c,@:a,b", &["another", "mark", "mark"]);
    brought(&["a", "b"], "a,b", &["recent", "recent"]);
}

#[test]
fn what_others_published_is_json() {
    let payload = |data: &[u8], kind| Payload::new(data, kind);
    for (data, kind, expected) in [
        (&b"{\"a\":\n1}"[..], Kind::Either, "{\"a\": 1}"),
        (b"{\"a\":1}", Kind::Text, r#""{\"a\":1}""#),
        (b"a \"b\"\nc", Kind::Either, r#""a \"b\"\nc""#),
        (b"\x00\xff", Kind::Binary, "\"AP8=\""),
    ] {
        let message = said(1, &[("a", None)], payload(data, kind));
        let mut out = Vec::new();
        write_one(&message, &[0], &mut out);
        let expected = format!("    \"data\": {expected}\n  }}\n]");
        assert!(out.ends_with(expected.as_bytes()), "{}", String::from_utf8_lossy(&out));
    }
}

#[test]
fn a_marker_is_a_word() {
    assert!(["", "a b", "a-b", &"x".repeat(31)].iter().all(|word| Marker::new(word).is_none()));
    let marker = Marker::new("id_2").unwrap();
    assert_eq!(marker.word(), "id_2");
    assert!(matches!(marker.find(b"id_2=a\n", Reading::RAW), Found::List(_)));
    assert_eq!(marker.find(b"identifier=a\n", Reading::RAW), Found::None);
}

#[test]
fn a_variable_is_replaced_by_its_value() {
    let value = |name: &str| (name == "A_1").then(|| "$A_1".to_owned());
    assert_eq!(replaced("$A_1 $A_1x $$A_1 $1 $_a $", value), "$A_1 undefined-A_1x $$A_1 $1 $_a $");
    assert_eq!(replaced("", value), "");
}
