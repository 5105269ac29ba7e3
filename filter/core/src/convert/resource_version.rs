//! resourceVersion: T × 2²¹ + H, a positive decimal below 2⁶³.
//!
//! T is milliseconds, the newest moment that Coder stamped on what the LIST form shows; H is 21 bits of the LIST
//! form's hash, so that a change which Coder does not stamp (a schedule, a rename, a promotion) changes the version
//! too. Whether a version lies above an earlier one of the same object is for the reading's history to see.

use super::{Import, template, workspace};
use crate::coder;
use crate::time::Millis;

/// How many bits of the hash a version carries.
pub const HASH_BITS: u32 = 21;
/// Mask of those bits.
pub const HASH_MASK: u64 = (1 << HASH_BITS) - 1;
/// The last millisecond that fits (in the year 2109).
const T_MAX: Millis = (1 << 42) - 1;

/// The version of an object whose LIST form has this hash.
pub fn resource_version(newest: Millis, hash: u64) -> u64 {
    let t = newest.clamp(0, T_MAX).unsigned_abs();
    // Below 2^63 by the clamp; at least 1, because "0" means "any" to Kubernetes.
    (t.saturating_mul(HASH_MASK.saturating_add(1)) | (hash & HASH_MASK)).max(1)
}

/// The version of a list that was read at `now`: not below any of its items' versions.
pub fn list_resource_version(now: Millis, items: impl IntoIterator<Item = u64>) -> u64 {
    items.into_iter().fold(resource_version(now, HASH_MASK), u64::max)
}

/// T of a workspace.
pub fn newest_of_workspace(w: &coder::Workspace<'_>) -> Millis {
    workspace::newest(w)
}

/// T of a template.
pub fn newest_of_template(t: &coder::Template<'_>, import: Import<'_>) -> Millis {
    template::newest(t, import)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges() {
        assert_eq!(resource_version(0, 0), 1);
        assert_eq!(resource_version(-5, 7), 7);
        assert_eq!(resource_version(1, u64::MAX), (2 << 21) - 1);
        assert!(resource_version(Millis::MAX, u64::MAX) < 1 << 63);
        assert_eq!(list_resource_version(1, []), (2 << 21) - 1);
        assert_eq!(list_resource_version(1, [9 << 21]), 9 << 21);
    }

    proptest! {
        #[test]
        fn positive_and_below_two_to_the_63(newest: i64, hash: u64) {
            let version = resource_version(newest, hash);
            prop_assert!((1..1 << 63).contains(&version));
        }

        #[test]
        fn a_later_moment_wins_whatever_the_hash(t in 0..T_MAX, later in 1i64..1_000_000, a: u64, b: u64) {
            let later = t.saturating_add(later).min(T_MAX);
            prop_assert!(resource_version(later, a) > resource_version(t, b) || later == t);
        }

        #[test]
        fn equal_content_is_seen_by_the_hash_alone(t in 1..T_MAX, hash: u64) {
            prop_assert_eq!(resource_version(t, hash) & HASH_MASK, hash & HASH_MASK);
        }

        #[test]
        fn a_list_is_not_below_its_items(now in 0..T_MAX, items in prop::collection::vec((0..T_MAX, any::<u64>()), 0..9)) {
            let items: Vec<u64> = items.into_iter().map(|(t, hash)| resource_version(t, hash)).collect();
            let list = list_resource_version(now, items.iter().copied());
            prop_assert!(items.iter().all(|item| *item <= list));
        }
    }
}
