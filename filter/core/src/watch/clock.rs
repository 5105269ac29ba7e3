//! Versions that only grow: the newest that this process has given to anybody, and the next.
//!
//! What was given out as the version of a list stands for a state of Coder; whatever changes afterwards must get a later one. So lists raise the
//! mark before they ask Coder, and changes are numbered above it.
//!
//! Versions of lists carry a mark of the process in place of a hash, with the five highest bits set. By it a version that this process has given out is told from one of
//! another replica, whose changes were numbered by another history.

use super::bytes::{Packer, Unpacker};
use super::shared::{SharedData, change};
use crate::convert::resource_version::{HASH_BITS, HASH_MASK, resource_version};
use crate::time::Millis;
use std::rc::Rc;

/// Set in the hash of every list's version.
const LIST: u64 = 0x1f << 16;
/// What is left for the process.
const PROCESS: u64 = 0xffff;

/// See the module.
pub struct Clock {
    shared: Rc<dyn SharedData>,
    newest: String,
    /// In place of a hash.
    mark: u64,
}

/// The moment of a version, in milliseconds since the Unix epoch.
pub fn moment(version: u64) -> Millis {
    i64::try_from(version >> HASH_BITS).unwrap_or(Millis::MAX)
}

impl Clock {
    pub(super) fn new(shared: Rc<dyn SharedData>, prefix: &str, process: u64) -> Self {
        Self { shared, newest: [prefix, "newest"].concat(), mark: LIST | (process & PROCESS) }
    }

    /// A version for a list, or for any state of Coder that will be read from now on: later than all that was given out before, or the same where
    /// nothing has changed since.
    pub fn list_version(&self, now: Millis) -> u64 {
        let mut version = resource_version(now, self.mark);
        change(&*self.shared, &self.newest, &mut |newest| {
            let newest = Unpacker(newest).number().unwrap_or_default();
            version = resource_version(now, self.mark);
            if version <= newest {
                version = above(moment(newest), newest, self.mark);
                // The newest is such a version itself, and nothing came after it.
                if newest & HASH_MASK == self.mark {
                    version = newest;
                    return None;
                }
            }
            Some(Packer::default().number(version).0)
        });
        version
    }

    /// Versions for changes, in their order: each has the moment that Coder stamped on it and its hash. Where that would not lie above all
    /// that was given out before, the present moment takes its place.
    pub(super) fn versions(&self, now: Millis, changes: &[(Option<Millis>, u64)]) -> Vec<u64> {
        let mut versions = Vec::with_capacity(changes.len());
        change(&*self.shared, &self.newest, &mut |newest| {
            let mut newest = Unpacker(newest).number().unwrap_or_default();
            versions.clear();
            for (stamp, hash) in changes {
                let next = match stamp {
                    Some(stamp) => Some(resource_version(*stamp, *hash))
                        .filter(|version| *version > newest)
                        .unwrap_or_else(|| above(now, newest, *hash)),
                    // A deletion has no content; the lowest version will do.
                    None => above(0, newest, self.mark),
                };
                versions.push(next);
                newest = next;
            }
            Some(Packer::default().number(newest).0)
        });
        versions
    }

    /// Whether a version is one that [`Clock::list_version`] has given out in this process.
    pub fn is_own(&self, version: u64) -> bool {
        version & HASH_MASK == self.mark
    }
}

/// The lowest version of that hash that is above another one, not before `moment`.
fn above(moment_: Millis, other: u64, hash: u64) -> u64 {
    let first = moment_.max(moment(other));
    let version = resource_version(first, hash);
    if version > other { version } else { resource_version(first.saturating_add(1), hash) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Alone;

    #[test]
    fn versions_only_grow() {
        let clock = Clock::new(Rc::new(Alone::default()), "p.", 7);
        let list = clock.list_version(100);
        assert_eq!((moment(list), clock.is_own(list)), (100, true));
        assert_eq!(clock.list_version(100), list, "nothing has changed");
        assert_eq!(clock.list_version(90), list, "nor does a clock that was set back change anything");
        let changes = clock.versions(120, &[(Some(110), 5), (Some(110), 4), (None, 0), (Some(99), 6)]);
        assert_eq!(changes[0], resource_version(110, 5), "Coder's own moment");
        assert_eq!(changes[1], resource_version(120, 4), "the present, where Coder's is not above the last");
        assert!(changes.windows(2).all(|pair| pair[0] < pair[1]), "{changes:?}");
        assert!(clock.list_version(115) > changes[3]);
        let list = clock.list_version(115);
        assert!(clock.versions(115, &[(Some(115), 1)])[0] > list);
    }
}
