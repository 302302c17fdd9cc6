//! What a channel keeps: by the first rule that its name falls under, else by the general limits.

use super::{Naive, Said};

#[derive(Clone, Copy)]
pub(super) struct Keep {
    pub(super) messages: usize,
    pub(super) age: u64,
    pub(super) bytes: u64,
    pub(super) payload: Option<u64>,
    pub(super) ttl: Option<u64>,
}

impl Naive {
    pub(super) fn keep(&self, channel: usize) -> Keep {
        let (name, limits) = (self.names[channel], &self.limits);
        let rule = limits.rules.iter().find(|rule| match rule.pattern.as_str().strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == rule.pattern.as_str(),
        });
        let messages = rule.and_then(|rule| rule.history_messages).unwrap_or(limits.history_messages);
        Keep {
            messages: messages as usize,
            age: rule.and_then(|rule| rule.history_age).unwrap_or(limits.history_age),
            bytes: rule.and_then(|rule| rule.history_bytes).unwrap_or(limits.history_bytes),
            payload: rule.and_then(|rule| rule.payload_limit),
            ttl: rule.and_then(|rule| rule.ttl),
        }
    }
}

impl Keep {
    /// When a message's ttl ends: its own, or that of the rule.
    pub(super) fn end(&self, said: &Said) -> Option<u64> {
        said.expires.or_else(|| self.ttl.map(|ttl| said.time + ttl))
    }
}
