//! `envoy/front-long-poll.yaml` is `envoy/front.yaml` without what only the bell needs, and `envoy/sidecar.yaml` that without client certificates, so that
//! they cannot drift apart.
//!
//! `UPDATE=1 cargo test -p xtask --test configurations` writes it anew. Whether Envoy accepts both is for `cargo xtask test --only module`.

use std::fs;
use std::path::{Path, PathBuf};

/// How what may be left out begins and ends.
type Part = (&'static str, &'static str);
/// What stands before and after whatever only the bell needs. The plugin's configuration is JSON, which has no comments: there it is the object of this
/// name, on lines of its own.
const BELL: [Part; 2] = [("# bell", "# end of bell"), ("\"watch\": {", "},")];
/// What stands before and after whatever only clients with certificates need.
const CERTIFICATES: Part = ("# certificates", "# end of certificates");
/// What stands before and after whatever only discovered Coders need.
const DISCOVERY: [Part; 2] = [("# discovery", "# end of discovery"), ("\"discovery\": {", "},")];
/// Words for what stands among the certificates, and what they mean.
const ANCHORS: [(&str, &str); 2] = [
    ("route: *ours", "route: &ours { cluster: kube, timeout: 0s, idle_timeout: 40s }"),
    (
        "typed_per_filter_config: *filtered",
        "typed_per_filter_config: &filtered\n                  coder-kube-filter: { \"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {} }",
    ),
];
const SIDECAR_HEADING: &str = "# front.yaml for the one pod that it stands in: without client certificates, discovery and the bell. Made from it by a test (CONTRIBUTING.md):\n# change that file, not this one.\n#\n";
const HEADING: &str = "# front.yaml without the bell, made from it by a test (CONTRIBUTING.md): change that file, not this one.\n#\n";

#[test]
fn the_one_without_a_bell_is_the_other_without_it() {
    // Discovery speaks to kube-apiserver as the bell does.
    let expect = format!("{HEADING}{}", without(&read("front.yaml"), &[BELL, DISCOVERY].concat()));
    is("front-long-poll.yaml", &expect);
    for word in ["kube-token", "x-coder-kube-carrier", "pollerLease", "end of bell", "egress"] {
        assert!(!expect.contains(word), "the bell's {word} stands outside of its marks");
    }
}

#[test]
fn a_sidecar_is_the_front_for_one_pod() {
    let text = without(&without(&without(&read("front.yaml"), &BELL), &DISCOVERY), &[CERTIFICATES]);
    let expect = ["\"frontProxyCluster\": \"kube-front-proxy\",\n"].iter().fold(text, |text, line| {
        let (before, after) = text.split_once(line).expect("the plugin's configuration names it");
        before.trim_end_matches(' ').to_owned() + after
    });
    // What was said once, in what is left out, is said where it is first needed.
    let expect = ANCHORS.iter().fold(expect, |text, (first, whole)| text.replacen(first, whole, 1));
    let (public, own) = ("address: 0.0.0.0, port_value: 6443", "address: 127.0.0.1, port_value: 6443");
    assert!(expect.contains(public));
    let expect = format!("{SIDECAR_HEADING}{}", expect.replace(public, own));
    is("sidecar.yaml", &expect);
    for word in ["front-proxy", "client-ca", "presented", "kube-token", "egress", "end of"] {
        assert!(!expect.contains(word), "{word} stands outside of its marks");
    }
}

/// Compares a file with what it should be, or writes it.
fn is(name: &str, expect: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(envoy(name), expect).unwrap();
    }
    assert!(
        read(name) == expect,
        "envoy/{name} is stale; the first lines of this file say how to refresh it"
    );
}

#[test]
fn marks_are_taken_out_with_what_is_between() {
    let check = |text: &str, expect: &str| assert_eq!(without(text, &BELL), expect, "{text}");
    check("a\n  # bell\n  b\n  # end of bell\nc\n", "a\nc\n");
    check("a: |\n  \"watch\": {\n    \"x\": {\n    },\n  },\n  \"y\"\n", "a: |\n  \"y\"\n");
    check("# bells\na\n", "# bells\na\n");
}

/// What discovery needs is the same in every configuration that has it.
#[test]
fn discovery_is_the_same_everywhere() {
    let [(begin, end), _] = DISCOVERY;
    let parts = |name: &str| -> Vec<String> {
        let (text, begin) = (read(name), format!("{begin}\n"));
        text.split(&begin).skip(1).map(|part| part.split_once(end).unwrap().0.to_owned()).collect()
    };
    assert_eq!(parts("front.yaml").len(), 3);
    assert_eq!(parts("front.yaml"), parts("aggregated.yaml"));
}

/// Leaves out what stands between these marks.
///
/// # Panics
/// When a part does not end.
fn without(front: &str, parts: &[Part]) -> String {
    let mut kept = String::new();
    let mut end: Option<String> = None;
    for line in front.lines() {
        let begins = parts.iter().find(|(begin, _)| line.trim_start() == *begin);
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

fn read(name: &str) -> String {
    fs::read_to_string(envoy(name)).unwrap()
}

fn envoy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy").join(name)
}
