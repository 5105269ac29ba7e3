//! Versions that only grow: the newest that this process has given to anybody, and the next.
//!
//! What was given out as the version of a list stands for a state of Coder; whatever changes afterwards must get a later one. So lists raise the
//! mark before they ask Coder, and changes are numbered above it. No two lists share a version, though nothing may have changed in between: what they have
//! shown is remembered by it, and of two that began in the same moment the slower one shows more.
//!
//! What has no content carries a mark of the process in place of a hash, with the four highest bits set. By it a version that this process has given
//! out is told from one of another replica, whose changes were numbered by another history. A fifth bit marks lists: what they show may be newer than the
//! moment of their version, while a bookmark stands for a place in the history. Where no Coder stands behind what is listed or watched the process is
//! none, 0: such a version is no place in anything's history, whichever replica gave it out.

use super::bytes::{Packer, Unpacker};
use super::shared::{SharedData, change};
use super::subject::Subject;
use crate::convert::resource_version::{HASH_BITS, HASH_MASK, resource_version};
use crate::time::Millis;
use std::rc::Rc;

/// Set in place of every hash that there is not.
const BARE: u64 = 0x1e << 16;
/// Set beside it in the versions of lists.
const LIST: u64 = 1 << 16;
/// What is left for the process, which is not 0.
const PROCESS: u64 = 0xffff;
/// The mark where there is no Coder.
const NOWHERE: u64 = BARE | LIST;

/// How far Coder's clock may be ahead of ours, in milliseconds.
const AHEAD: Millis = 5_000;

/// What stands in shared data.
#[derive(Clone, Copy, Default)]
struct Newest {
    /// The newest version.
    version: u64,
    /// Changes have versions that the history does not tell of yet.
    is_telling: bool,
}

impl Newest {
    fn read(bytes: &[u8]) -> Self {
        let mut bytes = Unpacker(bytes);
        let mut next = || bytes.number().unwrap_or_default();
        Self { version: next(), is_telling: next() != 0 }
    }

    fn packed(self) -> Vec<u8> {
        Packer::default().number(self.version).number(u64::from(self.is_telling)).0
    }
}

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
        Self { shared, newest: [prefix, "newest"].concat(), mark: BARE | (process & PROCESS).max(1) }
    }

    /// A version for a list that will be read from now on: later than all changes so far, and than all other lists.
    pub fn list_version(&self, now: Millis) -> u64 {
        self.version(now, self.mark | LIST)
    }

    /// A version for what the history will tell from now on: later than all changes so far.
    pub fn log_version(&self, now: Millis) -> u64 {
        self.version(now, self.mark)
    }

    /// The same of these; without any, a version for what no Coder stands behind.
    pub fn log_version_of(&self, subjects: &[Subject], now: Millis) -> u64 {
        if subjects.is_empty() { self.nowhere_version(now) } else { self.log_version(now) }
    }

    /// A version for what no Coder stands behind.
    pub fn nowhere_version(&self, now: Millis) -> u64 {
        self.version(now, NOWHERE)
    }

    /// The newest version that was given out, or that a client came with.
    pub fn newest(&self) -> u64 {
        self.read().version
    }

    /// Whether changes have been given versions that the history does not tell of yet: what is given out now is later than they are, and known before them.
    pub fn is_telling(&self) -> bool {
        self.read().is_telling
    }

    /// The history tells of all that was given a version, or never will.
    pub(super) fn told(&self) {
        self.change(&mut |newest| newest.is_telling.then_some(Newest { is_telling: false, ..newest }));
    }

    fn change(&self, to: &mut dyn FnMut(Newest) -> Option<Newest>) {
        change(&*self.shared, &self.newest, &mut |bytes| to(Newest::read(bytes)).map(Newest::packed));
    }

    fn read(&self) -> Newest {
        self.shared.get(&self.newest).map(|(newest, _)| Newest::read(&newest)).unwrap_or_default()
    }

    /// Notes that a client has a version, of whichever replica: all that is given out from now on is later, whatever that one's clock was.
    pub fn at_least(&self, version: u64) {
        self.change(&mut |newest| (version > newest.version).then_some(Newest { version, ..newest }));
    }

    fn version(&self, now: Millis, mark: u64) -> u64 {
        let mut version = resource_version(now, mark);
        self.change(&mut |newest| {
            version = resource_version(now, mark);
            if version <= newest.version {
                version = above(moment(newest.version), newest.version, mark);
                // The newest is such a version itself, and nothing came after it.
                if newest.version & HASH_MASK == mark && mark != self.mark | LIST {
                    version = newest.version;
                    return None;
                }
            }
            Some(Newest { version, ..newest })
        });
        version
    }

    /// Versions for changes, in their order: each has the moment that Coder stamped on it and its hash. Where that would not lie above all
    /// that was given out before, the present moment takes its place. [`Clock::told`] follows.
    pub(super) fn versions(&self, now: Millis, changes: &[(Option<Millis>, u64)]) -> Vec<u64> {
        let mut versions = Vec::with_capacity(changes.len());
        self.change(&mut |newest| {
            let mut newest = newest.version;
            versions.clear();
            for (stamp, hash) in changes {
                let next = match stamp {
                    // A moment that lies far ahead would leave no room for those that come.
                    Some(stamp) => Some(resource_version(*stamp, *hash))
                        .filter(|version| *version > newest && *stamp <= now.saturating_add(AHEAD))
                        .unwrap_or_else(|| above(now, newest, *hash)),
                    // A deletion has no content; the lowest version will do.
                    None => above(0, newest, self.mark),
                };
                versions.push(next);
                newest = next;
            }
            Some(Newest { version: newest, is_telling: true })
        });
        versions
    }

    /// Whether a version is a list's of this process.
    pub fn is_list(&self, version: u64) -> bool {
        version & HASH_MASK == self.mark | LIST
    }

    /// Whether a version is of what no Coder stood behind, given out by whichever replica.
    pub fn is_nowhere(&self, version: u64) -> bool {
        version & HASH_MASK == NOWHERE
    }

    /// Whether a version is a bookmark's or a deletion's of this process.
    pub fn is_log(&self, version: u64) -> bool {
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
        assert_eq!((moment(list), clock.is_list(list), clock.is_log(list)), (100, true, false));
        let other = clock.list_version(100);
        assert!(other > list, "another list");
        assert!(clock.list_version(90) > other, "nor does a clock that was set back change that");
        let log = clock.log_version(100);
        assert_eq!(clock.log_version(100), log, "nothing has changed");
        let changes = clock.versions(120, &[(Some(110), 5), (Some(110), 4), (None, 0), (Some(99), 6)]);
        assert_eq!(changes[0], resource_version(110, 5), "Coder's own moment");
        assert_eq!(changes[1], resource_version(120, 4), "the present, where Coder's is not above the last");
        assert!(changes.windows(2).all(|pair| pair[0] < pair[1]), "{changes:?}");
        assert!(clock.list_version(115) > changes[3]);
        let ahead = clock.versions(120, &[(Some(Millis::MAX), 1), (Some(121), 2)]);
        assert!(moment(ahead[1]) < 200, "a moment far ahead leaves room for what comes");
        let list = clock.list_version(115);
        assert!(clock.versions(115, &[(Some(115), 1)])[0] > list);
    }

    #[test]
    fn changes_are_being_told_until_it_is_said_that_they_have_been() {
        let clock = Clock::new(Rc::new(Alone::default()), "p.", 7);
        assert!(!clock.is_telling());
        let change = clock.versions(100, &[(Some(100), 5)]);
        let log = clock.log_version(110);
        clock.at_least(log.saturating_add(5));
        clock.list_version(120);
        assert!(clock.is_telling() && log > change[0], "whatever else is given out meanwhile");
        clock.told();
        assert!(!clock.is_telling());
    }

    #[test]
    fn what_a_client_has_of_another_replica_is_passed() {
        let shared = || Rc::new(Alone::default());
        let (here, there) = (Clock::new(shared(), "p.", 7), Clock::new(shared(), "p.", 8));
        for of_another in [there.log_version(900), there.list_version(950), resource_version(990, 5)] {
            here.at_least(of_another);
            assert!(here.log_version(100) > of_another);
            here.at_least(of_another);
            assert!(here.list_version(100) > of_another);
            assert!(here.versions(100, &[(Some(100), 1)])[0] > of_another);
        }
        let log = here.log_version(100);
        here.at_least(5);
        assert_eq!(here.log_version(100), log, "what is older changes nothing");
    }
}
