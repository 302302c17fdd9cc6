//! Messages whose place somebody else gave: a log that several hubs read, so that all of them have one order.

use crate::hub::{Keeping, Ordered, What};
use crate::{Hub, Millis, Position, Publish, Refused, Released};

impl Hub {
    /// All stages of a message in one step, at its place and time in such a log. There may be holes between places. Changes
    /// of presence that it brings about have the places right behind it. What was ordered before is released with it.
    ///
    /// False: the place is not behind the last one given. The message was admitted before or comes too late, and nothing is
    /// done. Where it is refused, its place stays empty.
    ///
    /// A hub that tells a store admits nothing: what goes to make room for a message would be told before it.
    pub fn admit(
        &mut self,
        position: Position,
        time: Millis,
        publish: Publish,
        out: &mut Vec<Released>,
    ) -> Result<bool, Refused> {
        debug_assert!(self.keeping == Keeping::Nothing);
        let now = self.advance(time);
        if position <= self.last || position > Position::LAST_ORDERED {
            self.trash.refused.push(publish);
            return if position <= self.last { Ok(false) } else { Err(Refused::Exhausted) };
        }
        // Its place is taken before anything else happens, and empty until it is known whether it is refused.
        let at = self.ordered.len();
        self.last = position;
        self.ordered.push_back(Ordered { what: What::Deletion(position, now), waits: false });
        let composed = self.compose(publish, Some(position), now).map(|ordered| self.ordered[at] = ordered);
        self.release(position, now, out);
        composed.map(|()| true)
    }
}
