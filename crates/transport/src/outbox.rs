//! What a slow reader is still owed: references to shared frames, in order.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use smallvec::SmallVec;

/// Frames not yet taken by the kernel.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    frames: VecDeque<Arc<[u8]>>,
    /// Bytes of the first frame that are sent already; less than its length.
    sent: usize,
    /// Bytes not sent yet, of all frames.
    len: usize,
}

impl Outbox {
    /// Bytes not sent yet.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Appends a frame of which `sent` bytes have gone out already. Only the first may have any.
    pub fn push(&mut self, frame: Arc<[u8]>, sent: usize) {
        debug_assert!(sent < frame.len() && (sent == 0 || self.is_empty()));
        if self.is_empty() {
            self.sent = sent;
        }
        self.len += frame.len() - sent;
        self.frames.push_back(frame);
    }

    /// The front of what is owed, in at most `max` slices.
    pub fn slices(&self, max: usize) -> SmallVec<[IoSlice<'_>; 8]> {
        let mut slices: SmallVec<[IoSlice<'_>; 8]> =
            self.frames.iter().take(max).map(|frame| IoSlice::new(frame)).collect();
        if let Some(first) = slices.first_mut() {
            first.advance(self.sent);
        }
        slices
    }

    /// The kernel took so many bytes from the front.
    pub fn advance(&mut self, mut taken: usize) {
        self.len -= taken;
        while let Some(first) = self.frames.front() {
            let left = first.len() - self.sent;
            if taken < left {
                self.sent += taken;
                return;
            }
            taken -= left;
            self.sent = 0;
            self.frames.pop_front();
        }
        debug_assert_eq!(taken, 0);
    }

    /// Forgets all but the rest of the frame that is half sent.
    pub fn cut(&mut self) {
        let keep = usize::from(self.sent > 0);
        self.frames.truncate(keep);
        self.len = self.frames.front().map_or(0, |frame| frame.len() - self.sent);
    }

    /// All bytes still owed, for a connection that is handed over: the rest of a frame that is half sent, and the others.
    pub fn freeze(&self) -> (Vec<u8>, Vec<u8>) {
        let is_cut = usize::from(self.sent > 0);
        let half = self.frames.iter().take(is_cut).flat_map(|frame| &frame[self.sent..]);
        (
            half.copied().collect(),
            self.frames.iter().skip(is_cut).flat_map(|frame| &**frame).copied().collect(),
        )
    }

    /// What is owed by what [`Self::freeze`] gave.
    pub fn thaw(half: &[u8], whole: Vec<u8>) -> Self {
        let mut outbox = Self::default();
        if !half.is_empty() {
            // What was sent of it is nobody's business, but that something was.
            let mut frame = vec![0];
            frame.extend_from_slice(half);
            outbox.push(frame.into(), 1);
        }
        if !whole.is_empty() {
            outbox.push(whole.into(), 0);
        }
        outbox
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All bytes that are owed.
    fn all_of(outbox: &Outbox) -> Vec<u8> {
        let (half, whole) = outbox.freeze();
        [half, whole].concat()
    }

    /// However the kernel takes it, the bytes come out whole and in order.
    #[test]
    fn bytes_leave_in_order_at_every_step() {
        for step in 1..=9 {
            let mut outbox = Outbox::default();
            outbox.push(Arc::from(*b"-abc"), 1);
            outbox.push(Arc::from(*b"d"), 0);
            outbox.push(Arc::from(*b"efgh"), 0);
            let mut out = Vec::new();
            while !outbox.is_empty() {
                let bytes: Vec<u8> = outbox.slices(2).iter().flat_map(|slice| slice.to_vec()).collect();
                let taken = step.min(bytes.len());
                out.extend_from_slice(&bytes[..taken]);
                assert_eq!(outbox.len(), 8 - (out.len() - taken));
                outbox.advance(taken);
                assert_eq!(all_of(&outbox).len(), outbox.len());
                let (half, whole) = outbox.freeze();
                outbox = Outbox::thaw(&half, whole);
            }
            assert_eq!(out, b"abcdefgh", "step {step}");
        }
    }
    #[test]
    fn a_cut_leaves_only_the_frame_that_is_half_sent() {
        for (taken, rest) in [(0, &b""[..]), (2, b"c"), (3, b""), (4, b"ef")] {
            let mut outbox = Outbox::default();
            outbox.push(Arc::from(*b"abc"), 0);
            outbox.push(Arc::from(*b"def"), 0);
            outbox.advance(taken);
            let (half, whole) = outbox.freeze();
            let mut thawed = Outbox::thaw(&half, whole);
            thawed.cut();
            outbox.cut();
            assert_eq!(all_of(&thawed), all_of(&outbox));
            assert_eq!(
                (all_of(&outbox), outbox.len(), outbox.is_empty()),
                (rest.to_vec(), rest.len(), rest.is_empty())
            );
            outbox.push(Arc::from(*b"bye"), 0);
            assert_eq!(all_of(&outbox), [rest, b"bye"].concat());
        }
    }
}
