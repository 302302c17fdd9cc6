//! Where messages come in: the IN line, on which application servers publish and ask.
//!
//! An ordinary web service. It knows the exchange and the words of the native protocol; it knows
//! nothing of the WAIT line but what [`WaitLine`] says. Every refusal is a problem
//! document that says what was wrong and what would be right.

mod acceptor;
mod admission;
mod batch;
mod body;
mod boundary;
mod caller;
mod canary;
mod channel_users;
mod channels;
mod connections;
mod counters;
mod denial_log;
mod denials;
mod doubts;
mod endings;
mod explain;
mod fast_path;
mod guard;
mod handover;
mod handshake;
mod head;
mod history;
mod idempotency;
mod joins;
mod listener;
mod metrics;
mod notifier;
#[cfg(test)]
mod openapi;
mod pages;
mod peer;
mod placement;
mod probes;
mod proxy;
mod publish;
mod publish_options;
mod query;
mod quotas;
mod rate;
mod request_stream;
mod response;
mod route;
mod routes;
mod settings;
mod sign_in;
mod sign_ins;
mod socket;
mod sources;
mod state;
mod survey;
mod transaction;
mod users;
mod warnings;
mod watch;
mod webhooks;
mod wire;

pub mod dialects;
pub mod limits;

pub use access::{Key, Keyring, Proxies, Users};
pub use dialect::Classic;
pub use dialect::native::age;
pub use dialects::InDialects;
pub use handover::{Handover, Memories, Pause};
pub use listener::{InListener, serve};
pub use metrics::{is_asked_metric, is_wait_metric, metrics_page};
pub use quotas::Rates;
pub use settings::{InSettings, LiveSettings};
pub use socket::Socket;
pub use sources::{
    CertificateNews, ReadCounters, ReloadNews, ShardCounters, StoreLine, UpgradeNews, WaitLine,
};
