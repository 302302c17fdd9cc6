//! Where messages come in: the IN line, on which application servers publish and ask.
//!
//! An ordinary web service. It knows the exchange and the words of the native protocol; it knows
//! nothing of the WAIT line, whose counters are handed in as a function. Every refusal is a problem
//! document that says what was wrong and what would be right.

mod body;
mod channels;
mod classic;
mod counters;
mod guard;
mod line;
mod listener;
mod prefixed;
mod probes;
mod publish;
mod refusal;
mod routes;
mod said;

pub mod limits;

pub use line::Settings;
pub use listener::serve;
