//! What is known by a number: contexts and callouts by the host's, exchanges in work by ours.
//!
//! Both count up, so a sorted list mostly appends, and removes near its end. It is a tenth of a `BTreeMap`'s code
//! for each type, which V8 compiles whole at start.

/// See the module.
pub(crate) struct Table<T>(Vec<(u32, T)>);

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, (u32, T)> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, (u32, T)> {
        self.0.iter_mut()
    }

    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.0.get(self.place(id).ok()?).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        let place = self.place(id).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Adds a value, or replaces the one that is there.
    pub(crate) fn insert(&mut self, id: u32, value: T) {
        match self.place(id) {
            Ok(place) => {
                if let Some(entry) = self.0.get_mut(place) {
                    entry.1 = value;
                }
            }
            Err(place) => self.0.insert(place, (id, value)),
        }
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        let place = self.place(id).ok()?;
        Some(self.0.remove(place).1)
    }

    fn place(&self, id: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in_last() {
        let mut table = Table::new();
        for (id, value) in [(2, 'a'), (9, 'b'), (5, 'c'), (9, 'd'), (1, 'e')] {
            table.insert(id, value);
        }
        assert_eq!(table.iter().len(), 4);
        assert_eq!((table.get(9), table.get(1), table.get(3)), (Some(&'d'), Some(&'e'), None));
        assert_eq!((table.remove(5), table.remove(5)), (Some('c'), None));
        *table.get_mut(2).unwrap() = 'f';
        assert_eq!((table.get(2), table.iter().len()), (Some(&'f'), 3));
        assert!(table.iter().map(|(id, _)| *id).eq([1, 2, 9]));
    }
}
