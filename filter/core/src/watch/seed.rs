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

/// A list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Its version.
    pub version: u64,
    /// [`super::Subject::key`] of what it lists.
    pub subject: String,
    /// The selectors, as the client wrote them; empty for everything.
    pub selector: String,
    /// What it has said.
    pub entries: Vec<SeedEntry>,
    /// Whether changes were being written down meanwhile, so that the history tells of most of what has changed since.
    pub followed: bool,
    /// It has shown what was known at that place of the history, and nothing else; then its entries are not kept.
    pub same_at: Option<u64>,
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
        // They are sorted by id.
        let at = self.entries.binary_search_by(|entry| entry.id.as_str().cmp(id)).ok()?;
        self.entries.get(at).filter(|entry| entry.name == name)
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
        let mut packer = Packer::default()
            .number(seed.version)
            .text(&seed.subject)
            .text(&seed.selector)
            .number(u64::from(seed.followed))
            .number(seed.same_at.unwrap_or(u64::MAX));
        for entry in &seed.entries {
            packer = packer.text(&entry.id).text(&entry.name).number(entry.hash & HASH_MASK);
        }
        if packer.0.len() > BYTES {
            return;
        }
        let mut number = 0;
        change(&*self.shared, &[&self.prefix, "seeds"].concat(), &mut |old| {
            number = Unpacker(old).number().unwrap_or_default();
            Some(Packer::default().number(number.wrapping_add(1)).0)
        });
        self.shared.set(&self.key(number), &packer.0, 0);
    }

    /// The list of that version, by the same selectors or by none; sorted by id.
    pub(super) fn find(&self, version: u64, subject: &str, selector: &str) -> Option<Seed> {
        (0..LISTS).find_map(|number| {
            let (bytes, _) = self.shared.get(&self.key(number))?;
            let mut bytes = Unpacker(&bytes);
            if bytes.number()? != version || bytes.text()? != subject {
                return None;
            }
            let of = bytes.text()?;
            if !of.is_empty() && of != selector {
                return None;
            }
            let followed = bytes.number()? != 0;
            let same_at = bytes.number().filter(|place| *place != u64::MAX);
            let mut entries = Vec::new();
            while let (Some(id), Some(name), Some(hash)) = (bytes.text(), bytes.text(), bytes.number()) {
                entries.push(SeedEntry { id: id.to_owned(), name: name.to_owned(), hash });
            }
            crate::sort::sort_by(&mut entries, |a: &SeedEntry, b| a.id.cmp(&b.id));
            let (subject, selector) = (subject.to_owned(), of.to_owned());
            Some(Seed { version, subject, selector, entries, followed, same_at })
        })
    }
}
