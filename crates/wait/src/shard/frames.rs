//! Frames that are for one client alone: of a message that comes by several channels, or beside what its client asked for.

use exchange::Frame;
use smallvec::SmallVec;
use transport::{Coder, Part};

use super::Shard;
use super::deliver::{DueTargets, FrameForm};
use crate::kernel::Kernel;

/// The frame of a message for one client alone.
pub(super) fn own_frame(
    due: &DueTargets,
    beside: bool,
    FrameForm { shape, coding, cursors }: FrameForm,
) -> Frame {
    let mut out = Vec::new();
    let part = Part { message: due.message(), matches: &due.matches, beside };
    part.render(shape, cursors, &mut Coder::stored(coding), &mut out);
    out.into()
}

impl<K: Kernel> Shard<K> {
    /// Of what is due to a client: what came beside what it asked for.
    pub(super) fn besides(&self, index: usize, due: &[DueTargets]) -> SmallVec<[bool; 4]> {
        let is_mixed = self.is_mixed(index);
        let beside =
            |due: &DueTargets| is_mixed && self.is_beside(index, &due.owed.delivery.message, &due.matches);
        due.iter().map(beside).collect()
    }
}
