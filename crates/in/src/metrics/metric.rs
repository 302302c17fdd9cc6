//! A metric: its name, what it says, and from where it is read.

use exchange::{Distribution, MailboxLoad, Measured};

use super::Scrape;
use crate::sources::CertificateNews;

/// One line of the table.
pub(super) struct Metric {
    /// Ends with `_total` where it counts, and only there.
    pub(super) name: &'static str,
    /// A sentence without its full stop.
    pub(super) help: &'static str,
    pub(super) read: MetricSource,
}

/// Where a metric is read, and so which label it has.
pub(super) enum MetricSource {
    /// The program's version as a label.
    Version,
    One(fn(&Scrape<'_>) -> u64),
    Seconds(fn(&Scrape<'_>) -> f64),
    /// A distribution of microseconds, told in seconds.
    Times(fn(&Measured) -> &Distribution),
    /// A distribution of sizes.
    Sizes(fn(&Measured) -> &Distribution),
    /// One a shard, of what it owes.
    Mailbox(fn(&MailboxLoad) -> usize),
    /// One a shard: the counter of the WAIT line that has this name there.
    Wait(&'static str),
    /// Of the certificates, where there are any.
    Certificates(fn(&CertificateNews) -> f64),
    /// The counter of the store that has this name there; only where there is a store.
    Store(&'static str),
    /// Of asking others: the counter that has this name there.
    Asked(&'static str),
    /// One a code of refusals on the IN line.
    Refused,
    /// One a code of refusals for want of credentials or grants.
    Denied,
}

impl MetricSource {
    pub(super) fn label(&self) -> Option<&'static str> {
        match self {
            Self::Version => Some("version"),
            Self::One(_) | Self::Seconds(_) | Self::Store(_) | Self::Asked(_) | Self::Certificates(_) => None,
            Self::Times(_) | Self::Sizes(_) => Some("le"),
            Self::Mailbox(_) | Self::Wait(_) => Some("shard"),
            Self::Refused | Self::Denied => Some("code"),
        }
    }

    /// What Prometheus calls it.
    pub(super) fn kind(&self, name: &str) -> &'static str {
        match self {
            Self::Times(_) | Self::Sizes(_) => "histogram",
            _ if name.ends_with("_total") => "counter",
            _ => "gauge",
        }
    }
}

pub(super) const fn line(name: &'static str, help: &'static str, read: MetricSource) -> Metric {
    Metric { name, help, read }
}
