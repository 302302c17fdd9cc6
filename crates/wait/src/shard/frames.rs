//! Frames that are for one client alone: of a message that comes by several channels, or beside what its client asked for.

use exchange::Frame;
use smallvec::SmallVec;
use transport::{Coder, Part};

use super::Shard;
use super::deliver::{Due, Form};
use crate::kernel::Kernel;

/// The frame of a message for one client alone.
pub(super) fn own_frame(due: &Due, beside: bool, Form { shape, coding, cursors }: Form) -> Frame {
    let mut out = Vec::new();
    let part = Part { message: due.message(), matches: &due.matches, beside };
    part.render(shape, cursors, &mut Coder::stored(coding), &mut out);
    out.into()
}

impl<K: Kernel> Shard<K> {
    /// Of what is due to a client: what came beside what it asked for.
    pub(super) fn besides(&self, index: usize, due: &[Due]) -> SmallVec<[bool; 4]> {
        let is_mixed = self.is_mixed(index);
        let beside = |due: &Due| is_mixed && self.is_beside(index, &due.owed.delivery.message, &due.matches);
        due.iter().map(beside).collect()
    }
}
