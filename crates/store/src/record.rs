//! What stands in the log: records, as bytes and back. Pure.
//!
//! A record is framed by its length and a checksum, four bytes each, lowest first. What it says begins with a
//! byte for its kind. Numbers are written seven bits a byte, the lowest first; texts with their length in front.

mod bytes;
mod flags;

use exchange::hub::{
    Answered, AudienceKind, Change, ChangeKind, ChannelState, Fact, HASH_LEN, IdempotencyKey, Message,
    Origin, Payload, Position, Seen, Target, UserEnd, WallTime, presence_of,
};
use smallvec::SmallVec;

use self::bytes::RecordBytes;
use self::flags::{audience, kind, kind_flags, usual_audience};
use crate::limits::RECORD_LEN_MAX;

/// One thing that the log knows.
#[derive(Debug)]
pub enum Record {
    /// What the hub told.
    Fact(Fact),
    /// Says that a user joined who has left since: for history, though nothing need say that it left.
    Outdated(Message),
    /// A key whose message is no longer in the log.
    Key(Answered),
    /// The highest watermark of channels that were forgotten.
    Floor(Position),
    /// Changes up to here are no longer kept.
    ChangesFloor(Position),
    /// A batch begins: in this segment, everything before this byte is safe and may have been answered.
    Batch {
        /// Bytes of the segment.
        safe: u64,
    },
    /// All up to this segment may be removed: what is needed of it stands further on.
    Gone(u64),
}

/// What bytes turned out to be.
#[derive(Debug)]
pub enum ReadRecord<'a> {
    /// A record's content, to be decoded, and the bytes that it takes with its frame.
    Content(&'a [u8], usize),
    /// The end.
    End,
    /// No record, or not a whole one.
    Torn,
}

/// Appends a record in its frame.
pub fn write(record: &Record, out: &mut Vec<u8>) {
    framed(out, |out| match record {
        Record::Fact(fact) => put_fact(fact, out),
        Record::Outdated(message) => {
            out.push(OUTDATED);
            put_message(message, None, out);
        }
        Record::Key(key) => {
            out.push(KEY);
            put_key(key, out);
        }
        Record::Floor(position) => {
            out.push(FLOOR);
            put_place(*position, out);
        }
        Record::ChangesFloor(position) => {
            out.push(CHANGES_FLOOR);
            put_place(*position, out);
        }
        Record::Batch { safe } => {
            out.push(BATCH);
            out.extend_from_slice(&safe.to_le_bytes());
        }
        Record::Gone(segment) => {
            out.push(GONE);
            put_number(*segment, out);
        }
    });
}

/// Appends what the hub told, in its frame.
pub fn write_fact(fact: &Fact, out: &mut Vec<u8>) {
    framed(out, |out| put_fact(fact, out));
}

/// The record at the beginning of `bytes`.
pub fn read(bytes: &[u8]) -> ReadRecord<'_> {
    if bytes.is_empty() {
        return ReadRecord::End;
    }
    let Some((frame, rest)) = bytes.split_at_checked(FRAME_LEN) else { return ReadRecord::Torn };
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let (len, sum) = (number(&frame[..4]) as usize, number(&frame[4..]));
    if len == 0 || len > RECORD_LEN_MAX {
        return ReadRecord::Torn;
    }
    match rest.get(..len) {
        Some(content) if crc32fast::hash(content) == sum => ReadRecord::Content(content, FRAME_LEN + len),
        _ => ReadRecord::Torn,
    }
}

/// What a record says; `None` when it is none that this version writes.
pub fn decode(content: &[u8]) -> Option<Record> {
    let mut bytes = RecordBytes(content);
    let record = match bytes.byte()? {
        MESSAGE => Record::Fact(get_message(None, &mut bytes)?),
        LIMITED => {
            let audience = audience(bytes.byte()?)?;
            Record::Fact(get_message(Some(audience), &mut bytes)?)
        }
        OUTDATED => match (bytes.byte()?, get_message(None, &mut bytes)?) {
            (MESSAGE, Fact::Message { message, .. }) => Record::Outdated(message),
            _ => return None,
        },
        CHANGE => Record::Fact(get_change(&mut bytes)?),
        STATE => Record::Fact(get_state(&mut bytes)?),
        USER_END => Record::Fact(get_user_end(&mut bytes)?),
        KEY => Record::Key(get_key(&mut bytes)?),
        FLOOR => Record::Floor(bytes.place()?),
        CHANGES_FLOOR => Record::ChangesFloor(bytes.place()?),
        BATCH => Record::Batch { safe: u64::from_le_bytes(bytes.take(8)?.try_into().ok()?) },
        GONE => Record::Gone(bytes.number()?),
        _ => return None,
    };
    bytes.0.is_empty().then_some(record)
}

/// The highest place of safety that a batch in these bytes claims, wherever it may begin: for the part of a
/// segment that cannot be read in order.
pub fn claims(bytes: &[u8]) -> Option<u64> {
    let places = bytes.windows(FRAME_LEN + 1).enumerate();
    let batches =
        places.filter(|(_, window)| window[..4] == BATCH_LEN.to_le_bytes() && window[FRAME_LEN] == BATCH);
    let claims = batches.filter_map(|(at, _)| match read(&bytes[at..]) {
        ReadRecord::Content(content, _) => match decode(content)? {
            Record::Batch { safe } => Some(safe),
            _ => None,
        },
        _ => None,
    });
    claims.max()
}

fn framed(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_LEN]);
    put(out);
    let content = start + FRAME_LEN;
    let len = u32::try_from(out.len() - content).expect("the limits of payloads are far below");
    let sum = crc32fast::hash(&out[content..]);
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    out[start + 4..content].copy_from_slice(&sum.to_le_bytes());
}

fn put_fact(fact: &Fact, out: &mut Vec<u8>) {
    match fact {
        Fact::Message { message, key } => put_message(message, key.as_deref(), out),
        Fact::Change { change, taken } => {
            out.push(CHANGE);
            put_place(change.position, out);
            put_text(&change.name, out);
            out.push(u8::from(change.what.is_online()));
            put_number(change.time, out);
            put_place(*taken, out);
        }
        Fact::State(state) => {
            out.push(STATE);
            put_text(&state.name, out);
            put_place(state.at, out);
            put_place(state.watermark, out);
            put_number(state.needed_until, out);
            put_place(state.taken, out);
            out.push(u8::from(state.online) | u8::from(state.emptied) << 1);
        }
        Fact::UserEnd(UserEnd { user, at, until }) => {
            out.push(USER_END);
            put_text(user, out);
            put_number(at.millis(), out);
            put_number(until.millis(), out);
        }
    }
}

fn put_message(message: &Message, key: Option<&Answered>, out: &mut Vec<u8>) {
    let said = message.payload();
    let origin = match said.origin {
        // The name of its channel tells what says of users apart.
        Origin::Native | Origin::Presence => 0,
        Origin::WholeInput => 1,
        Origin::VerbatimBody => 2,
        Origin::Removal => 3,
    };
    let has = |is: bool, flag: u8| if is { flag } else { 0 };
    if said.audience == usual_audience(said.origin, said.head_len) {
        out.push(MESSAGE);
    } else {
        out.extend([LIMITED, said.audience as u8]);
    }
    out.push(
        origin
            | kind_flags(said.kind)
            | has(message.expires().is_some(), EXPIRES)
            | has(said.event.is_some(), EVENT)
            | has(said.content_type.is_some(), CONTENT_TYPE)
            | has(key.is_some(), KEYED),
    );
    put_place(message.position, out);
    put_number(message.time, out);
    if let Some(expires) = message.expires() {
        put_number(expires, out);
    }
    put_number(message.targets().len() as u64, out);
    for target in message.targets() {
        put_text(&target.name, out);
        out.push(u8::from(target.alias.is_some()));
        target.alias.iter().for_each(|alias| put_text(alias, out));
    }
    said.event.iter().chain(&said.content_type).for_each(|text| put_text(text, out));
    if let Some(key) = key {
        put_key(key, out);
    }
    put_number(said.head_len as u64, out);
    put_number((said.head_len + said.data().len()) as u64, out);
    out.extend_from_slice(said.bytes);
}

fn put_key(answered: &Answered, out: &mut Vec<u8>) {
    let IdempotencyKey { owner, text, hash } = &answered.key;
    if owner.is_some() || hash.is_some() {
        // No key is empty: this says that an owner and a hash stand here, which version 1 did not know.
        put_text("", out);
        put_text(owner.as_deref().unwrap_or_default(), out);
        put_number(hash.map_or(0, |hash| hash.len() as u64), out);
        out.extend(hash.iter().flatten());
    }
    put_text(text, out);
    put_number(answered.time, out);
    put_place(answered.position, out);
    put_number(answered.seen.len() as u64, out);
    for (name, seen) in &answered.seen {
        put_text(name, out);
        put_number(u64::from(seen.waiting) << 1 | u64::from(seen.online), out);
    }
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_number(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn put_place(position: Position, out: &mut Vec<u8>) {
    put_number(position.to_bits(), out);
}

#[allow(clippy::cast_possible_truncation, reason = "the seven bits are all that is wanted")]
fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A message, for this audience where it is said.
fn get_message(audience: Option<AudienceKind>, bytes: &mut RecordBytes<'_>) -> Option<Fact> {
    let flags = bytes.byte()?;
    let is = |flag: u8| flags & flag != 0;
    let origin = match flags & 3 {
        0 => Origin::Native,
        1 => Origin::WholeInput,
        2 => Origin::VerbatimBody,
        _ => Origin::Removal,
    };
    let (position, time) = (bytes.place()?, bytes.number()?);
    let expires = if is(EXPIRES) { Some(bytes.number()?) } else { None };
    let count = bytes.number()?;
    let mut targets: SmallVec<[Target; 1]> = SmallVec::new();
    for _ in 0..count {
        let name = bytes.text()?.into();
        let alias = if bytes.byte()? == 1 { Some(bytes.text()?.into()) } else { None };
        targets.push(Target { name, alias });
    }
    let event = if is(EVENT) { Some(bytes.text()?.into()) } else { None };
    let content_type = if is(CONTENT_TYPE) { Some(bytes.text()?.into()) } else { None };
    let key = if is(KEYED) { Some(Box::new(get_key(bytes)?)) } else { None };
    let data = u32::try_from(bytes.number()?).ok()?..u32::try_from(bytes.number()?).ok()?;
    let rest = std::mem::take(&mut bytes.0);
    if data.start > data.end || data.end as usize > rest.len() || targets.is_empty() {
        return None;
    }
    if origin == Origin::Removal && rest.len() < size_of::<u64>() {
        return None;
    }
    let is_hidden = presence_of(&targets[0].name).is_some();
    let origin = if is_hidden && origin == Origin::Native { Origin::Presence } else { origin };
    let audience = audience.unwrap_or_else(|| usual_audience(origin, data.start as usize));
    let kind = kind(flags);
    let payload = Payload { bytes: rest.into(), data, origin, audience, event, content_type, kind };
    let ttl = expires.map(|expires| expires.saturating_sub(time));
    let message = Message::new(position, time, ttl, targets, payload);
    Some(Fact::Message { message, key })
}

fn get_change(bytes: &mut RecordBytes<'_>) -> Option<Fact> {
    let (position, name) = (bytes.place()?, bytes.text()?.into());
    let (online, time, taken) = (bytes.byte()? == 1, bytes.number()?, bytes.place()?);
    Some(Fact::Change {
        change: Change { position, name, what: ChangeKind::of_channel(online), time },
        taken,
    })
}

fn get_state(bytes: &mut RecordBytes<'_>) -> Option<Fact> {
    let name = bytes.text()?.into();
    let (at, watermark, needed_until, taken) =
        (bytes.place()?, bytes.place()?, bytes.number()?, bytes.place()?);
    let flags = bytes.byte()?;
    let (online, emptied) = (flags & 1 == 1, flags & 2 == 2);
    Some(Fact::State(ChannelState { name, at, watermark, needed_until, taken, online, emptied }))
}

fn get_user_end(bytes: &mut RecordBytes<'_>) -> Option<Fact> {
    let (user, at, until) = (bytes.text()?.into(), bytes.number()?, bytes.number()?);
    let (at, until) = (WallTime::from_millis(at), WallTime::from_millis(until));
    Some(Fact::UserEnd(UserEnd { user, at, until }))
}

fn get_key(bytes: &mut RecordBytes<'_>) -> Option<Answered> {
    let (mut text, mut owner, mut hash) = (bytes.text()?, None, None);
    if text.is_empty() {
        owner = Some(bytes.text()?).filter(|owner| !owner.is_empty()).map(Box::from);
        if bytes.number()? > 0 {
            hash = Some(bytes.take(HASH_LEN)?.try_into().ok()?);
        }
        text = bytes.text()?;
    }
    if text.is_empty() {
        return None;
    }
    let key = IdempotencyKey { owner, text: text.into(), hash };
    let (time, position) = (bytes.number()?, bytes.place()?);
    let mut seen = SmallVec::new();
    for _ in 0..bytes.number()? {
        let (name, number) = (bytes.text()?.into(), bytes.number()?);
        seen.push((name, Seen { waiting: u32::try_from(number >> 1).ok()?, online: number & 1 == 1 }));
    }
    Some(Answered { key, time, position, seen })
}

/// Bytes of a frame: length and checksum.
pub const FRAME_LEN: usize = 8;
/// Bytes of a batch's content.
const BATCH_LEN: u32 = 9;

const MESSAGE: u8 = 1;
const CHANGE: u8 = 2;
const STATE: u8 = 3;
const KEY: u8 = 4;
const FLOOR: u8 = 5;
const CHANGES_FLOOR: u8 = 6;
const BATCH: u8 = 7;
const GONE: u8 = 8;
/// A message for a certain audience: the byte that follows says which.
const LIMITED: u8 = 9;
const USER_END: u8 = 10;
const OUTDATED: u8 = 11;

const EXPIRES: u8 = 8;
const EVENT: u8 = 16;
const CONTENT_TYPE: u8 = 32;
const KEYED: u8 = 64;

#[cfg(test)]
mod tests;
