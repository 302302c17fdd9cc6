//! The dialects there are besides our own. Two of them answer the same bytes differently, so a listener has one at most.

use crate::Dialect;
use crate::dklab::Dklab;
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
}

impl Classic {
    /// All of them, by number.
    pub const ALL: [Self; 3] = [Self::None, Self::Dklab, Self::Realplexor];
}

/// The dialects as they are set, of which each connection is asked about by that of its listener.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dialects {
    /// What is set about Realplexor's.
    pub realplexor: Realplexor,
}

impl Dialects {
    /// The dialect of this name; `None`: all is strict HTTP.
    pub fn of(&self, classic: Classic) -> Option<&dyn Dialect> {
        match classic {
            Classic::None => None,
            Classic::Dklab => Some(&Dklab),
            Classic::Realplexor => Some(&self.realplexor),
        }
    }
}
