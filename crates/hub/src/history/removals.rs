//! Messages that were taken back from a history, and what says so in their stead.

use super::{History, Removed};
use crate::rule::Keep;
use crate::trash::Trash;
use crate::{Message, Position};

impl History {
    /// Takes out a message that was taken back, if it is there: nobody is to be told of a gap.
    pub(crate) fn take(&mut self, place: Position, keep: &Keep, removed: &mut Removed, trash: &mut Trash) {
        let Some(index) = self.message_index(place) else { return };
        let message = self.pull(index, index, removed);
        trash.messages.push(message);
        // Where the newest one keeps all alive, the others are older now.
        self.due = self.due.min(self.first_death(keep));
        self.check();
    }

    /// The message at this place is to be known as another one of the same bytes, which never went to some other channel.
    pub(crate) fn replace(&mut self, message: &Message, trash: &mut Trash) {
        let Some(index) = self.message_index(message.position) else { return };
        let before = std::mem::replace(&mut self.entries[index], message.clone());
        if let Some(rare) = &mut self.rare {
            rare.aliased -= u32::from(before.about().is_aliased());
            rare.aliased += u32::from(message.about().is_aliased());
        }
        trash.messages.push(before);
        self.check();
    }

    /// Index of the first entry from `index` on that a reader who has all up to `after` is to be told. Of what was taken
    /// back only who may have it is told.
    pub(crate) fn told_from(&self, mut index: usize, after: Position) -> usize {
        let is_untold = |entry: &Message| entry.removal().is_some_and(|removal| removal.position > after);
        while self.removals() > 0 && self.entries.get(index).is_some_and(is_untold) {
            index += 1;
        }
        index
    }
}
