//! Every limit of the WAIT line, by name.

use std::time::Duration;

use exchange::hub::ConnectionId;

/// Connections one shard can address: the index of a connection takes so many bits of a node's address, and of its id.
pub const CONNECTIONS_MAX: usize = 1 << ConnectionId::INDEX_BITS;
/// Subscriptions one connection can address: the rest of a node's 32 bits.
pub const SUBSCRIPTIONS_MAX: usize = 1 << 10;
/// Connections visited between two looks at the mailbox.
pub const VISITS_PER_TURN: usize = if cfg!(feature = "unsliced") { usize::MAX } else { 128 };
/// Connections one job visits before it is the next one's turn.
pub const VISITS_PER_SLICE: usize = if cfg!(feature = "unsliced") { usize::MAX } else { 32 };
/// Turns for which a shard goes on with long jobs before it is another's, where there are more shards than processors.
pub const LANE_TURNS: usize = 8;
/// How long clients are served in one turn with what they ask for, in microseconds; then come messages, and the next turn.
/// What is under way is done.
pub const ASKED_US_PER_TURN: u64 = 2_000;
/// How long one connection is served of those for whom a turn had no time, in microseconds; what is under way is done.
pub const ASKED_US_PER_SLICE: u64 = 250;
/// Connections accepted of one listener in one turn.
pub const ACCEPTS_PER_TURN: usize = 64;
/// Turns' worth of connections accepted of one listener before it closes for good: its whole backlog.
pub const ACCEPT_TURNS_AT_END: usize = 64;
/// Milliseconds between two looks at whether all connections can go over to another program.
pub const FINISH_LOOK_MS: u64 = 20;
/// Bytes of connections that go over to another program in one parcel, where there is more than one.
pub const SEATS_LEN_MAX: usize = 4 << 20;
/// Events taken of the kernel in one turn.
pub const EVENTS_PER_TURN: usize = 256;
/// Milliseconds the wall clock may be ahead of where timers expect it, or behind, before all of them are set anew.
pub const CLOCK_STEP_MS: u64 = 1_000;
/// Milliseconds after which a shard looks at the wall clock again while credentials can end.
pub const CLOCK_LOOK_MS: u64 = 5_000;
/// Ends of sessions that are set anew in one turn, after the wall clock was set.
pub const GUESTS_PER_TURN: usize = 1_024;
/// Timers run in one turn.
pub const TIMERS_PER_TURN: usize = 256;
/// Verdicts that are remembered of what clients show. As many as a table of 4,096 places takes.
pub const VERDICTS_MAX: usize = 3_584;
/// Different credentials that somebody is asked about at once.
pub const SUBJECTS_MAX: usize = 2_048;
/// Connections that wait for the same verdict.
pub const PARKED_ALIKE_MAX: usize = 65_536;
/// Connections that go on in one turn after their verdict has come.
pub const VERDICTS_PER_TURN: usize = 64;
/// Messages of clients of a shard that wait for the store, or for the application.
pub const SPEAKING_MAX: usize = 16_384;
/// Subscriptions of deleted channels ended in one turn, and connections looked at while draining.
pub const ENDINGS_PER_TURN: usize = 256;
/// Requests one connection may have answered in one turn; the rest waits for the next.
pub const REQUESTS_PER_TURN: usize = 32;
/// Sends to different clients handed to the kernel in one call: half a millisecond of its work.
pub const SENDS_PER_CALL: usize = 128;
/// Frames for one client handed to the kernel in one call.
pub const FRAMES_PER_WRITE: usize = 64;
/// Bytes read of a connection at once.
pub const READ_LEN: usize = 64 << 10;
/// Bytes read at once behind what is kept of a connection's input; a record of TLS fits.
pub const READ_MORE_LEN: usize = 20 << 10;
/// Steps of handshakes made in one turn; one only while jobs are under way. A step reads once of one connection,
/// and costs as much as many deliveries.
pub const HANDSHAKES_PER_TURN: usize = 4;
/// Encrypted bytes that may wait for the kernel, a connection: a record and what a handshake says.
pub const PENDING_LEN_MAX: usize = 64 << 10;
/// Connections that may wait to be accepted, a listener; the kernel may allow fewer.
pub const LISTEN_BACKLOG: i32 = 4_096;
/// Heartbeats for which a client may acknowledge nothing before it counts as gone.
pub const UNACKNOWLEDGED_HEARTBEATS: u32 = 2;
/// The least that makes: mobile networks pause for seconds.
pub const UNACKNOWLEDGED_MIN: Duration = Duration::from_secs(10);
/// The most that makes: about what the kernel waits by itself.
pub const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(15 * 60);
/// How long the rest of a closed client's bytes is read and thrown away, in milliseconds.
pub const LINGER_MS: u64 = 2_000;
/// How much longer a connection stays open for a further request than its client was told: one sent in the last moment
/// is still on its way. In milliseconds.
pub const KEEP_ALIVE_EXTRA_MS: u64 = 1_000;
/// How long a connection that is one too many stays, to be told so, in milliseconds.
pub const REFUSED_MS: u64 = 2_000;
/// Connections of a shard that are told so at once; further ones are closed without a word.
pub const REFUSED_MAX: usize = 1_024;
/// How long accepting pauses when the system has no more descriptors or memory, in milliseconds.
pub const ACCEPT_PAUSE_MS: u64 = 500;
/// How old the newest cursor that a listener of Realplexor brings may be, so that ids without one are read from
/// there on, in milliseconds: longer than such a client ever pauses between two requests.
pub const MEMORY_MS: u64 = 65_000;
/// Bytes of data in one reply to such a listener; one message may exceed it. The rest is due the next time.
pub const REPLY_LEN_MAX: usize = 8 << 20;
/// Bytes above which a message may be skipped for a client that cannot take it: the least limit of a library that is known is
/// 32 KiB.
pub const POISON_LEN_MIN: usize = 30 << 10;
/// How often a client comes to the same message with the same cursor until that is told.
pub const POISON_TIMES: u8 = 3;
/// How often a message was written whole to it, until it may be skipped.
pub const POISON_WHOLE_TIMES: u8 = 5;
/// How often it is said at the most, in milliseconds; all are counted.
pub const POISON_TOLD_MS: u64 = 1_000;
/// Bytes of a seat: more than any reader may owe by default. Whoever owes more than that is no seat.
pub const SEAT_LEN_MAX: usize = 16 << 20;
/// Connections of a shard that came to a message a short while ago. While there are more, nobody is looked for.
pub const COMERS_MAX: usize = 1_024;
/// How long a connection lives that took what it was given, in milliseconds.
pub const RETURN_LIVES_MS: u64 = 10_000;
/// Pieces of mail for which a shard keeps room when it has taken them.
pub const MAIL_KEPT: usize = 1_024;
/// Messages given to all for which a shard keeps room between two turns.
pub const SETTLED_KEPT: usize = 1_024;
/// How often a thread gives back memory that it no longer needs, in milliseconds.
pub const GIVE_BACK_MS: u64 = 2_000;
/// How long after the end of draining the rest is cut off, in milliseconds.
pub const DRAIN_EXTRA_MS: u64 = 1_000;
/// Connections looked at in one turn for who is there.
pub const SURVEYED_PER_TURN: usize = 1_024;
/// Connections of one user that are listed of one shard.
pub const USER_CONNECTIONS_MAX: usize = 1_000;
/// Channels that are listed with them; the last connection's may exceed it.
pub const USER_CHANNELS_MAX: usize = 10_000;
/// Channels whose users one request asks for: all their lists are read in one step, and are one piece for its client.
pub const PRESENCE_CHANNELS_MAX: usize = 32;
/// Connections looked at in one slice of a walk for whether a message for everybody, or for a user, is theirs.
pub const LOOKED_AT_PER_SLICE: usize = 1_024;
/// Connections of one user that are made to listen to other channels in one turn.
pub const CHANGED_PER_TURN: usize = 64;
/// Connections whose next heartbeat is looked at in one turn when heartbeats are set to come sooner.
pub const RENEWED_PER_TURN: usize = 1_024;
