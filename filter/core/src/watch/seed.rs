//! What lists have said while nobody watched: names, ids and hashes. With it a watch that begins where such a list ended can be told what has
//! changed in between, though nobody was looking.

use super::bytes::{Packer, Unpacker};
use super::shared::{SharedData, change};
use crate::convert::resource_version::HASH_MASK;
use std::rc::Rc;
use twox_hash::XxHash64;

/// How many lists are remembered.
const LISTS: u64 = 64;
/// Longest one that is remembered, in bytes.
const BYTES: usize = 4 * 1024 * 1024;

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedEntry {
    /// Coder's.
    pub id: String,
    /// Ours.
    pub name: String,
    /// Of its content.
    pub hash: u64,
}

impl SeedEntry {
    fn key(&self) -> (&str, &str) {
        (&self.id, &self.name)
    }
}

/// A list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Its version.
    pub version: u64,
    /// [`super::Subject::key`] of what it lists.
    pub subject: String,
    /// The selectors, as the client wrote them; empty for everything.
    pub selector: String,
    /// What it has said; of a list in pages, all that have been asked for here.
    pub entries: Vec<SeedEntry>,
    /// The continue token of the page that follows; empty when nothing does. A page that another replica was asked for is not known here, and what
    /// follows it is of no use.
    pub next: String,
    /// Whether changes were being written down meanwhile, so that the history tells of most of what has changed since.
    pub followed: bool,
    /// It has shown what was known at that place of the history, and nothing else; then its entries are not kept.
    pub same_at: Option<u64>,
}

/// A page of a list that is not the first.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The continue token that it was asked for by.
    pub token: &'a str,
    /// That of the page that follows; empty when nothing does.
    pub next: &'a str,
    /// What it has said.
    pub entries: &'a [SeedEntry],
}

/// A number that two sets of objects share when they are the same, and hardly ever otherwise. Of each: id, name and hash.
pub(super) fn sum<'a>(objects: impl Iterator<Item = (&'a str, &'a str, u64)>) -> u64 {
    let of_one = |(id, name, hash): (&str, &str, u64)| {
        XxHash64::oneshot(XxHash64::oneshot(hash & HASH_MASK, id.as_bytes()), name.as_bytes())
    };
    objects.map(of_one).fold(0, u64::wrapping_add)
}

impl Seed {
    pub(super) fn sum(&self) -> u64 {
        sum(self.entries.iter().map(|entry| (entry.id.as_str(), entry.name.as_str(), entry.hash)))
    }

    /// The object of that id and name.
    pub(super) fn entry(&self, id: &str, name: &str) -> Option<&SeedEntry> {
        // They are sorted so.
        let at = self.entries.binary_search_by(|entry| entry.key().cmp(&(id, name))).ok()?;
        self.entries.get(at)
    }

    /// Takes in another page of it: of what was shown before, the later state is what counts.
    fn merge(&mut self, page: &Page<'_>) {
        if self.next == page.token {
            page.next.clone_into(&mut self.next);
        }
        let mut page = page.entries.to_vec();
        crate::sort::sort_by(&mut page, |a, b| a.key().cmp(&b.key()));
        self.entries.retain(|entry| page.binary_search_by(|shown| shown.key().cmp(&entry.key())).is_err());
        self.entries.append(&mut page);
        self.same_at = None;
    }

    fn pack(&self) -> Vec<u8> {
        let mut packer = Packer::default()
            .number(self.version)
            .text(&self.subject)
            .text(&self.selector)
            .text(&self.next)
            .number(u64::from(self.followed))
            .number(self.same_at.unwrap_or(u64::MAX));
        for entry in &self.entries {
            packer = packer.text(&entry.id).text(&entry.name).number(entry.hash & HASH_MASK);
        }
        packer.0
    }

    /// The list of that version, if it is what was packed.
    fn unpack(bytes: &[u8], version: u64, subject: &str) -> Option<Self> {
        let mut bytes = Unpacker(bytes);
        if bytes.number()? != version || bytes.text()? != subject {
            return None;
        }
        let selector = bytes.text()?.to_owned();
        let next = bytes.text()?.to_owned();
        let followed = bytes.number()? != 0;
        let same_at = bytes.number().filter(|place| *place != u64::MAX);
        let mut entries = Vec::new();
        while let (Some(id), Some(name), Some(hash)) = (bytes.text(), bytes.text(), bytes.number()) {
            entries.push(SeedEntry { id: id.to_owned(), name: name.to_owned(), hash });
        }
        crate::sort::sort_by(&mut entries, |a: &SeedEntry, b| a.key().cmp(&b.key()));
        Some(Self { version, subject: subject.to_owned(), selector, entries, next, followed, same_at })
    }
}

/// See the module.
pub(super) struct Seeds {
    shared: Rc<dyn SharedData>,
    prefix: String,
}

impl Seeds {
    pub(super) fn new(shared: Rc<dyn SharedData>, prefix: &str) -> Self {
        Self { shared, prefix: prefix.to_owned() }
    }

    fn key(&self, number: u64) -> String {
        format!("{}seed.{}", self.prefix, number % LISTS)
    }

    pub(super) fn put(&self, seed: &Seed) {
        let packed = seed.pack();
        if packed.len() > BYTES {
            return;
        }
        let mut number = 0;
        change(&*self.shared, &[&self.prefix, "seeds"].concat(), &mut |old| {
            number = Unpacker(old).number().unwrap_or_default();
            Some(Packer::default().number(number.wrapping_add(1)).0)
        });
        self.shared.set(&self.key(number), &packed, 0);
    }

    /// Adds another page to what is remembered of a list. One that becomes too long is forgotten.
    pub(super) fn add(&self, version: u64, subject: &str, selector: &str, page: &Page<'_>) {
        for number in 0..LISTS {
            let key = self.key(number);
            if self.shared.get(&key).is_none_or(|(bytes, _)| Unpacker(&bytes).number() != Some(version)) {
                continue;
            }
            change(&*self.shared, &key, &mut |old| {
                let mut seed =
                    Seed::unpack(old, version, subject).filter(|seed| seed.selector == selector)?;
                seed.merge(page);
                let packed = seed.pack();
                Some(if packed.len() > BYTES { Vec::new() } else { packed })
            });
        }
    }

    /// The list of that version, by the same selectors or by none, if all of it is known.
    pub(super) fn find(&self, version: u64, subject: &str, selector: &str) -> Option<Seed> {
        (0..LISTS).find_map(|number| {
            let (bytes, _) = self.shared.get(&self.key(number))?;
            Seed::unpack(&bytes, version, subject).filter(|seed| {
                seed.next.is_empty() && (seed.selector.is_empty() || seed.selector == selector)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Alone;

    #[test]
    fn pages_are_one_list() {
        let seeds = Seeds::new(Rc::new(Alone::default()), "p.");
        let entry = |id: &str, name: &str, hash| SeedEntry { id: id.into(), name: name.into(), hash };
        let seed = |selector: &str| Seed {
            version: 7,
            subject: "w.coder".into(),
            selector: selector.into(),
            entries: vec![entry("2", "b", 5), entry("1", "a", 4)],
            next: "second".into(),
            followed: true,
            same_at: None,
        };
        seeds.put(&seed(""));
        seeds.put(&seed("x"));
        let add =
            |version, subject: &str, selector: &str, [token, next]: [&str; 2], entries: &[SeedEntry]| {
                seeds.add(version, subject, selector, &Page { token, next, entries });
            };
        add(7, "w.coder", "", ["second", "third"], &[entry("3", "c", 6), entry("2", "b", 9)]);
        assert_eq!(seeds.find(7, "w.coder", ""), None, "not without its last page");
        add(7, "w.coder", "", ["fourth", ""], &[]);
        assert_eq!(seeds.find(7, "w.coder", ""), None, "nor without one in between");
        add(8, "w.coder", "", ["third", ""], &[entry("4", "d", 1)]);
        add(7, "t.coder", "", ["third", ""], &[entry("5", "e", 1)]);
        assert_eq!(seeds.find(7, "w.coder", ""), None, "these are other lists");
        add(7, "w.coder", "", ["third", ""], &[entry("1", "z", 4)]);
        // A client that has lost the answer asks again.
        add(7, "w.coder", "", ["second", "third"], &[entry("3", "c", 7)]);
        let found = seeds.find(7, "w.coder", "").unwrap();
        let expect = [entry("1", "a", 4), entry("1", "z", 4), entry("2", "b", 9), entry("3", "c", 7)];
        assert_eq!(found.entries, expect, "what was shown last; a renamed one under both its names");
        assert_eq!(found.entry("1", "z"), Some(&expect[1]));
        assert_eq!(found.entry("1", "b"), None);
        assert_eq!((found.followed, found.same_at), (true, None));
        let huge: Vec<_> =
            (0..BYTES / 16).map(|n| entry(&n.to_string(), "a-name-of-some-length", 1)).collect();
        add(7, "w.coder", "", ["third", ""], &huge);
        assert_eq!(seeds.find(7, "w.coder", ""), None, "not half of a list");
        add(7, "w.coder", "x", ["second", ""], &[]);
        assert!(seeds.find(7, "w.coder", "x").is_some());
    }
}
