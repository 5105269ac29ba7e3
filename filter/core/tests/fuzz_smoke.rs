//! The bodies of the fuzz targets (`filter/fuzz`) on their seeds and on some thousand inputs made of them, so that they stay true between
//! runs of the fuzzer. An input that the fuzzer has failed on is kept as a seed.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may fail loudly"
)]

#[allow(unreachable_pub, reason = "there it is a library")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(name)
}

fn names(name: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> =
        fs::read_dir(folder("seeds").join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

const WORDS: &[&str] =
    &["null", "-1", "1e9", "\"", "{}", "[]", "%2f", "..", "=", ",", "\n", "\\", "18446744073709551615"];

#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, usize),
    Repeat(Index, usize),
    End(Index),
}

impl Edit {
    fn any() -> impl Strategy<Value = Self> {
        let bytes = prop_oneof![
            select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 1..4),
        ];
        prop_oneof![
            (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Self::Set(at, byte)),
            (any::<Index>(), bytes).prop_map(|(at, bytes)| Self::Insert(at, bytes)),
            (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Self::Cut(at, length)),
            (any::<Index>(), 1..200_usize).prop_map(|(at, length)| Self::Repeat(at, length)),
            any::<Index>().prop_map(Self::End),
        ]
    }

    fn apply(&self, input: &mut Vec<u8>) {
        let place = |at: &Index| at.index(input.len() + 1);
        let until = |at: usize, length: &usize| input.len().min(at + length);
        match self {
            Self::Set(at, byte) => {
                let at = place(at);
                input.splice(at..until(at, &1), [*byte]);
            }
            Self::Insert(at, bytes) => {
                let at = place(at);
                input.splice(at..at, bytes.iter().copied());
            }
            Self::Cut(at, length) => {
                let at = place(at);
                input.drain(at..until(at, length));
            }
            Self::Repeat(at, length) => {
                let at = place(at);
                let part = input[at..until(at, length)].to_vec();
                input.splice(at..at, part);
            }
            Self::End(at) => input.truncate(place(at)),
        }
    }
}

#[test]
fn every_target_has_its_file_and_seeds() {
    let targets: BTreeSet<String> = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("seeds"), targets);
}

#[test]
fn seeds_and_their_kin() {
    for (target, body) in targets::TARGETS {
        let seeds = seeds(target);
        body(b"");
        seeds.iter().for_each(|seed| body(seed));
        let inputs =
            (select(seeds), prop::collection::vec(Edit::any(), 1..6)).prop_map(|(mut input, edits)| {
                edits.iter().for_each(|edit| edit.apply(&mut input));
                input
            });
        let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
        // The same inputs each time: new ones are the fuzzer's business.
        let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let result = TestRunner::new_with_rng(config, random).run(&inputs, |input| {
            body(&input);
            Ok(())
        });
        if let Err(e) = result {
            panic!("{target}: {e}");
        }
    }
}
