//! What one client got of its channel: whether a message is new, late, or there already.

/// The messages a client got, by their ordinals in its channel, from 1.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Track {
    /// The highest ordinal that came; 0 before the first.
    highest: u32,
    /// Bit n: the ordinal `highest - n` came.
    seen: u64,
}

/// What a message that came is to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrackVerdict {
    /// It came for the first time, and after those before it.
    New,
    /// It came for the first time, but one after it was there already.
    Disordered,
    /// It came before. So counts, too, what is older than the last 64, since that is not remembered:
    /// such a message is missed in what came, and a loss is never hidden.
    Doubled,
}

impl Track {
    /// Takes note of a message that came.
    pub(crate) fn take(&mut self, ordinal: u32) -> TrackVerdict {
        if ordinal > self.highest {
            let step = ordinal - self.highest;
            self.seen = self.seen.checked_shl(step).unwrap_or(0) | 1;
            self.highest = ordinal;
            return TrackVerdict::New;
        }
        let bit = 1_u64.checked_shl(self.highest - ordinal).unwrap_or(0);
        if bit == 0 || self.seen & bit != 0 {
            return TrackVerdict::Doubled;
        }
        self.seen |= bit;
        TrackVerdict::Disordered
    }
}

#[cfg(test)]
mod tests {
    use super::TrackVerdict::{Disordered, Doubled, New};
    use super::*;
    use proptest::prelude::*;

    fn check(ordinals: &[u32], expected: &[TrackVerdict]) {
        let mut track = Track::default();
        let told: Vec<_> = ordinals.iter().map(|ordinal| track.take(*ordinal)).collect();
        assert_eq!(told, expected, "{ordinals:?}");
    }

    #[test]
    fn what_follows_is_new_even_after_a_hole() {
        check(&[1, 2, 3, 9, 500, 501], &[New; 6]);
    }

    #[test]
    fn what_comes_again_is_doubled() {
        check(&[1, 1, 2, 1, 2], &[New, Doubled, New, Doubled, Doubled]);
    }

    #[test]
    fn what_fills_a_hole_is_disordered_once() {
        check(&[1, 3, 2, 2, 3], &[New, New, Disordered, Doubled, Doubled]);
    }

    #[test]
    fn what_is_too_old_to_be_known_counts_as_doubled() {
        check(&[1, 66, 2, 3, 1], &[New, New, Doubled, Disordered, Doubled]);
    }

    proptest! {
        /// Whatever comes in whatever order within the window: each ordinal is new or disordered once.
        #[test]
        fn every_message_counts_once(ordinals in prop::collection::vec(1_u32..=60, 0..200)) {
            let mut track = Track::default();
            let mut known = std::collections::HashSet::new();
            for ordinal in ordinals {
                let highest = known.iter().max().copied().unwrap_or(0);
                let expected = if !known.insert(ordinal) {
                    Doubled
                } else if ordinal > highest {
                    New
                } else {
                    Disordered
                };
                prop_assert_eq!(track.take(ordinal), expected);
            }
        }
    }
}
