//! `envoy/front-long-poll.yaml` is `envoy/front.yaml` without what only the bell needs, so that the two cannot drift apart.
//!
//! `UPDATE=1 cargo test -p xtask --test configurations` writes it anew. Whether Envoy accepts both is for `cargo xtask test --only module`.

use std::fs;
use std::path::{Path, PathBuf};

/// What stands before and after whatever only the bell needs.
const MARKS: (&str, &str) = ("# bell", "# end of bell");
/// The plugin's configuration is JSON, which has no comments: there it is the object of this name, on lines of its own.
const SETTING: (&str, &str) = ("\"watch\": {", "},");
const HEADING: &str = "# front.yaml without the bell, made from it by a test (CONTRIBUTING.md): change that file, not this one.\n#\n";

#[test]
fn the_one_without_a_bell_is_the_other_without_it() {
    let read = |name: &str| fs::read_to_string(envoy(name)).unwrap();
    let expect = format!("{HEADING}{}", without_bell(&read("front.yaml")));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(envoy("front-long-poll.yaml"), &expect).unwrap();
    }
    let stale = "envoy/front-long-poll.yaml is stale; the first lines of this file say how to refresh it";
    assert!(read("front-long-poll.yaml") == expect, "{stale}");
    for word in ["kube-token", "x-coder-kube-carrier", "pollerLease", "end of bell"] {
        assert!(!expect.contains(word), "the bell's {word} stands outside of its marks");
    }
}

#[test]
fn marks_are_taken_out_with_what_is_between() {
    let check = |text: &str, expect: &str| assert_eq!(without_bell(text), expect, "{text}");
    check("a\n  # bell\n  b\n  # end of bell\nc\n", "a\nc\n");
    check("a: |\n  \"watch\": {\n    \"x\": {\n    },\n  },\n  \"y\"\n", "a: |\n  \"y\"\n");
    check("# bells\na\n", "# bells\na\n");
}

/// Leaves out what only the bell needs.
///
/// # Panics
/// When a part does not end.
fn without_bell(front: &str) -> String {
    let mut kept = String::new();
    let mut end: Option<String> = None;
    for line in front.lines() {
        let begins = [MARKS, SETTING].into_iter().find(|(begin, _)| line.trim_start() == *begin);
        match (&end, begins) {
            (Some(last), _) if line == last => end = None,
            (Some(_), _) => {}
            (None, Some((begin, last))) => end = Some(line.replace(begin, last)),
            (None, None) => kept.extend([line, "\n"]),
        }
    }
    assert_eq!(end, None, "this does not come");
    kept
}

fn envoy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy").join(name)
}
