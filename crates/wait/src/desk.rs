//! Where a shard and others meet: what it asks, what it is told about that, and what is set anew.

use std::sync::Arc;

use access::{AuthFinding, Question};
use exchange::{Commands, Exchange, Questions, Wake};

use crate::listener::Certificates;
use crate::settings::WaitSettings;

/// What shards ask and are told. One for all of them.
#[derive(Debug, Clone)]
pub struct Desk {
    /// What shards want to know; `None`: there is nobody to ask.
    pub questions: Option<Arc<Questions<Question>>>,
    /// What they are told about it.
    pub findings: Arc<Commands<AuthFinding>>,
    /// What is set anew.
    pub renewals: Arc<Commands<Renewal>>,
}

/// Something that counts from now on.
#[derive(Debug, Clone)]
pub enum Renewal {
    /// These settings.
    Settings(Arc<WaitSettings>),
    /// These certificates, from the next connection on.
    Certificates(Certificates),
}

impl Desk {
    /// Of the shards of this exchange. `notifier`: written to when they ask; it must be there before them. `None`: nobody
    /// can be asked.
    pub fn new(exchange: &Arc<Exchange>, notifier: Option<Arc<dyn Wake>>) -> Self {
        Self {
            questions: notifier.map(|notifier| Arc::new(Questions::new(notifier))),
            findings: Arc::new(Commands::new(Arc::clone(exchange))),
            renewals: Arc::new(Commands::new(Arc::clone(exchange))),
        }
    }
}
