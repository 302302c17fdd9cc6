//! Records are read as they were written, and damage is never taken for one.

use super::*;
use exchange::hub::{Audience, ChangeKind, ConnectionId, Kind, ShardId};

fn message(names: &[&str], bytes: &[u8]) -> Message {
    let target = |name: &&str| Target { name: (*name).into(), alias: None };
    placed(None, names.iter().map(target).collect(), payload(bytes))
}

fn placed(ttl: Option<u64>, targets: SmallVec<[Target; 1]>, payload: Payload) -> Message {
    Message::new(Position::from_bits(5), 1_700_000_000_000, ttl, targets, payload)
}

fn payload(bytes: &[u8]) -> Payload {
    Payload::new(bytes, Kind::Either)
}

fn facts() -> Vec<Record> {
    let seen = Seen { waiting: 3, online: true };
    let key = Answered {
        key: IdempotencyKey { owner: None, text: "k".into(), hash: None },
        time: 9,
        position: Position::from_bits(5),
        seen: [("a".into(), seen)].into_iter().collect(),
    };
    let mut rich = payload(b"head\n\nbody");
    (rich.data, rich.kind, rich.origin) = (6..10, Kind::Binary, Origin::WholeInput);
    (rich.event, rich.content_type) = (Some("e".into()), Some("text/plain".into()));
    let target = |name: &str, alias: Option<&str>| Target { name: name.into(), alias: alias.map(Into::into) };
    let targets = [target("a", None), target("ä.b", Some("1.5"))].into_iter().collect();
    let rich = placed(Some(77), targets, rich);
    let (position, what) = (Position::from_bits(1 << 52), ChangeKind::Online);
    let change = Change { position, name: "c".into(), what, time: 3 };
    let state = ChannelState {
        name: "c".into(),
        at: Position::from_bits(130),
        watermark: Position::from_bits(128),
        needed_until: u64::MAX,
        taken: Position::START,
        online: false,
        emptied: true,
    };
    let owned = IdempotencyKey { owner: Some("shop".into()), text: "k".into(), hash: Some([7; HASH_LEN]) };
    let hashed = IdempotencyKey { owner: None, ..owned.clone() };
    let [owned, hashed] = [owned, hashed].map(|owned| Answered { key: owned, ..key.clone() });
    let of_kind =
        |kind| placed(None, [target("a", None)].into_iter().collect(), Payload { kind, ..payload(b"7") });
    let limited = |audience, origin| {
        let payload = Payload { origin, ..payload(b"7").limited_to(audience) };
        placed(None, [target("a", None)].into_iter().collect(), payload)
    };
    let (at, until) = (WallTime::from_millis(1_700_000_000_123), WallTime::from_millis(1_700_000_060_000));
    let ended = UserEnd { user: "änn, of c".into(), at, until };
    let connection = ConnectionId { start: u64::MAX, shard: ShardId(3), index: 70_000, generation: 9 };
    let fact = |message, key| Record::Fact(Fact::Message { message, key });
    vec![
        Record::Fact(Fact::UserEnd(ended)),
        fact(message(&["a"], b""), None),
        fact(of_kind(Kind::Text), None),
        fact(of_kind(Kind::Json), None),
        fact(limited(Audience::AnyOf("a,b"), Origin::VerbatimBody), None),
        fact(limited(Audience::AnyOf("a,b"), Origin::Native), None),
        fact(limited(Audience::Only("ann"), Origin::Native), None),
        fact(limited(Audience::Only("ann"), Origin::VerbatimBody), None),
        fact(limited(Audience::Except(connection), Origin::Native), None),
        fact(rich, Some(Box::new(owned.clone()))),
        Record::Fact(Fact::Change { change, taken: Position::from_bits(4) }),
        Record::Fact(Fact::State(state)),
        Record::Key(key),
        Record::Key(owned),
        Record::Key(hashed),
        Record::Floor(Position::from_bits(200)),
        Record::ChangesFloor(Position::from_bits(300)),
        Record::Batch { safe: 4096 },
        Record::Gone(12),
    ]
}

/// Messages that are kept for history alone.
fn outdated() -> impl Iterator<Item = Record> {
    facts().into_iter().filter_map(|record| match record {
        Record::Fact(Fact::Message { message, .. })
            if bytes_of(&Record::Outdated(message.clone()))[9] == MESSAGE =>
        {
            Some(Record::Outdated(message))
        }
        _ => None,
    })
}

fn bytes_of(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    write(record, &mut out);
    out
}

#[test]
fn a_record_reads_as_it_was_written() {
    for record in facts().into_iter().chain(outdated()) {
        let bytes = bytes_of(&record);
        let ReadRecord::Content(content, len) = read(&bytes) else { panic!("{record:?} is whole") };
        assert_eq!(len, bytes.len());
        let again = decode(content).unwrap();
        assert_eq!(bytes_of(&again), bytes);
        let plain = |record: &Record| format!("{record:?}").replace("ChannelId(7)", "ChannelId(4294967295)");
        assert_eq!(plain(&again), plain(&record));
    }
}

/// So they were written before other messages could be limited, too.
#[test]
fn a_limited_message_of_realplexor_is_written_as_ever() {
    let payload = Payload { origin: Origin::VerbatimBody, ..payload(b"7").limited_to(Audience::AnyOf("a")) };
    let target = Target { name: "a".into(), alias: None };
    let bytes = bytes_of(&Record::Fact(Fact::Message {
        message: placed(None, [target].into_iter().collect(), payload),
        key: None,
    }));
    assert_eq!((bytes[FRAME_LEN], bytes[FRAME_LEN + 1] & 3), (MESSAGE, 2));
}

/// What version 1 wrote is read as long as there are stores of it.
#[test]
fn a_key_of_version_1_has_no_owner_and_no_hash() {
    let content = [&[KEY, 1, b'k', 9, 5, 1, 1, b'a', 7][..]].concat();
    let Some(Record::Key(Answered { key, time, position, seen })) = decode(&content) else {
        panic!("it is a key")
    };
    assert_eq!(key, IdempotencyKey { owner: None, text: "k".into(), hash: None });
    assert_eq!((time, position.to_bits()), (9, 5));
    assert_eq!(seen[..], [("a".into(), Seen { waiting: 3, online: true })]);
}

#[test]
fn a_cut_record_is_torn_at_every_byte() {
    for record in facts() {
        let bytes = bytes_of(&record);
        assert!(matches!(read(&[]), ReadRecord::End));
        for cut in 1..bytes.len() {
            assert!(matches!(read(&bytes[..cut]), ReadRecord::Torn), "{record:?} at {cut}");
        }
    }
}

#[test]
fn a_flipped_bit_is_never_a_record() {
    for record in facts() {
        let bytes = bytes_of(&record);
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(read(&bytes), ReadRecord::Torn), "{record:?}, bit {bit}");
        }
        assert!(matches!(read(&[0; 64]), ReadRecord::Torn), "what was never written is no record");
    }
}

#[test]
fn content_of_chance_is_refused_or_read_but_never_a_panic() {
    let mut chance = testkit::seeds::Chance::new(1);
    for record in facts() {
        let bytes = bytes_of(&record);
        for _ in 0..2_000 {
            let mut content = bytes[FRAME_LEN..].to_vec();
            let at = chance.index(content.len());
            content[at] = u8::try_from(chance.below(256)).unwrap();
            content.truncate(1 + chance.index(content.len()));
            drop(decode(&content));
        }
    }
}

#[test]
fn claims_are_found_behind_what_cannot_be_read() {
    let mut bytes = vec![1, 2, 3];
    for safe in [40, 90, 60] {
        write(&Record::Batch { safe }, &mut bytes);
        write(&Record::Floor(Position::START), &mut bytes);
    }
    assert_eq!(claims(&bytes), Some(90));
    assert_eq!(claims(&bytes[..10]), None);
}
