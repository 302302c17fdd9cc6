//! Notices in the words of the native protocol.

use codec::{http, sse, ws};
use dialect::hub::{Cursors, Position};
use dialect::native;

use super::text_frame;
use crate::notice::{Notice, Tone};

/// As an event. Commands have no answers here.
pub(crate) fn tell_by_event(notice: Notice<'_>, tone: Tone, out: &mut Vec<u8>) {
    match notice {
        Notice::Opening(opening) => {
            // Before the cursor: that may be past the gap, and the connection may break in between.
            tell_by_event(Notice::Gap(opening.gaps), tone, out);
            tone.stored(out, |out| {
                sse::encode_retry(opening.retry_ms, out);
                write_cursor_event(opening.cursor, Some(opening.connection), opening.cursors(tone), out);
            });
        }
        Notice::Gap([]) => {}
        Notice::Gap(channels) => {
            let mut data = b"{\"channels\":".to_vec();
            native::write_strings(channels, &mut data);
            data.push(b'}');
            write_event("gap", &data, tone, out);
        }
        Notice::Present { lists, at } => {
            for part in native::present_parts(lists) {
                let (mut id, mut data) = (Vec::with_capacity(16), Vec::new());
                part.cursors(tone.cursors).write(at, &mut id);
                native::write_present(part, &mut data);
                // Who breaks off before the last page comes back with an earlier id, and is owed the list.
                let event =
                    sse::Event { id: (!part.more).then_some(&id), event: Some("present"), data: Some(&data) };
                tone.stored(out, |out| sse::encode(&event, out));
            }
        }
        Notice::Heartbeat(cursor) => {
            tone.stored(out, |out| write_cursor_event(cursor, None, tone.cursors, out));
        }
        Notice::Deleted(channel) => {
            let mut data = b"{\"channel\":".to_vec();
            native::write_string(channel, &mut data);
            data.push(b'}');
            write_event("deleted", &data, tone, out);
        }
        Notice::Expired => write_event("expired", b"{}", tone, out),
        Notice::Ended(reason) => {
            let mut data = Vec::new();
            native::write_reason(reason, &mut data);
            write_event("ended", &data, tone, out);
        }
        Notice::Joined(names) | Notice::Left(names) => {
            let mut data = Vec::new();
            native::write_change(names, &mut data);
            write_event(word_of(&notice), &data, tone, out);
        }
        Notice::End { code, .. } => end_chunks(code, tone, out),
        _ => {}
    }
}

/// As an object in a line. Commands have no answers here.
pub(crate) fn tell_by_line(notice: Notice<'_>, tone: Tone, out: &mut Vec<u8>) {
    match notice {
        Notice::Opening(opening) => {
            tell_by_line(Notice::Gap(opening.gaps), tone, out);
            let (cursor, connection) = (opening.cursor, opening.connection);
            write_line(
                |text| native::write_opening(cursor, connection, opening.cursors(tone), text),
                tone,
                out,
            );
        }
        Notice::Gap(channels) => {
            for channel in channels {
                write_line(|text| native::write_gap(channel, text), tone, out);
            }
        }
        Notice::Present { lists, at } => {
            for part in native::present_parts(lists) {
                write_line(|text| native::write_present_object(part, at, tone.cursors, text), tone, out);
            }
        }
        Notice::Heartbeat(cursor) => {
            write_line(|text| native::write_cursor(cursor, tone.cursors, text), tone, out);
        }
        Notice::Deleted(channel) => write_line(|text| native::write_deleted(channel, text), tone, out),
        Notice::Expired => write_line(native::write_expired, tone, out),
        Notice::Ended(reason) => write_line(|text| native::write_ended(reason, text), tone, out),
        Notice::Joined(names) | Notice::Left(names) => {
            write_line(|text| native::write_changed(word_of(&notice), names, text), tone, out);
        }
        Notice::End { code, .. } => end_chunks(code, tone, out),
        _ => {}
    }
}

/// Among bare payloads, a line each, there is a place for nothing but an empty one.
pub(crate) fn tell_by_empty_line(notice: Notice<'_>, tone: Tone, out: &mut Vec<u8>) {
    match notice {
        Notice::Heartbeat(_) => tone.stored(out, |out| out.push(b'\n')),
        Notice::End { code, .. } => end_chunks(code, tone, out),
        _ => {}
    }
}

/// As an object in a text frame.
pub(crate) fn tell_by_frame(notice: Notice<'_>, tone: Tone, out: &mut Vec<u8>) {
    let cursors = tone.cursors;
    match notice {
        Notice::Opening(opening) => {
            tell_by_frame(Notice::Gap(opening.gaps), tone, out);
            let (cursor, connection) = (opening.cursor, opening.connection);
            text_frame(|text| native::write_opening(cursor, connection, opening.cursors(tone), text), out);
        }
        Notice::Gap(channels) => {
            for channel in channels {
                text_frame(|text| native::write_gap(channel, text), out);
            }
        }
        Notice::Present { lists, at } => {
            for part in native::present_parts(lists) {
                text_frame(|text| native::write_present_object(part, at, cursors, text), out);
            }
        }
        Notice::Heartbeat(cursor) => text_frame(|text| native::write_cursor(cursor, cursors, text), out),
        Notice::Deleted(channel) => text_frame(|text| native::write_deleted(channel, text), out),
        Notice::Expired => text_frame(native::write_expired, out),
        Notice::Ended(reason) => text_frame(|text| native::write_ended(reason, text), out),
        Notice::Joined(names) | Notice::Left(names) => {
            text_frame(|text| native::write_changed(word_of(&notice), names, text), out);
        }
        Notice::Subscribed { names, parts, end, id } => {
            let messages = parts.iter().map(|part| (part.message.message(), part.matches));
            text_frame(|text| native::write_subscribed(names, messages, end, id, cursors, text), out);
        }
        Notice::Unsubscribed { names, id } => {
            text_frame(|text| native::write_unsubscribed(names, id, text), out);
        }
        Notice::Published { name, at, id } => {
            text_frame(|text| native::write_published(name, at, id, cursors, text), out);
        }
        Notice::Renewed { expires, id } => text_frame(|text| native::write_renewed(expires, id, text), out),
        Notice::Pong { value, id } => text_frame(|text| native::write_pong(value, id, text), out),
        Notice::Error { problem, id } => text_frame(|text| native::write_error(problem, id, text), out),
        Notice::End { code, reason } => ws::encode_close(code, reason, out),
    }
}

/// The same where frames are bare payloads: none of them is a cursor.
pub(crate) fn tell_by_frame_beside_payloads(notice: Notice<'_>, tone: Tone, out: &mut Vec<u8>) {
    match notice {
        Notice::Opening(opening) => tell_by_frame(Notice::Gap(opening.gaps), tone, out),
        Notice::Heartbeat(_) => ws::encode_frame(ws::Opcode::Ping, &[], out),
        Notice::Present { .. } => {}
        notice => tell_by_frame(notice, tone, out),
    }
}

/// What is said of channels that the application has a client listen to, or listen to no longer.
fn word_of(notice: &Notice<'_>) -> &'static str {
    if matches!(notice, Notice::Left(_)) { "unsubscribed" } else { "subscribed" }
}

/// The last chunk, where the client is not to come back for the rest. Without that it sees a cut, as at a drain it is to.
fn end_chunks(code: u16, tone: Tone, out: &mut Vec<u8>) {
    if tone.coding.is_chunked() && FINAL.contains(&code) {
        out.extend_from_slice(http::LAST_CHUNK);
    }
}

fn write_line(write: impl FnOnce(&mut Vec<u8>), tone: Tone, out: &mut Vec<u8>) {
    tone.stored(out, |out| {
        write(out);
        out.push(b'\n');
    });
}

fn write_event(name: &str, data: &[u8], tone: Tone, out: &mut Vec<u8>) {
    tone.stored(out, |out| sse::encode(&sse::Event { id: None, event: Some(name), data: Some(data) }, out));
}

/// A cursor as an event. Nobody hears one of this name, but Firefox keeps an id only where an event comes with it, and
/// who looks at no names finds JSON. The first one says the id of the connection, too.
fn write_cursor_event(cursor: Position, connection: Option<&str>, cursors: Cursors, out: &mut Vec<u8>) {
    let (mut id, mut data) = (Vec::with_capacity(16), Vec::with_capacity(64));
    cursors.write(cursor, &mut id);
    match connection {
        Some(connection) => native::write_opening(cursor, connection, cursors, &mut data),
        None => native::write_cursor(cursor, cursors, &mut data),
    }
    sse::encode(&sse::Event { id: Some(&id), event: Some("cursor"), data: Some(&data) }, out);
}

/// All is said; the time of the credentials is over; the application ended it.
const FINAL: [u16; 3] = [1000, 1008, 4001];
