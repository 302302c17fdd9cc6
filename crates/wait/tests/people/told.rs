//! What a client of presence is told, by whichever transport.

use serde_json::Value;
use testkit::wire::server_frame;
use transport::codec::sse;

use super::model::Set;
use super::room_of;

/// One thing a client is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// A page of a list; `true`: more follow.
    Page(usize, Set, bool),
    /// Who joined a room (`true`) or left it.
    Change(usize, String, bool),
    Cursor(String),
    /// These rooms were added; `true`: more of their backlog follows.
    Subscribed(Vec<usize>, bool),
    Unsubscribed(Vec<usize>),
    /// The answer to a long poll begins: these rooms have a list in it, which counts at its end.
    Answer(Vec<usize>),
    /// It ends.
    Answered,
    /// It is over.
    Closed,
    /// The credentials that were shown are refused.
    Refused,
}

/// What an object of a stream or of a WebSocket says.
pub(crate) fn object(value: &Value, told: &mut Vec<Told>) {
    assert!(value.get("error").is_none(), "{value}");
    if value.get("ended").is_some() {
        return told.push(Told::Closed);
    }
    if let Some(list) = value.get("present") {
        told.push(page(list));
    }
    told.extend(["joined", "left"].iter().filter_map(|word| change(word, value.get(*word)?)));
    if let Some(names) = value.get("subscribed") {
        told.push(Told::Subscribed(rooms(names), value["more"] == true));
    }
    if let Some(names) = value.get("unsubscribed") {
        told.push(Told::Unsubscribed(rooms(names)));
    }
    // After a page of a backlog, a cursor is one of the page alone.
    if let Some(cursor) = value["cursor"].as_str().filter(|_| value["more"] != true) {
        told.push(Told::Cursor(cursor.to_owned()));
    }
}

/// The document of a long poll.
pub(crate) fn document(value: &Value) -> Vec<Told> {
    let items = |name: &str| value[name].as_array().cloned().unwrap_or_default();
    let lists = items("present");
    let mut told =
        vec![Told::Answer(lists.iter().map(|list| room_of(list["channel"].as_str().unwrap())).collect())];
    items("changes").iter().for_each(|item| object(item, &mut told));
    told.extend(lists.iter().map(page));
    told.push(Told::Cursor(value["cursor"].as_str().unwrap().to_owned()));
    told.push(Told::Answered);
    told
}

/// The lines of a stream.
pub(crate) fn lines(bytes: &mut Vec<u8>) -> Vec<Told> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut told = Vec::new();
    for line in bytes.drain(..whole).collect::<Vec<u8>>().split(|byte| *byte == b'\n') {
        if !line.is_empty() {
            object(&serde_json::from_slice(line).expect("it is JSON"), &mut told);
        }
    }
    told
}

/// The events of an event stream.
pub(crate) fn events(reader: &mut sse::SseReader, bytes: &mut Vec<u8>) -> Vec<Told> {
    let mut told = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let mut events = Vec::new();
        reader.push(line, &mut events).expect("events are short");
        for event in events {
            let value: Value = serde_json::from_slice(&event.data).expect("it is JSON");
            match &*event.event {
                "present" => told.push(page(&value)),
                word @ ("joined" | "left") => told.extend(change(word, &value)),
                "message" | "cursor" | "gap" => {}
                "ended" => {
                    told.push(Told::Closed);
                    break;
                }
                other => panic!("an event {other}"),
            }
            // A gap and a page that more follow have no id of their own.
            if event.event != "gap" && value["more"] != true {
                told.push(Told::Cursor(reader.last_id().to_owned()));
            }
        }
    }
    bytes.clear();
    told
}

/// The frames of a WebSocket.
pub(crate) fn frames(bytes: &mut Vec<u8>) -> Vec<Told> {
    let mut told = Vec::new();
    while let Some((opcode, text, len)) = server_frame(bytes) {
        bytes.drain(..len);
        match opcode {
            1 => object(&serde_json::from_str(&text).expect("it is JSON"), &mut told),
            8 => told.push(Told::Closed),
            _ => {}
        }
    }
    told
}

fn page(list: &Value) -> Told {
    let users = list["users"].as_array().expect("a list").iter();
    let users: Set = users.map(|user| user["user"].as_str().unwrap().to_owned()).collect();
    assert_eq!(list["count"].as_u64().is_some(), list["anonymous"].as_u64().is_some());
    Told::Page(room_of(list["channel"].as_str().unwrap()), users, list["more"] == true)
}

fn change(word: &str, value: &Value) -> Option<Told> {
    let user = value["user"].as_str()?;
    Some(Told::Change(room_of(value["channel"].as_str()?), user.to_owned(), word == "joined"))
}

fn rooms(names: &Value) -> Vec<usize> {
    names.as_array().unwrap().iter().map(|name| room_of(name.as_str().unwrap())).collect()
}
