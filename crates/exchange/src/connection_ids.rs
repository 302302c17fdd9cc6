//! Ids of connections, as clients and applications are told them: made of where a connection is and whose, not stored.
//!
//! What makes a connection another than all others ([`ConnectionId`]) fills one block of a cipher. Whoever knows the key reads
//! it back; nobody else can guess an id, and none says how many there are.
//!
//! Whose a connection is stands in it as a mark: so it is known of an id that comes back, without a table, whether it was given to the
//! same user.

use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub::{ConnectionId, ShardId};

/// Makes ids, and reads them. All that know the same key make the same of a connection.
pub struct ConnectionIds {
    key: [u8; 16],
    ids: Aes128,
    users: Aes128,
}

/// An id as it is told: 22 characters of base64url (RFC 4648, section 5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConnectionText([u8; TEXT_LEN]);

impl ConnectionIds {
    /// With this key, which nobody else may know.
    pub fn new(key: [u8; 16]) -> Self {
        let ids = Aes128::new(&key.into());
        let mut other = [0xff; 16].into();
        ids.encrypt_block(&mut other);
        Self { key, ids, users: Aes128::new(&other) }
    }

    /// What they are made with: only for a program that goes on in the place of this one.
    pub(crate) fn key(&self) -> [u8; 16] {
        self.key
    }

    /// The id of a connection as text.
    pub fn text(&self, id: ConnectionId) -> ConnectionText {
        let ConnectionId { start, shard, index, generation } = id;
        debug_assert!(index < 1 << INDEX_BITS && u32::from(shard.0) < 1 << (u32::BITS - INDEX_BITS));
        let place = u32::from(shard.0) << INDEX_BITS | index;
        let mut block = [0; 16];
        block[..8].copy_from_slice(&start.to_le_bytes());
        block[8..12].copy_from_slice(&place.to_le_bytes());
        block[12..].copy_from_slice(&generation.to_le_bytes());
        let mut block = block.into();
        self.ids.encrypt_block(&mut block);
        let mut text = [0; TEXT_LEN];
        URL_SAFE_NO_PAD.encode_slice(block, &mut text).expect("16 bytes are 22 characters");
        ConnectionText(text)
    }

    /// The connection that a text may be the id of; whether there is or was one of it, its shard knows. `None`: it is no id.
    pub fn read(&self, text: &str) -> Option<ConnectionId> {
        let mut block = [0; 16];
        let is_whole = URL_SAFE_NO_PAD.decode_slice(text, &mut block).ok()? == block.len();
        let mut block = is_whole.then_some(block)?.into();
        self.ids.decrypt_block(&mut block);
        let (start, rest) = block.split_first_chunk()?;
        let (place, rest) = rest.split_first_chunk()?;
        let place = u32::from_le_bytes(*place);
        Some(ConnectionId {
            start: u64::from_le_bytes(*start),
            shard: ShardId(u16::try_from(place >> INDEX_BITS).ok()?),
            index: place & ((1 << INDEX_BITS) - 1),
            generation: u32::from_le_bytes(rest.try_into().ok()?),
        })
    }

    /// The mark of a user, for the start of a connection's id; 0 where it has none.
    pub fn mark(&self, user: Option<&str>) -> u64 {
        let Some(user) = user else { return 0 };
        // CBC-MAC, which is sound where no text is the beginning of another: their lengths come first.
        let mut state = [0; 16];
        state[..8].copy_from_slice(&(user.len() as u64).to_le_bytes());
        let mut state = state.into();
        self.users.encrypt_block(&mut state);
        for part in user.as_bytes().chunks(state.len()) {
            state.iter_mut().zip(part).for_each(|(state, byte)| *state ^= byte);
            self.users.encrypt_block(&mut state);
        }
        let (mark, _) = state.split_first_chunk().expect("a block is longer");
        // Nobody's mark is that of who has no user.
        u64::from_le_bytes(*mark).max(1)
    }
}

impl fmt::Debug for ConnectionIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionIds(…)")
    }
}

impl ConnectionText {
    /// The characters.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("base64 is ASCII")
    }
}

impl fmt::Debug for ConnectionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Characters of an id.
const TEXT_LEN: usize = 22;
/// A place within a shard takes so many bits; what is left of 32 is enough for all shards.
const INDEX_BITS: u32 = ConnectionId::INDEX_BITS;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn id(start: u64, shard: u16, index: u32, generation: u32) -> ConnectionId {
        ConnectionId { start, shard: ShardId(shard), index, generation }
    }

    #[test]
    fn an_id_is_read_as_it_was_made() {
        let ids = ConnectionIds::new([7; 16]);
        for start in [0, 1, u64::MAX] {
            for (shard, index) in [(0, 0), (1023, (1 << INDEX_BITS) - 1), (5, 77)] {
                for generation in [0, 1, u32::MAX] {
                    let id = id(start, shard, index, generation);
                    let text = ids.text(id);
                    assert_eq!((ids.read(text.as_str()), text.as_str().len()), (Some(id), TEXT_LEN));
                }
            }
        }
    }

    #[test]
    fn ids_of_neighbours_have_nothing_in_common_and_none_comes_twice() {
        let ids = ConnectionIds::new([7; 16]);
        let all: Vec<_> = (0..10_000).map(|n| ids.text(id(3, 0, n % 100, n))).collect();
        let several: HashSet<&str> = all.iter().map(ConnectionText::as_str).collect();
        assert_eq!(several.len(), all.len());
        let begins: HashSet<&str> = all.iter().map(|text| &text.as_str()[..6]).collect();
        assert!(begins.len() > 9_900, "{}", begins.len());
        assert_ne!(ConnectionIds::new([8; 16]).read(all[0].as_str()), ids.read(all[0].as_str()));
    }

    #[test]
    fn what_is_no_id_is_not_read() {
        let ids = ConnectionIds::new([7; 16]);
        let text = ids.text(id(1, 2, 3, 4));
        let text = text.as_str();
        for wrong in ["", "x", &text[1..], &format!("{text}A"), &format!("{}=", &text[1..]), &"ä".repeat(11)]
        {
            assert_eq!(ids.read(wrong), None, "{wrong}");
        }
        // The last character has four bits that mean nothing: one text is one id.
        let others =
            ('a'..='z').chain('A'..='Z').filter(|last| ids.read(&format!("{}{last}", &text[..21])).is_some());
        assert!(others.count() <= 4);
    }

    #[test]
    fn a_mark_is_of_one_user() {
        let ids = ConnectionIds::new([7; 16]);
        let long = "a".repeat(16);
        let users = ["", "a", "b", "ann", &long, &format!("{long}a"), &format!("{long}\0"), &long.repeat(3)];
        let marks: HashSet<u64> = users.iter().map(|user| ids.mark(Some(user))).collect();
        assert_eq!(marks.len(), users.len());
        assert!(!marks.contains(&ids.mark(None)));
        assert_eq!(ids.mark(Some("ann")), ids.mark(Some("ann")));
        assert_ne!(ids.mark(Some("ann")), ConnectionIds::new([8; 16]).mark(Some("ann")));
    }
}
