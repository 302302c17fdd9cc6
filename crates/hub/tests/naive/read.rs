//! Pages, the plain way: all that is owed, sorted, as much of it as one page holds.

use std::collections::BTreeSet;

use multiplexor_hub::limits::PAGE_BYTES_MAX;

use super::Naive;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum From {
    Now,
    Everything,
    After(u64),
    Lost,
    Time(u64),
    Tail(u32),
    More { after: u64, trims: u64, begun: u64, tail: Option<(u32, u64)> },
}

pub(crate) struct Read {
    pub(crate) places: Vec<u64>,
    pub(crate) gaps: Vec<u16>,
    pub(crate) more: Option<From>,
}

impl Naive {
    pub(crate) fn read(&mut self, channels: &[usize], from: From, limit: usize) -> Read {
        if from == From::Now {
            return Read { places: Vec::new(), gaps: Vec::new(), more: None };
        }
        let known: Vec<usize> = channels.iter().copied().filter(|c| self.records.contains_key(c)).collect();
        for &channel in &known {
            self.expire(channel);
        }
        let (after, tail) = match from {
            From::After(place) if place <= self.end => (place, None),
            From::Tail(count) => (0, Some((count, self.end))),
            From::More { after, tail, .. } => (after, tail),
            From::Time(time) => {
                let all = known.iter().flat_map(|c| self.held(*c));
                (all.filter(|place| self.said(**place).time < time).max().copied().unwrap_or(0), None)
            }
            _ => (0, None),
        };
        let gaps = (0..channels.len()).filter(|n| self.is_gap(channels[*n], from));
        let gaps = gaps.map(|n| n as u16).collect();
        let mut owed = BTreeSet::new();
        for &channel in &known {
            let from = tail.map_or(0, |(count, end)| {
                let before: Vec<u64> = self.messages(channel).filter(|p| **p <= end).copied().collect();
                let first = before.len().checked_sub(count as usize);
                if count == 0 { end + 1 } else { first.map_or(0, |first| before[first]) }
            });
            // Who never had what was taken back is not told of it.
            let told = |place: &u64| self.said(*place).takes.is_none_or(|taken| taken <= after);
            let held = self.held(channel).iter().filter(|place| **place >= from && **place > after);
            owed.extend(held.filter(|place| told(place)));
        }
        let mut read = Read { places: Vec::new(), gaps, more: None };
        let mut bytes = 0;
        for place in owed {
            bytes += self.said(place).len;
            if read.places.len() == limit || (!read.places.is_empty() && bytes > PAGE_BYTES_MAX) {
                let after = read.places.last().copied().unwrap_or(after);
                let told = matches!(from, From::After(_) | From::Lost | From::More { .. });
                let begun = if told { u64::MAX } else { self.end };
                read.more = Some(From::More { after, trims: self.trims, begun, tail });
                break;
            }
            read.places.push(place);
        }
        read
    }

    /// A page backwards: its places, where it ends, whether more is left, and whether something is gone.
    pub(crate) fn older(&mut self, channel: usize, before: u64, limit: usize) -> (Vec<u64>, u64, bool, bool) {
        let is_known = self.records.contains_key(&channel);
        if is_known {
            self.expire(channel);
        }
        let held: Vec<u64> = if is_known { self.held(channel).to_vec() } else { Vec::new() };
        let mut left: Vec<u64> = held.into_iter().filter(|place| *place < before).collect();
        let (mut places, mut bytes, mut first) = (Vec::new(), 0, before);
        while let Some(place) = left.last().copied() {
            if self.said(place).takes.is_none() {
                bytes += self.said(place).len;
                if places.len() == limit || (!places.is_empty() && bytes > PAGE_BYTES_MAX) {
                    break;
                }
                places.insert(0, place);
            }
            first = place;
            left.pop();
        }
        let watermark = self.records.get(&channel).map_or(self.floor.0, |record| record.watermark);
        let more = !left.is_empty();
        (places, first, more, watermark > if more { first } else { 0 })
    }

    fn is_gap(&self, channel: usize, from: From) -> bool {
        let record = self.records.get(&channel);
        let (watermark, trimmed_at) = record.map_or(self.floor, |r| (r.watermark, r.trimmed_at));
        match from {
            From::Lost => true,
            From::After(place) => place > self.end || watermark > place,
            From::More { after, trims, begun, tail } => {
                let enough = tail.is_some_and(|(count, end)| {
                    let left = record.map_or(0, |_| self.messages(channel).filter(|p| **p <= end).count());
                    left >= count as usize
                });
                watermark > after && (trimmed_at > trims || watermark > begun) && !enough
            }
            _ => false,
        }
    }
}
