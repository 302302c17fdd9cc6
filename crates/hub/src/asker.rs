//! Whose share it is of something of which there is only so much.

/// Somebody who asks, as far as shares go: all who are at one address are one, but where an address is that of many
/// people, each connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asker {
    /// An address, or a network that one stranger has, by a number.
    Address(u64),
    /// A connection, by its shard and its number there.
    Connection(u16, u64),
}
