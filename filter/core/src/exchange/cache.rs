//! A small map whose entries expire: decisions of RBAC, names of callers, parameters of builds.
//!
//! Bounded in number, bytes and age, one for each worker. Keys may hold credentials, so nothing of it is ever printed.

use crate::time::{Millis, has_come};
use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;

/// Bytes that the keys of a cache may have, all together: callers choose how long theirs are.
const KEYS: usize = 4 << 20;
/// And each: longer ones are not remembered.
const KEY: usize = KEYS / 64;

/// What is remembered. It does not know the value's type, so that its code is there once.
struct Entry {
    key: Vec<u8>,
    expires: Millis,
    value: Box<dyn Any>,
}

/// See the module.
pub(super) struct Cache<V> {
    /// By their keys. There are so few that moving them costs less than a tree's code.
    entries: RefCell<Vec<Entry>>,
    lifetime: Millis,
    capacity: usize,
    values: PhantomData<V>,
}

impl<V: Clone + 'static> Cache<V> {
    /// Keeps at most `capacity` entries, each for `lifetime` milliseconds.
    pub(super) fn new(lifetime: Millis, capacity: usize) -> Self {
        Self { entries: RefCell::default(), lifetime, capacity, values: PhantomData }
    }

    /// What is known under `key`, unless it has expired.
    pub(super) fn get(&self, key: &[u8], now: Millis) -> Option<V> {
        let entries = self.entries.borrow();
        let entry = entries.get(place(&entries, key).ok()?)?;
        if has_come(entry.expires, now, self.lifetime) { None } else { entry.value.downcast_ref().cloned() }
    }

    /// Remembers `value`. Where the cache is full, what has expired goes first, then everything: a caller who fills it with names of his
    /// own making slows others down for a moment and cannot grow it.
    pub(super) fn put(&self, key: Vec<u8>, value: V, now: Millis) {
        if self.lifetime == 0 || key.len() > KEY {
            return;
        }
        self.put_any(key, Box::new(value), now);
    }

    fn put_any(&self, key: Vec<u8>, value: Box<dyn Any>, now: Millis) {
        let mut entries = self.entries.borrow_mut();
        let is_full = |entries: &[Entry]| {
            let held = entries.iter().map(|entry| entry.key.len()).fold(key.len(), usize::saturating_add);
            entries.len() >= self.capacity || held > KEYS
        };
        if is_full(&entries) {
            entries.retain(|entry| !has_come(entry.expires, now, self.lifetime));
            if is_full(&entries) {
                entries.clear();
            }
        }
        let at = place(&entries, &key);
        let entry = Entry { key, expires: now.saturating_add(self.lifetime), value };
        match at {
            Ok(at) => {
                if let Some(known) = entries.get_mut(at) {
                    *known = entry;
                }
            }
            Err(at) => entries.insert(at, entry),
        }
    }
}

/// Where the entry of that key is, or would have to be.
fn place(entries: &[Entry], key: &[u8]) -> Result<usize, usize> {
    entries.binary_search_by(|entry| entry.key.as_slice().cmp(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_expire() {
        let cache = Cache::new(10, 8);
        cache.put(b"a".to_vec(), 1, 100);
        assert_eq!(cache.get(b"a", 109), Some(1));
        assert_eq!(cache.get(b"a", 110), None);
        assert_eq!(cache.get(b"a", 90), None, "a clock that was set back makes nobody's rights last longer");
        assert_eq!(cache.get(b"b", 100), None);
    }

    #[test]
    fn it_is_bounded() {
        let cache = Cache::new(1000, 8);
        for n in 0..100u8 {
            cache.put(vec![n], n, 0);
            assert!(cache.entries.borrow().len() <= 8);
        }
        assert_eq!(cache.get(&[99], 1), Some(99));
    }

    #[test]
    fn long_keys_do_not_grow_it() {
        let cache = Cache::new(1000, 4096);
        let key = |n: u16, length: usize| [&n.to_le_bytes()[..], &vec![0; length]].concat();
        for n in 0..500 {
            cache.put(key(n, 60_000), n, 0);
            let held: usize = cache.entries.borrow().iter().map(|entry| entry.key.len()).sum();
            assert!(held <= 4 << 20, "{held}");
        }
        assert_eq!(cache.get(&key(499, 60_000), 1), Some(499));
        cache.put(key(500, 900_000), 500, 0);
        assert_eq!(cache.get(&key(500, 900_000), 1), None);
    }

    #[test]
    fn no_lifetime_keeps_nothing() {
        let cache = Cache::new(0, 8);
        cache.put(b"a".to_vec(), 1, 100);
        assert_eq!(cache.get(b"a", 100), None);
    }
}
