//! A small map whose entries expire: decisions of RBAC, names of callers, parameters of builds.
//!
//! Bounded in number and age, one for each worker. Keys may hold credentials, so nothing of it is ever printed.

use crate::time::Millis;
use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// When each expires, and its value. The map does not know the values' type, so that its code is there once.
type Entries = BTreeMap<Vec<u8>, (Millis, Box<dyn Any>)>;

/// See the module.
pub(super) struct Cache<V> {
    entries: RefCell<Entries>,
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
        let (expires, value) = entries.get(key)?;
        if now < *expires { value.downcast_ref().cloned() } else { None }
    }

    /// Remembers `value`. Where the cache is full, what has expired goes first, then everything: a caller who fills it with names of his
    /// own making slows others down for a moment and cannot grow it.
    pub(super) fn put(&self, key: Vec<u8>, value: V, now: Millis) {
        if self.lifetime == 0 {
            return;
        }
        self.put_any(key, Box::new(value), now);
    }

    fn put_any(&self, key: Vec<u8>, value: Box<dyn Any>, now: Millis) {
        let mut entries = self.entries.borrow_mut();
        if entries.len() >= self.capacity {
            entries.retain(|_, (expires, _)| now < *expires);
            if entries.len() >= self.capacity {
                entries.clear();
            }
        }
        entries.insert(key, (now.saturating_add(self.lifetime), value));
    }
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
    fn no_lifetime_keeps_nothing() {
        let cache = Cache::new(0, 8);
        cache.put(b"a".to_vec(), 1, 100);
        assert_eq!(cache.get(b"a", 100), None);
    }
}
