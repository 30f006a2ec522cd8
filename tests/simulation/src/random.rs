//! Numbers in a fixed order that look random (SplitMix64): the same seed gives the same ones.

use std::cell::Cell;
use std::rc::Rc;

/// A source of numbers; clones share its state.
#[derive(Debug, Clone)]
pub struct Random(Rc<Cell<u64>>);

impl Random {
    /// Numbers of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Rc::new(Cell::new(seed)))
    }

    /// Another source, whose numbers do not depend on how far this one is read later.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::new(self.next())
    }

    /// 64 bits.
    #[must_use]
    pub fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    #[must_use]
    pub fn below(&self, end: u64) -> u64 {
        self.next() % end
    }

    /// True in `permille` of 1,000 cases.
    #[must_use]
    pub fn chance(&self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// One of these.
    #[must_use]
    pub fn pick<'a, T>(&self, items: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(items.len() as u64)).unwrap_or(0);
        &items[at]
    }

    /// Fills bytes.
    pub fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            let number = self.next().to_le_bytes();
            part.copy_from_slice(&number[..part.len()]);
        }
    }
}
