//! Every limit of TLS, by name.

/// Bytes of payload in one record (RFC 8446, section 5.1).
pub const RECORD_LEN_MAX: usize = 1 << 14;
/// Bytes by which a record may be longer on the wire (RFC 5246, section 6.2.3 allows 2,048; no cipher that is
/// offered here needs more than this).
pub const RECORD_OVERHEAD_MAX: usize = 256;
/// Bytes of a record's header.
pub const HEADER_LEN: usize = 5;
/// Bytes of a record on the wire, at the most. Whoever reads needs room for one.
pub const WIRE_LEN_MAX: usize = HEADER_LEN + RECORD_LEN_MAX + RECORD_OVERHEAD_MAX;
/// Bytes of a handshake that are kept while a message of it is not whole.
pub const HANDSHAKE_KEPT_MAX: usize = 2 * WIRE_LEN_MAX;
/// Records sealed with one key before it is renewed (TLS 1.3) or the connection ends (TLS 1.2): half of what is
/// safe for AES-GCM (RFC 8446, section 5.5).
pub const RECORDS_PER_KEY_MAX: u64 = 1 << 23;
/// Renewals of keys that are taken of a client in one read: each is some work for a few bytes.
pub const RENEWALS_PER_READ_MAX: u16 = 16;
/// Records without anything to be heard (empty ones, warnings, renewals of keys) that are taken of a client in all the
/// life of its connection. Nobody needs more than a few.
pub const HOLLOW_RECORDS_MAX: u16 = 1_024;
/// Tickets given to a client of TLS 1.3 after a full handshake: it comes back on one connection.
pub const TICKETS: usize = 1;
/// Bytes of a certificate or key file.
pub const FILE_LEN_MAX: u64 = 1 << 20;
/// Certificates in one file.
pub const CHAIN_LEN_MAX: usize = 256;
/// Pairs of certificate and key a listener may have.
pub const PAIRS_MAX: usize = 64;
