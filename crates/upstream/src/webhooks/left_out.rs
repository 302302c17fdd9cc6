//! What was left out for want of room, of which no store knows yet: until it does, it keeps the events.

use exchange::hub::Position;

/// What was left out of one webhook's events.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// It is behind the first place, and ends at the second.
    between: Option<(Position, Position)>,
    is_being_noted: bool,
    /// Whether the log says so; `None`: since a call was taken last there was room.
    told: Option<bool>,
}

impl LeftOut {
    /// All up to a place is left out; so far all behind the other one was owed.
    pub(super) fn add(&mut self, from: Position, to: Position) {
        let from = self.between.map_or(from, |(first, _)| first);
        self.between = Some((from, to));
        self.told.get_or_insert(false);
    }

    /// A call was taken.
    pub(super) fn is_over(&mut self) {
        self.told = None;
    }

    /// What nobody asks for again, of what is over up to a place.
    pub(super) fn settled(&self, after: Position) -> Position {
        self.between.map_or(after, |(first, _)| after.min(first))
    }

    /// Whether there is something of which a store does not know and is not being told.
    pub(super) fn is_unknown(&self) -> bool {
        self.between.is_some() && !self.is_being_noted
    }

    /// A store is being told. False: it is already, or need not be.
    pub(super) fn begin_note(&mut self) -> bool {
        let is_due = self.is_unknown();
        self.is_being_noted |= is_due;
        is_due
    }

    /// A store knows of all up to a place; `None`: it could not be told.
    pub(super) fn is_noted(&mut self, up_to: Option<Position>) {
        self.is_being_noted = false;
        let Some(up_to) = up_to else { return };
        self.between = self.between.filter(|(_, to)| *to > up_to).map(|(_, to)| (up_to, to));
    }

    /// Whether the log is to say that there is no room: once, until a call is taken.
    pub(super) fn take_news(&mut self) -> bool {
        let is_news = self.told == Some(false);
        self.told = self.told.map(|_| true);
        is_news
    }
}
