//! Which channels something holds for, as a number: which a store does not keep stands so on disk.

use crate::{Door, Rule};

/// Tells by a number which channels are not durable under these rules; 0: all are. Where it differs, other channels may be.
pub fn volatile_mark(rules: &[Rule]) -> u32 {
    mark(rules, |rule| rule.durable == Some(false))
}

/// Tells by a number in which channels users are told of; 0: in none.
pub(crate) fn presence_mark(rules: &[Rule]) -> u32 {
    mark(rules, |rule| rule.presence.is_some_and(|door| door != Door::Off))
}

/// Tells by a number for which channels this is so; 0: for none.
fn mark(rules: &[Rule], is_so: impl Fn(&Rule) -> bool) -> u32 {
    let last = rules.iter().rposition(&is_so);
    let rules = &rules[..last.map_or(0, |last| last + 1)];
    let bytes = rules.iter().flat_map(|rule| {
        let kind = if is_so(rule) { b'-' } else { b'+' };
        // No pattern holds a comma.
        rule.pattern.as_str().bytes().chain([b',', kind])
    });
    // FNV-1a: the same for ever and everywhere, since it is kept on disk.
    let mark = bytes.fold(0x811c_9dc5_u32, |mark, byte| (mark ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    if rules.is_empty() { 0 } else { mark.max(1) }
}
