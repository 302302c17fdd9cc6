//! Which channels a store does not keep, as a number that stands on disk.

use crate::Rule;

/// Tells by a number which channels are not durable under these rules; 0: all are. Where it differs, other channels may be.
pub fn volatile_mark(rules: &[Rule]) -> u32 {
    let last = rules.iter().rposition(|rule| rule.durable == Some(false));
    let rules = &rules[..last.map_or(0, |last| last + 1)];
    let bytes = rules.iter().flat_map(|rule| {
        let kind = if rule.durable == Some(false) { b'-' } else { b'+' };
        // No pattern holds a comma.
        rule.pattern.as_str().bytes().chain([b',', kind])
    });
    // FNV-1a: the same for ever and everywhere, since it is kept on disk.
    let mark = bytes.fold(0x811c_9dc5_u32, |mark, byte| (mark ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    if rules.is_empty() { 0 } else { mark.max(1) }
}
