//! Where messages come in: the IN line, on which application servers publish and ask.
//!
//! An ordinary web service. It knows the exchange and the words of the native protocol; it knows
//! nothing of the WAIT line but what [`WaitLine`] says. Every refusal is a problem
//! document that says what was wrong and what would be right.

mod answers;
mod asked;
mod batch;
mod bell;
mod body;
mod boundary;
mod caller;
mod channels;
mod classic;
mod counters;
mod guard;
mod head;
mod history;
mod line;
mod listener;
mod metrics;
mod openapi;
mod order;
mod pages;
mod patient;
mod plain;
mod probes;
mod publish;
mod quick;
mod rate;
mod realplexor;
mod refusal;
mod refused;
mod routes;
mod said;
mod secure;
mod shares;
mod sign_in;
mod socket;
mod warnings;
mod watch;

pub mod limits;

pub use access::{Key, Keyring, Proxies, Users};
pub use dialect::Classic;
pub use dialect::native::age;
pub use dialect::realplexor::{MARKER_LEN_MAX, Marker, is_id};
pub use line::{CertificateNews, ReadCounters, Settings, ShardCounters, StoreLine, WaitLine};
pub use listener::{Listener, serve};
pub use metrics::{is_asked_metric, is_wait_metric, metrics_page};
pub use realplexor::Realplexor;
pub use shares::Rates;
pub use socket::Socket;
