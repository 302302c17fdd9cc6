//! What stands on a disk: segments of a store's log. Nobody but the program writes there, but disks rot and files are
//! copied halfway.

use store::record::{self, ReadRecord};

/// A segment behind its header: what can be read of it, read once more as it is written.
pub(crate) fn records(data: &[u8]) {
    let mut at = 0;
    while let ReadRecord::Content(content, len) = record::read(&data[at..]) {
        at += len;
        again(content);
    }
    assert!(at <= data.len(), "no record is longer than what there is");
    // Where the checksum keeps chance out: the same bytes as what records say.
    let mut rest = data;
    while let Some((len, more)) = rest.split_first() {
        let (content, more) = more.split_at(usize::from(*len).min(more.len()));
        again(content);
        rest = more;
    }
    again(data);
    if let Some(safe) = record::claims(data) {
        assert!(data.windows(8).any(|bytes| bytes == safe.to_le_bytes()), "a claim stands there");
    }
}

/// What a record says is said again in as many bytes or fewer, and read as the same.
fn again(content: &[u8]) {
    let Some(record) = record::decode(content) else { return };
    let mut bytes = Vec::new();
    record::write(&record, &mut bytes);
    let ReadRecord::Content(written, len) = record::read(&bytes) else { panic!("what is written is read") };
    assert_eq!(len, bytes.len());
    let read = record::decode(written).expect("what is written is understood");
    assert_eq!(format!("{read:?}"), format!("{record:?}"), "what is written is read");
    let mut twice = Vec::new();
    record::write(&read, &mut twice);
    assert_eq!(twice, bytes, "and written alike");
}
