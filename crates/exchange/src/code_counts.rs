//! Refusals, counted by their code.

use hub::Code;

use crate::sync::{AtomicU64, Ordering};

/// One counter for each code there is.
#[derive(Debug)]
pub struct CodeCounts([AtomicU64; Code::COUNT]);

impl Default for CodeCounts {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl CodeCounts {
    /// Something was refused with this code.
    pub fn add(&self, code: Code) {
        self.0[code.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were by code: of each that `is_named` one by one, even if there were none, and of all others
    /// together, under `other`.
    pub fn by_code(&self, is_named: fn(Code) -> bool) -> impl Iterator<Item = (&'static str, u64)> {
        let (named, others): (Vec<Code>, Vec<Code>) = Code::all().partition(|code| is_named(*code));
        let other = others.into_iter().map(|code| self.read(code)).sum();
        let named = named.into_iter().map(|code| (code.name(), self.read(code)));
        named.chain([("other", other)])
    }

    fn read(&self, code: Code) -> u64 {
        self.0[code.index()].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_counter() {
        let counts = CodeCounts::default();
        for code in Code::all().chain([Code::Ttl, Code::Poison]) {
            counts.add(code);
        }
        let counted: Vec<_> = counts.by_code(Code::is_of_in).filter(|(_, count)| *count != 1).collect();
        let others = Code::all().filter(|code| !code.is_of_in()).count() as u64 + 1;
        assert_eq!(counted, [("ttl", 2), ("other", others)]);
    }
}
