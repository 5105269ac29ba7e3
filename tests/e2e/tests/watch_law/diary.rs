//! What was done, and when: so that a broken law can be told with what happened around it. And which objects were asked to go.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// Milliseconds since the epoch.
pub(crate) type At = u64;

/// Now.
pub(crate) fn now() -> At {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as At
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Diary(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<(At, String)>,
    /// Since when an object (id and name) may be gone: somebody has asked to rename it.
    leaving: BTreeMap<(String, String), At>,
    /// Since when an object may be gone by whatever name: somebody has asked to delete it.
    going: BTreeMap<String, At>,
    /// Objects that were there at the beginning; all others of this run have the run's user in their names.
    there: BTreeSet<String>,
    user: String,
}

impl Diary {
    /// A diary of the changes that a user's objects see, and all of these ids.
    pub(crate) fn new(user: &str, there: BTreeSet<String>) -> Diary {
        Diary(Mutex::new(Inner { there, user: user.to_owned(), ..Inner::default() }))
    }

    /// Notes something.
    pub(crate) fn note(&self, entry: String) {
        self.lock().entries.push((now(), entry));
    }

    /// Notes that an object is about to be asked to go. It may get another name until it does.
    pub(crate) fn goes(&self, id: &str) {
        self.lock().going.entry(id.to_owned()).or_insert_with(now);
    }

    /// Notes that an object of this id is about to lose this name.
    pub(crate) fn leaves(&self, id: &str, name: &str) {
        self.lock().leaving.entry((id.to_owned(), name.to_owned())).or_insert_with(now);
    }

    /// Whether an object of this id and name could be gone at a time. Of what was gone before the run nothing is known.
    pub(crate) fn may_be_gone(&self, id: &str, name: &str, at: At) -> bool {
        let inner = self.lock();
        if !inner.there.contains(id) && !name.contains(&inner.user) {
            return true;
        }
        let left = inner.leaving.get(&(id.to_owned(), name.to_owned()));
        left.into_iter().chain(inner.going.get(id)).any(|since| *since <= at)
    }

    /// The trouble in the seconds before a time and just after it, and what was done to an object.
    pub(crate) fn around(&self, at: At, object: &str) -> String {
        let inner = self.lock();
        let near = |when: &At| (at.saturating_sub(12_000)..at + 2_000).contains(when);
        let about = |entry: &str| entry.contains("trouble") || (!object.is_empty() && entry.contains(object));
        let told = inner.entries.iter().filter(|(when, entry)| near(when) && about(entry));
        told.map(|(when, entry)| format!("    {when} {entry}\n")).collect()
    }

    /// All of it.
    pub(crate) fn all(&self) -> String {
        self.lock().entries.iter().map(|(when, entry)| format!("{when} {entry}\n")).collect()
    }

    /// How much was done.
    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
