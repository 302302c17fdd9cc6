//! What was said, where, and what has been forgotten since: the truth that clients are held against.

use std::collections::BTreeMap;

use exchange::hub::Position;
use multiplexor_wait::exchange;

/// Everything said so far. Payloads are the numbers of messages.
pub(crate) struct Model {
    said: Vec<Position>,
    channels: Vec<Channel>,
    /// Messages kept a channel.
    keeps: usize,
}

#[derive(Default)]
struct Channel {
    /// Numbers of its messages, in order.
    messages: Vec<usize>,
    /// How many messages it had at each of its deletions.
    deletions: Vec<usize>,
    /// Which of its messages were taken back, and the places of the words that say so.
    taken: BTreeMap<usize, Position>,
}

impl Model {
    pub(crate) fn new(channels: usize, keeps: usize) -> Self {
        Self { said: Vec::new(), channels: (0..channels).map(|_| Channel::default()).collect(), keeps }
    }

    /// The number of the next message.
    pub(crate) fn next(&self) -> usize {
        self.said.len()
    }

    pub(crate) fn say(&mut self, position: Position, targets: &[usize]) {
        assert!(self.said.last() < Some(&position), "places grow");
        for target in targets {
            self.channels[*target].messages.push(self.said.len());
        }
        self.said.push(position);
    }

    pub(crate) fn delete(&mut self, channel: usize) {
        let channel = &mut self.channels[channel];
        channel.deletions.push(channel.messages.len());
    }

    /// The message was taken back from the channel, by a word at this place.
    pub(crate) fn take_back(&mut self, channel: usize, number: usize, at: Position) {
        let index = self.index(channel, number).expect("it was said there");
        self.channels[channel].taken.insert(index, at);
    }

    /// The last message of a channel that is not taken back, among the last few.
    pub(crate) fn last_of(&self, channel: usize, back: usize) -> Option<usize> {
        let channel = &self.channels[channel];
        let last = (0..channel.messages.len()).rev().filter(|index| !channel.taken.contains_key(index));
        last.take(back + 1).last().map(|index| channel.messages[index])
    }

    /// Whether the channel's message of this index was taken back.
    pub(crate) fn is_taken(&self, channel: usize, index: usize) -> bool {
        self.channels[channel].taken.contains_key(&index)
    }

    /// What was taken back from a channel: the place of the message, and that of the word.
    pub(crate) fn taken(&self, channel: usize) -> impl Iterator<Item = (Position, Position)> {
        let channel = &self.channels[channel];
        channel.taken.iter().map(|(index, at)| (self.said[channel.messages[*index]], *at))
    }

    pub(crate) fn position(&self, number: usize) -> Position {
        self.said[number]
    }

    /// How many messages the channel has had.
    pub(crate) fn count(&self, channel: usize) -> usize {
        self.channels[channel].messages.len()
    }

    /// Which of the channel's messages this is.
    pub(crate) fn index(&self, channel: usize, number: usize) -> Option<usize> {
        self.channels[channel].messages.binary_search(&number).ok()
    }

    /// How many of the channel's messages lie at or before this place.
    pub(crate) fn up_to(&self, channel: usize, position: Position) -> usize {
        self.channels[channel].messages.partition_point(|number| self.said[*number] <= position)
    }

    /// How many of the channel's messages, from its first, history no longer holds.
    pub(crate) fn forgotten(&self, channel: usize) -> usize {
        let deleted = self.channels[channel].deletions.last().copied().unwrap_or_default();
        deleted.max(self.count(channel).saturating_sub(self.keeps))
    }

    /// How often the channel was deleted.
    pub(crate) fn deletions(&self, channel: usize) -> usize {
        self.channels[channel].deletions.len()
    }

    /// How many messages the channel had at its first deletion after so many deletions at which it had
    /// at least `count`.
    pub(crate) fn deleted_at(&self, channel: usize, after: usize, count: usize) -> Option<usize> {
        self.channels[channel].deletions[after..].iter().copied().find(|at| *at >= count)
    }
}
