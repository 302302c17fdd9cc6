//! Every setting, by its name in capitals: the one place that says its name, kind and default.
#![allow(missing_docs, reason = "the help of each says what it is")]

mod access;
mod browsers;
mod classic;
mod history;
mod listen;
mod publish;
mod requests;
mod shares;
mod webhooks;

pub use access::*;
pub use browsers::*;
pub use classic::*;
pub use history::*;
pub use listen::*;
pub use publish::*;
pub use requests::*;
pub use shares::*;
pub use webhooks::*;
