//! How much of the line all together, one address and one key may have, and how much they have taken.

use std::hash::Hash;

use exchange::hub::Millis;
use exchange::{Quota, Quotas};

use crate::limits::{EXPLAINED_PER_S_MAX, WRONG_KEYS_PER_S_MAX};
use crate::rate::Rate;

/// What one of many may have; 0: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Requests a second.
    pub requests: u32,
    /// Messages a second.
    pub messages: u32,
}

/// Who has taken how much of what he may.
pub(crate) struct RateQuotas {
    /// Messages of all together.
    pub(crate) messages: Rate,
    /// Wrong keys at `/sign-in`, of all together.
    pub(crate) wrong_keys: Rate,
    /// Who asks for reasons.
    pub(crate) explained: Rate,
    pub(crate) address_requests: RateQuota,
    pub(crate) address_messages: RateQuota,
    /// By the number of a key.
    pub(crate) key_requests: RateQuota,
    pub(crate) key_messages: RateQuota,
}

/// How much each of many has taken of one thing.
pub(crate) struct RateQuota(Quotas);

impl RateQuotas {
    /// Nobody has taken anything; `messages` a second are there for all together.
    pub(crate) fn new(messages: u32, address: Rates, key: Rates) -> Self {
        Self {
            messages: Rate::new(messages),
            wrong_keys: Rate::new(WRONG_KEYS_PER_S_MAX),
            explained: Rate::new(EXPLAINED_PER_S_MAX),
            address_requests: RateQuota::new(address.requests),
            address_messages: RateQuota::new(address.messages),
            key_requests: RateQuota::new(key.requests),
            key_messages: RateQuota::new(key.messages),
        }
    }
}

impl RateQuotas {
    /// From now on there is so much.
    pub(crate) fn set(&self, messages: u32, address: Rates, key: Rates) {
        self.messages.set(messages);
        for (quota, most) in [
            (&self.address_requests, address.requests),
            (&self.address_messages, address.messages),
            (&self.key_requests, key.requests),
            (&self.key_messages, key.messages),
        ] {
            quota.0.set(Quota { connections: 0, requests: most });
        }
    }
}

impl RateQuota {
    fn new(most: u32) -> Self {
        Self(Quotas::new(Quota { connections: 0, requests: most }))
    }

    /// How many a second each may have.
    pub(crate) fn most(&self) -> u32 {
        self.0.most().requests
    }

    /// Takes one, if there is one left for whoever it is; there is no need to know where nothing is limited. The error is
    /// after how many seconds there is one again.
    pub(crate) fn take<K: Hash>(
        &self,
        who: impl FnOnce() -> Option<K>,
        now: impl FnOnce() -> Millis,
    ) -> Result<(), u32> {
        if !self.0.most().limits() {
            return Ok(());
        }
        let Some(who) = who() else { return Ok(()) };
        self.0.ask(&who, now())
    }
}
