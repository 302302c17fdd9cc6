//! What a shard has asked and was told: who waits for which verdict, and the verdicts that still hold.
//!
//! Whoever waits for a verdict is parked: its connection keeps the request, and nothing is said to it.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use access::{AuthAnswer, Denied, Subject, Tally, Verdict};
use exchange::hub::{Asker, Code, WallTime};
use rustc_hash::FxHashMap;

use crate::limits::{PARKED_ALIKE_MAX, SUBJECTS_MAX, VERDICTS_MAX};

/// The questions under way and the verdicts known.
#[derive(Default)]
pub(crate) struct OpenQuestions {
    verdicts: FxHashMap<Subject, Arc<Verdict>>,
    parked: FxHashMap<Subject, ParkedQuestions>,
    /// How many verdicts are waited for in whose name.
    tally: Tally,
    /// Connections whose verdict is there, each with it.
    told: VecDeque<(Waiter, Arc<Verdict>)>,
    /// How many tickets were given.
    tickets: u64,
}

/// A connection that waits for a verdict: its token, and which of its requests it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) token: u64,
    pub(crate) ticket: u64,
}

/// Those who wait for a verdict.
struct ParkedQuestions {
    waiters: Vec<Waiter>,
    /// In whose name the first came.
    asker: Asker,
    what: Wanted,
}

/// What a verdict is wanted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Who a client is.
    Name,
    /// What the application answers to a request.
    Page,
    /// What it says of a message.
    Message,
    /// Which keys there are: for all who wait together, so nobody has to give way for it, nor it for others.
    Keys,
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

impl OpenQuestions {
    /// The verdict that holds now.
    pub(crate) fn verdict(&self, subject: Subject, now: WallTime) -> Option<Arc<Verdict>> {
        self.verdicts.get(&subject).filter(|verdict| now < verdict.until).map(Arc::clone)
    }

    /// A number that no other request has had.
    pub(crate) fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// A connection waits for a verdict. Where there is no room, somebody in whose name most wait makes
    /// some, and is told so.
    pub(crate) fn park(&mut self, subject: Subject, waiter: Waiter, asker: Asker, what: Wanted) -> Parking {
        if self.parked.len() >= SUBJECTS_MAX
            && !self.parked.contains_key(&subject)
            && what != Wanted::Keys
            && let Some(most) = self.tally.yields_to(asker)
            && let Some((other, wanted)) = self.one_of(most)
        {
            let said = wanted.too_many();
            self.tell(Arc::new(Verdict { subject: other, until: WallTime::PAST, said }), WallTime::PAST);
        }
        let count = self.parked.len();
        match self.parked.entry(subject) {
            Entry::Occupied(mut waiting) if waiting.get().waiters.len() < PARKED_ALIKE_MAX => {
                waiting.get_mut().waiters.push(waiter);
                Parking::Joined
            }
            Entry::Vacant(nobody) if count < SUBJECTS_MAX => {
                nobody.insert(ParkedQuestions { waiters: vec![waiter], asker, what });
                if what != Wanted::Keys {
                    self.tally.add(asker);
                }
                Parking::First
            }
            _ => Parking::Full,
        }
    }

    /// The question could not be asked: nobody waits.
    pub(crate) fn forget(&mut self, subject: Subject) {
        self.take(subject);
    }

    /// Those who wait for a verdict do so no longer.
    fn take(&mut self, subject: Subject) -> Vec<Waiter> {
        let Some(ParkedQuestions { waiters, asker, what }) = self.parked.remove(&subject) else {
            return Vec::new();
        };
        if what != Wanted::Keys {
            self.tally.remove(asker);
        }
        waiters
    }

    /// A verdict that is waited for in somebody's name.
    fn one_of(&self, asker: Asker) -> Option<(Subject, Wanted)> {
        let mut parked = self.parked.iter();
        let counts = |parked: &ParkedQuestions| parked.asker == asker && parked.what != Wanted::Keys;
        parked.find(|(_, parked)| counts(parked)).map(|(subject, parked)| (*subject, parked.what))
    }

    /// The verdict has come.
    pub(crate) fn tell(&mut self, verdict: Arc<Verdict>, now: WallTime) {
        let waiting = self.take(verdict.subject);
        self.told.extend(waiting.into_iter().map(|waiter| (waiter, Arc::clone(&verdict))));
        if now < verdict.until {
            if self.verdicts.len() >= VERDICTS_MAX {
                // To forget all is the cheapest, and costs each of them one question.
                self.verdicts.clear();
            }
            self.verdicts.insert(verdict.subject, verdict);
        }
    }

    /// The next connection that was told.
    pub(crate) fn next_told(&mut self) -> Option<(Waiter, Arc<Verdict>)> {
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

impl Wanted {
    /// What somebody is told for whom nobody is asked, since too many wait.
    pub(crate) fn busy(self) -> Denied {
        let (code, detail) = match self {
            Self::Name | Self::Keys => {
                (Code::HookBusy, "too many wait to be let in at this moment; try again soon")
            }
            Self::Page => {
                (Code::TakeoverBusy, "too many wait for the application at this moment; try again soon")
            }
            Self::Message => {
                let why = "too many messages wait for the application at this moment; try again soon";
                (Code::PublishHookBusy, why)
            }
        };
        Denied { code, detail: detail.to_owned() }
    }

    /// The same as a verdict.
    fn too_many(self) -> AuthAnswer {
        match self {
            Self::Name | Self::Keys => AuthAnswer::Failed(self.busy()),
            Self::Page | Self::Message => AuthAnswer::Unanswered(503, self.busy()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOMEBODY: Asker = Asker::Address(1);
    const NAME: Wanted = Wanted::Name;

    fn waiter(token: u64) -> Waiter {
        Waiter { token, ticket: 0 }
    }

    fn verdict(shown: &str, until: u64) -> Arc<Verdict> {
        let said = AuthAnswer::Refused(Denied { code: Code::HookRefused, detail: String::new() });
        Arc::new(Verdict { subject: Subject::of(shown), until: WallTime::from_millis(until), said })
    }

    #[test]
    fn the_first_asks_and_all_who_show_the_same_are_told() {
        let mut asking = OpenQuestions::default();
        let (a, b) = (Subject::of("a"), Subject::of("b"));
        let at = WallTime::from_millis;
        assert_eq!(
            (asking.park(a, waiter(1), SOMEBODY, NAME), asking.park(a, waiter(2), SOMEBODY, NAME)),
            (Parking::First, Parking::Joined)
        );
        assert_eq!((asking.park(b, waiter(3), SOMEBODY, NAME), asking.len()), (Parking::First, 2));
        asking.tell(verdict("a", 100), WallTime::PAST);
        assert_eq!(asking.next_told().map(|(waiter, _)| waiter.token), Some(1));
        assert_eq!(asking.next_told().map(|(waiter, _)| waiter.token), Some(2));
        assert!(!asking.has_told() && asking.len() == 1);
        assert!(asking.verdict(a, at(99)).is_some() && asking.verdict(a, at(100)).is_none());
        asking.tell(verdict("b", 0), WallTime::PAST);
        assert!(asking.has_told() && asking.verdict(b, WallTime::PAST).is_none());
    }

    #[test]
    fn there_are_limits_to_all_of_it() {
        let mut asking = OpenQuestions::default();
        for n in 0..SUBJECTS_MAX {
            assert_eq!(asking.park(Subject::of(&n.to_string()), waiter(0), SOMEBODY, NAME), Parking::First);
        }
        assert_eq!(asking.park(Subject::of("one too many"), waiter(0), SOMEBODY, NAME), Parking::Full);
        for _ in 1..PARKED_ALIKE_MAX {
            assert_eq!(asking.park(Subject::of("0"), waiter(0), SOMEBODY, NAME), Parking::Joined);
        }
        assert_eq!(asking.park(Subject::of("0"), waiter(0), SOMEBODY, NAME), Parking::Full);
        for n in 0..=VERDICTS_MAX {
            asking.tell(verdict(&n.to_string(), 1), WallTime::PAST);
            assert!(asking.verdicts.len() <= VERDICTS_MAX);
        }
    }

    #[test]
    fn a_newcomer_has_room_where_one_address_has_taken_all() {
        let mut asking = OpenQuestions::default();
        for n in 0..SUBJECTS_MAX {
            assert_eq!(
                asking.park(Subject::of(&n.to_string()), waiter(n as u64), SOMEBODY, NAME),
                Parking::First
            );
        }
        let other = Asker::Connection(0, 7);
        assert_eq!(asking.park(Subject::of("new"), waiter(9_999), other, NAME), Parking::First);
        let (gone, verdict) = asking.next_told().expect("somebody gave way");
        assert!(
            gone.token < SUBJECTS_MAX as u64
                && matches!(&verdict.said, AuthAnswer::Failed(why) if why.code == Code::HookBusy)
        );
        assert_eq!(asking.len(), SUBJECTS_MAX);
        assert_eq!(
            asking.park(Subject::of("more"), waiter(0), SOMEBODY, NAME),
            Parking::Full,
            "it has most itself"
        );
        // Whoever gave way is told nothing more when its verdict comes.
        asking.tell(
            Arc::new(Verdict { subject: verdict.subject, until: WallTime::PAST, said: AuthAnswer::Again }),
            WallTime::PAST,
        );
        assert!(!asking.has_told());
    }

    #[test]
    fn a_page_that_gives_way_is_told_so_as_pages_are() {
        let mut asking = OpenQuestions::default();
        for n in 0..SUBJECTS_MAX {
            asking.park(Subject::of(&n.to_string()), waiter(n as u64), SOMEBODY, Wanted::Page);
        }
        assert_eq!(asking.park(Subject::of("new"), waiter(9_999), Asker::Address(2), NAME), Parking::First);
        let (_, verdict) = asking.next_told().expect("somebody gave way");
        assert!(
            matches!(&verdict.said, AuthAnswer::Unanswered(503, why) if why.code == Code::TakeoverBusy),
            "{verdict:?}"
        );
    }
}
