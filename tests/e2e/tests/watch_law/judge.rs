//! The law, over all that a client was told.

use crate::{
    diary::{At, Diary},
    told::Told,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// One client: what its user was told, and what came over the wire where that is known.
#[derive(Debug)]
pub(crate) struct Testimony {
    pub(crate) client: String,
    pub(crate) told: Vec<Told>,
    pub(crate) wire: Vec<Told>,
    /// What was seen at once that must not be.
    pub(crate) strange: Vec<Broken>,
}

/// One way in which the law is broken.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    /// Which part of the law.
    pub(crate) law: &'static str,
    pub(crate) client: String,
    pub(crate) at: At,
    /// The short name of an object.
    pub(crate) object: String,
    pub(crate) words: String,
}

impl Broken {
    /// With what was done around it.
    pub(crate) fn show(&self, diary: &Diary) -> String {
        format!("{}, by {}:\n {}\n{}", self.law, self.client, self.words, diary.around(self.at, &self.object))
    }
}

impl Testimony {
    /// Of a client that was told nothing yet.
    pub(crate) fn new(client: String) -> Testimony {
        Testimony { client, told: Vec::new(), wire: Vec::new(), strange: Vec::new() }
    }
}

/// Writes down what each client was told, for who looks for the reason of a failure.
pub(crate) fn keep(testimonies: &[Testimony], folder: &Path) {
    for testimony in testimonies {
        let all = testimony.told.iter().chain(&testimony.wire);
        let text: String = all.map(|told| format!("{}\n", told.show())).collect();
        std::fs::write(folder.join(format!("{}.told", testimony.client)), text).expect("a temporary folder");
    }
}

/// Every way in which the law is broken, in the order of time.
pub(crate) fn broken(testimonies: &[Testimony], diary: &Diary) -> Vec<Broken> {
    let mut all = Vec::new();
    for testimony in testimonies {
        all.extend(testimony.strange.iter().cloned());
        for told in [&testimony.told, &testimony.wire] {
            went_back(&testimony.client, told, &mut all);
            deleted_though_alive(&testimony.client, told, diary, &mut all);
        }
        told_twice(&testimony.client, &testimony.wire, &mut all);
    }
    all.sort_by_key(|broken| broken.at);
    all
}

/// No object goes back to an earlier state of Coder. What is deleted is shown as it was last known, which may be less than a list has shown.
fn went_back(client: &str, told: &[Told], broken: &mut Vec<Broken>) {
    // Streams may overlap for a moment: the order within each is what counts.
    let mut last: BTreeMap<(Option<u64>, &str), &Told> = BTreeMap::new();
    for now in told.iter().filter(|told| !told.id.is_empty() && told.kind != "DELETED") {
        let before = last.insert((now.stream, &now.id), now);
        if let Some(before) = before.filter(|before| now.progress.is_behind(&before.progress)) {
            broken.push(now.breaks("an object goes back", client, &format!("from {}\n   to", before.show())));
        }
    }
}

/// No object that is alive is told to be deleted: nobody had asked it to go, or it is told of again afterwards.
fn deleted_though_alive(client: &str, told: &[Told], diary: &Diary, broken: &mut Vec<Broken>) {
    let mut gone: BTreeMap<(Option<u64>, &str, &str), &Told> = BTreeMap::new();
    for now in told.iter().filter(|told| !told.id.is_empty()) {
        let key = (now.stream, now.id.as_str(), now.name.as_str());
        if now.kind == "DELETED" {
            if !diary.may_be_gone(&now.id, &now.name, now.at) {
                broken.push(now.breaks("deleted though alive", client, ""));
            }
            gone.insert(key, now);
        } else if let Some(before) = gone.get(&key) {
            broken.push(now.breaks(
                "alive after it was deleted",
                client,
                &format!("{}\n  then", before.show()),
            ));
        }
    }
}

/// No stream tells the same version of an object twice.
fn told_twice(client: &str, wire: &[Told], broken: &mut Vec<Broken>) {
    let mut seen = BTreeSet::new();
    let twice = wire.iter().filter(|told| !seen.insert((told.stream, &told.name, told.version)));
    broken.extend(twice.map(|told| told.breaks("told twice", client, "")));
}
