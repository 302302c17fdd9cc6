//! Where messages come in: the IN line, on which application servers publish and ask.
//!
//! An ordinary web service. It knows the exchange and the words of the native protocol; it knows
//! nothing of the WAIT line but what [`WaitLine`] says. Every refusal is a problem
//! document that says what was wrong and what would be right.

mod batch;
mod body;
mod boundary;
mod caller;
mod channels;
mod counters;
mod denials;
mod fast_path;
mod guard;
mod handshake;
mod head;
mod history;
mod legacy;
mod listener;
mod metrics;
mod notifier;
mod openapi;
mod pages;
mod placement;
mod probes;
mod publish;
mod publish_options;
mod query;
mod quotas;
mod rate;
mod realplexor;
mod request_stream;
mod response;
mod routes;
mod sign_in;
mod socket;
mod state;
mod warnings;
mod watch;

pub mod limits;

pub use access::{Key, Keyring, Proxies, Users};
pub use dialect::Classic;
pub use dialect::native::age;
pub use dialect::realplexor::{MARKER_LEN_MAX, Marker, is_id};
pub use listener::{Listener, serve};
pub use metrics::{is_asked_metric, is_wait_metric, metrics_page};
pub use quotas::Rates;
pub use realplexor::Realplexor;
pub use socket::Socket;
pub use state::{CertificateNews, ReadCounters, Settings, ShardCounters, StoreLine, WaitLine};
