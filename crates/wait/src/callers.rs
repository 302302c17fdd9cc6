//! Where connections come from, while that matters: somebody's share is limited, or proxies say whose they pass on.
//! Where it does not, there is no entry, and a connection costs nothing here.

use std::net::IpAddr;

use exchange::Exchange;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::beside::Beside;
use crate::settings::WaitSettings;

/// What is known of a shard's connections, by their index.
#[derive(Default)]
pub(crate) struct Callers {
    /// Whether it matters where they come from.
    matter: bool,
    /// Who comes over was counted in another program, and not in this one.
    pub(crate) are_counted_anew: bool,
    callers: Beside<Caller>,
    /// What has come of the headers of proxies, where it is a part only.
    headers: FxHashMap<usize, Vec<u8>>,
    /// How many have more than their share.
    refused: usize,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Caller {
    /// From a known proxy, which has yet to say by a header of its own whose it is.
    Unsaid,
    /// From a known proxy, which does not say for whom, or has not.
    Proxy,
    /// From this address, for which it counts.
    Counted(IpAddr),
    /// From a known proxy; its last request was for this address, for which nothing counts now.
    Passed(IpAddr),
    /// The same, and it waits, which counts.
    Waits(IpAddr),
    /// From this address, which has as many as it may.
    Refused(IpAddr),
    /// There are as many as there may be in all.
    Full,
    /// It came while memory was short.
    Short,
}

impl Caller {
    /// Whether the connection itself is too much.
    pub(crate) fn is_refused(self) -> bool {
        matches!(self, Self::Refused(_) | Self::Full | Self::Short)
    }

    /// The address of the client, if it is known.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Counted(address)
            | Self::Passed(address)
            | Self::Waits(address)
            | Self::Refused(address) => Some(address),
            Self::Unsaid | Self::Proxy | Self::Full | Self::Short => None,
        }
    }
}

impl Callers {
    /// Of nobody yet.
    pub(crate) fn new(exchange: &Exchange, settings: &WaitSettings) -> Self {
        let mut this = Self::default();
        this.go_by(exchange, settings);
        this
    }

    /// From now on they matter as these say.
    pub(crate) fn go_by(&mut self, exchange: &Exchange, settings: &WaitSettings) {
        self.matter = exchange.shares().addresses.most().limits() || !settings.proxies.networks.is_empty();
    }

    /// Whether it matters at all where connections come from.
    pub(crate) fn matter(&self) -> bool {
        self.matter
    }

    pub(crate) fn put(&mut self, index: usize, caller: Caller) {
        let before = self.callers.put(index, caller);
        self.refused += usize::from(caller.is_refused());
        self.refused -= usize::from(before.is_some_and(Caller::is_refused));
    }

    pub(crate) fn get(&self, index: usize) -> Option<Caller> {
        self.callers.get(index).copied()
    }

    pub(crate) fn remove(&mut self, index: usize) -> Option<Caller> {
        let caller = self.callers.remove(index)?;
        self.headers.remove(&index);
        self.refused -= usize::from(caller.is_refused());
        Some(caller)
    }

    /// How many have more than their share.
    pub(crate) fn refused(&self) -> usize {
        self.refused
    }

    /// What was kept of a header.
    pub(crate) fn header(&self, index: usize) -> &[u8] {
        self.headers.get(&index).map_or(&[], |header| &**header)
    }

    /// Takes what was kept of a header.
    pub(crate) fn take_header(&mut self, index: usize) -> Vec<u8> {
        self.headers.remove(&index).unwrap_or_default()
    }

    /// Keeps what has come of a header; of a connection with an entry.
    pub(crate) fn keep_header(&mut self, index: usize, header: Vec<u8>) {
        debug_assert_eq!(self.get(index), Some(Caller::Unsaid));
        self.headers.insert(index, header);
    }
}

const _: () = assert!(size_of::<Option<Caller>>() <= 18, "who has limits pays this for each connection");

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_crowd_that_left_leaves_nothing() {
        let (mut callers, here) = (Callers::default(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        for index in 0..1_000 {
            callers.put(index, if index % 3 == 0 { Caller::Refused(here) } else { Caller::Unsaid });
        }
        callers.keep_header(1, vec![1]);
        assert_eq!(
            (callers.refused(), callers.get(999), callers.get(1_000)),
            (334, Some(Caller::Refused(here)), None)
        );
        callers.put(0, Caller::Counted(here));
        assert_eq!((callers.refused(), callers.get(0)), (333, Some(Caller::Counted(here))));
        assert!((0..1_000).all(|index| callers.remove(index).is_some() && callers.remove(index).is_none()));
        assert_eq!((callers.callers.len(), callers.headers.len(), callers.refused()), (0, 0, 0));
    }
}
