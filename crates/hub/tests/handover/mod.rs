//! Another program goes on in the place of this one: all that the hub knows goes over as bytes.

use multiplexor_hub::{FrozenPiece, Hub, Limits};

/// The hub goes on in another program of these limits, where nothing is under way.
pub(crate) fn hand_over(hub: &mut Hub, limits: &Limits) {
    if !hub.is_at_rest() {
        return;
    }
    let mut pieces = Vec::new();
    hub.freeze(|piece| pieces.push(postcard::to_stdvec(&piece).expect("plain data fit a vector")));
    let piece =
        |bytes: &Vec<u8>| postcard::from_bytes::<FrozenPiece>(bytes).expect("what was written is read");
    *hub = Hub::thaw(limits.clone(), pieces.iter().map(piece)).expect("the limits are the same");
    hub.audit();
}
