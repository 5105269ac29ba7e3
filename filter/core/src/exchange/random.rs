//! Numbers that differ: from one to the next, from one worker to another, between replicas and after a restart. Nothing may depend on nobody
//! guessing them.
//!
//! A proxy-wasm module has no randomness of its own, and Envoy gives no id to requests here (`generate_request_id: false`). But kube-apiserver puts a
//! random UUID into every answer, `Audit-Id`, and nothing is answered here that it was not asked about: 122 bits, of which each worker sees others.
//! They are stirred together with the clock.

use crate::time::Millis;
use std::cell::Cell;
use twox_hash::XxHash64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Random(Cell<u64>);

impl Random {
    /// Mixes something in.
    pub(super) fn stir(&self, bytes: &[u8]) {
        self.0.set(XxHash64::oneshot(self.0.get(), bytes));
    }

    /// Another number.
    pub(super) fn next(&self, now: Millis) -> u64 {
        self.stir(&now.to_le_bytes());
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_differ() {
        let draw = |seen: &[u8]| {
            let random = Random::default();
            random.stir(seen);
            (0..1000).map(|_| random.next(0)).collect::<BTreeSet<_>>()
        };
        let (one, other) =
            (draw(b"0e7d2d0c-1f2c-4f5e-9a38-6d3c1d0f7c11"), draw(b"0e7d2d0c-1f2c-4f5e-9a38-6d3c1d0f7c12"));
        assert_eq!((one.len(), other.len()), (1000, 1000));
        assert_eq!(one.intersection(&other).count(), 0);
    }
}
