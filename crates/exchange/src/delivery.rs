//! A message on its way to clients, with the frames it has been rendered to.
//!
//! A frame is rendered at most once per message and shape, lazily, by whichever shard needs it first.
//! Nobody gets one who may not see the message: to ask for it takes a [`Visible`].
//!
//! History holds messages, not deliveries: frames live as long as a delivery or a slow reader does.

use std::sync::{Arc, OnceLock};

use hub::{ChannelId, Message, Visible};
use smallvec::SmallVec;

use crate::limits::{SHAPES_MAX, SHARED_MATCHES_MAX};

/// Bytes as they go to clients, shared by all who get the same.
pub type Frame = Arc<[u8]>;

/// A released message and its frames.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// The records of its channels, in the order of its targets; [`ChannelId::NONE`] where there is none.
    pub channels: SmallVec<[ChannelId; 1]>,
    /// When it was released, in microseconds of [`Clock::now_us`](crate::Clock::now_us).
    pub released_us: u64,
    /// The first frame asked for: most messages are needed in one shape only.
    first: OnceLock<(usize, Frame)>,
    /// All others, by match and shape.
    more: OnceLock<Box<[OnceLock<Frame>]>>,
}

impl Delivery {
    /// A delivery of which nothing is rendered yet.
    pub fn new(message: Message, channels: SmallVec<[ChannelId; 1]>, released_us: u64) -> Self {
        Self { message, channels, released_us, first: OnceLock::new(), more: OnceLock::new() }
    }

    /// The frame for a client who may see the message and whose one match is the target of index `matched`, in
    /// `shape`; renders it if nobody did before.
    ///
    /// ```compile_fail,E0308
    /// # use multiplexor_exchange::Delivery;
    /// fn leak(delivery: &Delivery) {
    ///     delivery.frame(&delivery.message, 0, 0, || Vec::new()); // nobody was asked whether its reader may see it
    /// }
    /// ```
    pub fn frame(
        &self,
        message: Visible<'_>,
        matched: usize,
        shape: usize,
        render: impl FnOnce() -> Vec<u8>,
    ) -> FrameRef<'_> {
        debug_assert_eq!(message.position, self.message.position, "a reader of another message");
        debug_assert!(shape < SHAPES_MAX && matched < self.message.targets().len());
        if matched >= SHARED_MATCHES_MAX {
            return FrameRef::Own(render().into());
        }
        let slot = matched * SHAPES_MAX + shape;
        let mut render = Some(render);
        let (first_slot, first) = self.first.get_or_init(|| (slot, draw(&mut render)));
        if *first_slot == slot {
            return FrameRef::Shared(first);
        }
        let slots = self.message.targets().len().min(SHARED_MATCHES_MAX) * SHAPES_MAX;
        let more = self.more.get_or_init(|| (0..slots).map(|_| OnceLock::new()).collect());
        FrameRef::Shared(more[slot].get_or_init(|| draw(&mut render)))
    }
}

/// Renders, once.
fn draw(render: &mut Option<impl FnOnce() -> Vec<u8>>) -> Frame {
    let render = render.take().expect("a call fills at most one slot");
    render().into()
}

/// A frame, borrowed where it is shared.
#[derive(Debug)]
pub enum FrameRef<'a> {
    /// Kept by the delivery.
    Shared(&'a Frame),
    /// Rendered for this reader alone.
    Own(Frame),
}

impl std::ops::Deref for FrameRef<'_> {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        match self {
            Self::Shared(frame) => frame,
            Self::Own(frame) => frame,
        }
    }
}
