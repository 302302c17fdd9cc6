//! What a shard has asked and was told: who waits for which verdict, and the verdicts that still hold.
//!
//! Whoever waits for a verdict is parked: its connection keeps the request, and nothing is said to it.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use access::{Subject, Verdict};
use exchange::hub::Millis;
use rustc_hash::FxHashMap;

use crate::limits::{PARKED_ALIKE_MAX, SUBJECTS_MAX, VERDICTS_MAX};

/// The questions under way and the verdicts known.
#[derive(Default)]
pub(crate) struct Asking {
    verdicts: FxHashMap<Subject, Arc<Verdict>>,
    /// The tokens of the connections that wait for each verdict.
    parked: FxHashMap<Subject, Vec<u64>>,
    /// Connections whose verdict is there, each with it.
    told: VecDeque<(u64, Arc<Verdict>)>,
}

/// What becomes of a connection that wants a verdict.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parking {
    /// Nobody has asked yet: do.
    First,
    /// Somebody has.
    Joined,
    /// Too many wait.
    Full,
}

impl Asking {
    /// The verdict that holds now.
    pub(crate) fn verdict(&self, subject: Subject, now: Millis) -> Option<Arc<Verdict>> {
        self.verdicts.get(&subject).filter(|verdict| now < verdict.until).map(Arc::clone)
    }

    /// The connection of this token waits for a verdict.
    pub(crate) fn park(&mut self, subject: Subject, token: u64) -> Parking {
        let count = self.parked.len();
        match self.parked.entry(subject) {
            Entry::Occupied(mut waiting) if waiting.get().len() < PARKED_ALIKE_MAX => {
                waiting.get_mut().push(token);
                Parking::Joined
            }
            Entry::Vacant(nobody) if count < SUBJECTS_MAX => {
                nobody.insert(vec![token]);
                Parking::First
            }
            _ => Parking::Full,
        }
    }

    /// The question could not be asked: nobody waits.
    pub(crate) fn forget(&mut self, subject: Subject) {
        self.parked.remove(&subject);
    }

    /// The verdict has come.
    pub(crate) fn tell(&mut self, verdict: Arc<Verdict>, now: Millis) {
        let waiting = self.parked.remove(&verdict.subject).unwrap_or_default();
        self.told.extend(waiting.into_iter().map(|token| (token, Arc::clone(&verdict))));
        if now < verdict.until {
            if self.verdicts.len() >= VERDICTS_MAX {
                // To forget all is the cheapest, and costs each of them one question.
                self.verdicts.clear();
            }
            self.verdicts.insert(verdict.subject, verdict);
        }
    }

    /// The next connection that was told.
    pub(crate) fn next_told(&mut self) -> Option<(u64, Arc<Verdict>)> {
        self.told.pop_front()
    }

    /// Whether somebody was told, and has not gone on yet.
    pub(crate) fn has_told(&self) -> bool {
        !self.told.is_empty()
    }

    /// How many verdicts are waited for.
    pub(crate) fn len(&self) -> usize {
        self.parked.len()
    }
}

#[cfg(test)]
mod tests {
    use access::{Denied, Said};

    use super::*;

    fn verdict(shown: &str, until: Millis) -> Arc<Verdict> {
        let said = Said::Refused(Denied { code: "hook-refused", detail: String::new() });
        Arc::new(Verdict { subject: Subject::of(shown), until, said })
    }

    #[test]
    fn the_first_asks_and_all_who_show_the_same_are_told() {
        let mut asking = Asking::default();
        let (a, b) = (Subject::of("a"), Subject::of("b"));
        assert_eq!((asking.park(a, 1), asking.park(a, 2)), (Parking::First, Parking::Joined));
        assert_eq!((asking.park(b, 3), asking.len()), (Parking::First, 2));
        asking.tell(verdict("a", 100), 0);
        assert_eq!(asking.next_told().map(|(token, _)| token), Some(1));
        assert_eq!(asking.next_told().map(|(token, _)| token), Some(2));
        assert!(!asking.has_told() && asking.len() == 1);
        assert!(asking.verdict(a, 99).is_some() && asking.verdict(a, 100).is_none());
        asking.tell(verdict("b", 0), 0);
        assert!(asking.has_told() && asking.verdict(b, 0).is_none());
    }

    #[test]
    fn there_are_limits_to_all_of_it() {
        let mut asking = Asking::default();
        for n in 0..SUBJECTS_MAX {
            assert_eq!(asking.park(Subject::of(&n.to_string()), 0), Parking::First);
        }
        assert_eq!(asking.park(Subject::of("one too many"), 0), Parking::Full);
        for _ in 1..PARKED_ALIKE_MAX {
            assert_eq!(asking.park(Subject::of("0"), 0), Parking::Joined);
        }
        assert_eq!(asking.park(Subject::of("0"), 0), Parking::Full);
        for n in 0..=VERDICTS_MAX {
            asking.tell(verdict(&n.to_string(), 1), 0);
            assert!(asking.verdicts.len() <= VERDICTS_MAX);
        }
    }
}
