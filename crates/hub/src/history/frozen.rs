//! A history as plain data, for another program.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::rare::Rare;
use super::{History, len};
use crate::{Message, Millis, Position};

/// A history without its messages, which are told one by one.
#[derive(Serialize, Deserialize)]
pub(crate) struct FrozenHistory {
    pub(crate) count: u32,
    due: Millis,
    rare: Option<Rare>,
    oldest: Position,
}

impl History {
    /// All but the messages.
    pub(crate) fn freeze(&self) -> FrozenHistory {
        FrozenHistory {
            count: u32::try_from(self.entries.len()).expect("a number of messages that are kept is 32 bits"),
            due: self.due,
            rare: self.rare.as_deref().cloned(),
            oldest: self.oldest,
        }
    }

    /// All messages, oldest first.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.entries.iter()
    }

    /// The history of these messages, of which none is missing. `None`: they are not in order.
    pub(crate) fn thaw(frozen: FrozenHistory, mut messages: Vec<Message>) -> Option<Self> {
        let FrozenHistory { count, due, rare, oldest } = frozen;
        let is_sound = messages.len() == count as usize
            && messages.is_sorted_by(|one, next| one.position < next.position && one.time <= next.time)
            && messages.first().is_some_and(|first| oldest <= first.position);
        let about = messages.last().filter(|_| is_sound)?.about().clone();
        for place in 1..messages.len() {
            let before = messages[place - 1].about().clone();
            // What went to several channels is held by more than this one.
            if messages[place].targets().len() == 1 {
                messages[place].share(&before);
            }
        }
        let mortal = messages.iter().filter(|message| message.ttl().is_some()).count();
        Some(Self {
            about: Some(about),
            bytes: messages.iter().map(len).sum(),
            due,
            mortal: u32::try_from(mortal).ok()?,
            rare: rare.map(Box::new),
            oldest,
            entries: VecDeque::from(messages),
        })
    }
}
