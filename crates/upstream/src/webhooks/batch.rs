//! What is sent in one call, and how a store remembers it.

use std::sync::Arc;

use exchange::hub::{Millis, Position};
use hyper::body::Bytes;

use super::event::WebhookEvent;
use super::settings::Scope;

/// What is sent in one call, and again until it is taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventBatch {
    /// The header `webhook-id`.
    pub(super) id: String,
    pub(super) body: Bytes,
    pub(super) mark: Bookmark,
    pub(super) events: usize,
    /// Of what the webhook was told when it was made.
    pub(super) scope: Scope,
    /// When the last of its events was.
    pub(super) newest: Option<Millis>,
}

/// What was noted of a batch that one may have had before a restart.
#[derive(Debug)]
pub(super) struct Noted {
    /// Up to here it was being sent.
    pub(super) to: Position,
    /// And told of a gap with it.
    pub(super) gap: bool,
    /// Of what the webhook was told then and is told now: what it lacks beyond is told behind this batch, also by a program that is
    /// started anew before it could be.
    pub(super) scope: Scope,
}

/// How far a webhook has come, as a store keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bookmark {
    /// Up to here it is owed nothing.
    pub(super) after: Position,
    /// Up to here it is being sent.
    pub(super) to: Position,
    /// And told of a gap with it.
    pub(super) gap: bool,
}

impl Bookmark {
    /// As text.
    pub(super) fn text(self) -> String {
        format!("{} {} {}", self.after.to_bits(), self.to.to_bits(), u8::from(self.gap))
    }

    /// What a text says.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            after: Position::from_bits(next()?),
            to: Position::from_bits(next()?),
            gap: next()? == 1,
        })
    }
}

/// `{"events": […], "gap"?: true}`.
pub(super) fn body_of(events: &[Arc<WebhookEvent>], gap: bool) -> Bytes {
    let len = events.iter().map(|event| event.json.len() + 1).sum::<usize>();
    let mut body = Vec::with_capacity(len + BODY_AROUND);
    body.extend_from_slice(b"{\"events\":[");
    for (number, event) in events.iter().enumerate() {
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&event.json);
    }
    body.extend_from_slice(if gap { b"],\"gap\":true}" } else { b"]}" });
    body.into()
}

/// Bytes around the events of a body.
const BODY_AROUND: usize = 32;
