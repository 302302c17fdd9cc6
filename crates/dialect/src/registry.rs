//! The dialects there are. Two of them answer the same bytes differently, so a listener has one at most besides our own.

use std::sync::Arc;

use crate::Dialect;
use crate::dklab::Dklab;
use crate::native::Native;
use crate::realplexor::Realplexor;

/// What is understood where bytes are no request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Classic {
    /// Nothing: all is strict HTTP.
    None,
    /// dklab_multiplexor, 2009.
    #[default]
    Dklab,
    /// Dklab_Realplexor, 2009 to 2014.
    Realplexor,
    /// One that is no part of this program, and is given to it when it starts: [`Dialects::guest`].
    Guest,
}

impl Classic {
    /// All that are a part of it, by number.
    pub const ALL: [Self; 3] = [Self::None, Self::Dklab, Self::Realplexor];

    /// How it is called in settings; the one that is given, by which no settings call it, as if there were none.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(classic, _)| *classic == self).map_or("none", |(_, names)| names[0])
    }

    /// The one that is called so.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(classic, _)| *classic)
    }
}

/// How each is called in settings: first as it is written, then how else it may be called. Our own is spoken everywhere.
const NAMES: [(Classic, &[&str]); 3] = [
    (Classic::None, &["none", "native"]),
    (Classic::Dklab, &["multiplexor", "dklab"]),
    (Classic::Realplexor, &["realplexor"]),
];

/// The dialects as they are set, of which each connection is asked about by that of its listener.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dialects {
    /// What is set about Realplexor's.
    pub realplexor: Realplexor,
    /// One that is no part of this program, where it is given one: tests give it theirs. What it takes beside this is a row of
    /// the table of shapes.
    pub guest: Option<Guest>,
}

/// A dialect that is given.
#[derive(Debug, Clone)]
pub struct Guest(pub Arc<dyn Dialect>);

impl PartialEq for Guest {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Guest {}

impl Dialects {
    /// The dialect of this name; of none, our own: all is strict HTTP.
    pub fn of(&self, classic: Classic) -> &dyn Dialect {
        match classic {
            Classic::None => &Native,
            Classic::Dklab => &Dklab,
            Classic::Realplexor => &self.realplexor,
            Classic::Guest => match &self.guest {
                Some(guest) => &*guest.0,
                None => &Native,
            },
        }
    }
}
