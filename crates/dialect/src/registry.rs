//! The dialects there are, and sets of them.

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

/// What a listener understands besides our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialectSet(u8);

impl DialectSet {
    /// Nothing: all is strict HTTP.
    pub const NONE: Self = Self(0);

    /// These. Of two that claim the same bytes, the one that stands first in [`Self::iter`] has them.
    pub fn of(dialects: &[Classic]) -> Self {
        let bits =
            dialects.iter().filter(|classic| **classic != Classic::None).map(|classic| 1 << *classic as u8);
        Self(bits.fold(0, |all, bit| all | bit))
    }

    /// Each of them, in the order in which they are asked: who claims fewest bytes, first.
    pub fn iter(self) -> impl Iterator<Item = Classic> {
        IN_ORDER.into_iter().filter(move |classic| self.0 & 1 << *classic as u8 != 0)
    }

    /// As a number.
    pub fn to_bits(self) -> u8 {
        self.0
    }

    /// The set of this number; `None`: it is none.
    pub fn from_bits(bits: u8) -> Option<Self> {
        let all = Self::of(&IN_ORDER).0;
        (bits & !all == 0).then_some(Self(bits))
    }
}

impl From<Classic> for DialectSet {
    fn from(classic: Classic) -> Self {
        Self::of(&[classic])
    }
}

/// In this order listeners ask dialects whose words bytes are in.
const IN_ORDER: [Classic; 3] = [Classic::Guest, Classic::Realplexor, Classic::Dklab];

/// The dialects as they are set, of which each connection is asked about by that of its listener.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dialects {
    /// What is set about Realplexor's.
    pub realplexor: Realplexor,
    /// One that is no part of this program, where it is given one: tests give it theirs. What it takes beside this is a row of
    /// the table of shapes.
    pub guest: Option<ExtraDialect>,
}

/// A dialect that is given.
#[derive(Debug, Clone)]
pub struct ExtraDialect(pub Arc<dyn Dialect>);

impl PartialEq for ExtraDialect {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ExtraDialect {}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_into_it_in_the_order_of_asking() {
        let check = |put: &[Classic], expected: &[Classic]| {
            let set = DialectSet::of(put);
            assert_eq!(set.iter().collect::<Vec<_>>(), expected, "{put:?}");
            assert_eq!(DialectSet::from_bits(set.to_bits()), Some(set));
        };
        check(&[], &[]);
        check(&[Classic::None], &[]);
        check(&[Classic::Dklab, Classic::None, Classic::Dklab], &[Classic::Dklab]);
        check(&[Classic::Dklab, Classic::Realplexor, Classic::Guest], &IN_ORDER);
        assert_eq!(DialectSet::of(&[Classic::None]), DialectSet::NONE);
        assert_eq!((DialectSet::from_bits(1), DialectSet::from_bits(16)), (None, None));
    }

    #[test]
    fn each_is_called_by_its_names() {
        for classic in Classic::ALL {
            assert_eq!(Classic::named(classic.name()), Some(classic));
        }
        let named = ["native", "dklab", "realplexor", "Dklab", ""].map(Classic::named);
        assert_eq!(named, [Some(Classic::None), Some(Classic::Dklab), Some(Classic::Realplexor), None, None]);
        assert_eq!(Classic::Guest.name(), "none");
    }
}
