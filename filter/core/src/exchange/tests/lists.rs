//! Lists: completeness, order, pages, selectors and what is asked of Coder for them.

use super::*;
use crate::convert::resource_version::{HASH_MASK, resource_version};

const LIST: &str = "/namespaces/coder/coderworkspaces";

fn names(reply: &Reply) -> Vec<String> {
    let body = body(reply);
    assert_eq!(reply.status, 200, "{body}");
    body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

fn page(names: &[&str], count: u64) -> Outcome {
    let workspaces: Vec<Value> = names.iter().map(|name| workspace("alice", name)).collect();
    answer(200, &json!({"workspaces": workspaces, "count": count}))
}

#[test]
fn pages_are_cut_by_name_and_carry_one_version() {
    let world = World::new(|_, _| page(&["c", "a", "b"], 3));
    let first = world.get(&format!("{LIST}?limit=2"));
    assert_eq!(names(&first), ["coder.alice.a", "coder.alice.b"]);
    let meta = body(&first)["metadata"].clone();
    assert_eq!(meta["remainingItemCount"], 1);
    let token = meta["continue"].as_str().unwrap();
    let second = world.get(&format!("{LIST}?limit=2&continue={token}"));
    assert_eq!(names(&second), ["coder.alice.c"]);
    assert_eq!(body(&second)["metadata"]["resourceVersion"], meta["resourceVersion"]);
    assert_eq!(body(&second)["metadata"]["continue"], Value::Null);
    refused(&world.get(&format!("{LIST}?continue=x")), 410, "Expired", "continue");
    // With a selector nobody counts.
    let some = world.get(&format!("{LIST}?limit=1&labelSelector=coder.com%2Fowner%3Dalice"));
    assert_eq!(body(&some)["metadata"]["remainingItemCount"], Value::Null);
}

#[test]
fn versions_of_lists_lie_above_their_items() {
    let world = World::new(|_, _| page(&["a"], 1));
    let list = body(&world.get(LIST));
    let version =
        |value: &Value| value["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(version(&list) > version(&list["items"][0]));
    let future = world.get(&format!("{LIST}?resourceVersion={}", u64::MAX >> 1));
    refused(&future, 504, "Timeout", "Too large resource version");
    // What a client has from a replica whose clock is ahead is passed, and what it is then given is known again.
    let ahead = resource_version(NOW + 5_000, HASH_MASK);
    let list = body(&world.get(&format!("{LIST}?resourceVersion={ahead}")));
    assert!(version(&list) > ahead);
    assert_eq!(world.get(&format!("{LIST}?resourceVersion={}", version(&list))).status, 200);
    refused(
        &world.get(&format!("{LIST}?resourceVersion={}", version(&list) + (1 << 22))),
        504,
        "Timeout",
        "",
    );
    assert_eq!(world.get(&format!("{LIST}?resourceVersion=0")).status, 200);
}

#[test]
fn further_pages_of_coders_are_read() {
    let planes = r#"{"namespace":"coder","cluster":"coder","authority":"coder","dashboardURL":"http://c"}"#;
    let paged = |answers: &'static [(&'static [&'static str], u64)]| {
        World::with(planes, r#"{"listPageSize":2}"#, move |_, before| {
            let (names, count) = answers[before.min(answers.len() - 1)];
            page(names, count)
        })
    };
    // Each begins with the last of the one before.
    let world = paged(&[(&["a", "b"], 3), (&["b", "c"], 3)]);
    assert_eq!(names(&world.get(LIST)).len(), 3);
    assert_eq!(world.to("coder"), ["/api/v2/workspaces?limit=2", "/api/v2/workspaces?limit=3&offset=1"]);
    // One was skipped because another moved up: read again.
    let world = paged(&[(&["a", "b"], 3), (&["a", "b"], 3), (&["a", "b"], 3), (&["b", "c"], 3)]);
    assert_eq!(names(&world.get(LIST)).len(), 3);
    // One was skipped because another was deleted: read again.
    let world = paged(&[(&["a", "b"], 4), (&["c", "d"], 3), (&["b", "c"], 3), (&["c", "d"], 3)]);
    assert_eq!(names(&world.get(LIST)), ["coder.alice.b", "coder.alice.c", "coder.alice.d"]);
    // And that although there is a new one, so that there are as many as before.
    let world = paged(&[(&["a", "b"], 4), (&["c", "d", "e"], 4), (&["b", "c"], 4), (&["c", "d", "e"], 4)]);
    assert_eq!(names(&world.get(LIST)), ["coder.alice.b", "coder.alice.c", "coder.alice.d", "coder.alice.e"]);
    // The same page again and again has no end, and is not waited for.
    let world = paged(&[(&["a", "b"], 1_000_000)]);
    refused(&world.get(LIST), 503, "ServiceUnavailable", "changed while they were read");
    assert_eq!(world.to("coder").len(), 6);
    // It never holds still.
    let world =
        paged(&[(&["a", "b"], 3), (&["b"], 3), (&["a", "b"], 3), (&["b"], 3), (&["a", "b"], 3), (&["b"], 3)]);
    refused(&world.get(LIST), 503, "ServiceUnavailable", "changed while they were read");
    // An empty page is the end, whatever the count says.
    let world = paged(&[(&["a", "b"], 3), (&[], 3)]);
    refused(&world.get(LIST), 503, "ServiceUnavailable", "changed while they were read");
}

#[test]
fn what_coder_can_filter_is_asked_of_it() {
    let check = |query: &str, asked: &[&str], found: &[&str]| {
        let world = World::new(|_, _| page(&["a", "ab"], 2));
        assert_eq!(names(&world.get(&format!("{LIST}?{query}"))), found, "{query}");
        let asked: Vec<_> = asked.iter().map(|q| format!("/api/v2/workspaces?q={q}&limit=2000")).collect();
        assert_eq!(world.to("coder"), asked, "{query}");
    };
    let both = ["coder.alice.a", "coder.alice.ab"];
    check("labelSelector=coder.com/owner=alice", &["owner%3Aalice"], &both);
    check("labelSelector=coder.com/owner=bob", &["owner%3Abob"], &[]);
    check(
        "fieldSelector=metadata.name=coder.alice.a",
        &["owner%3Aalice%20organization%3Acoder%20name%3Aa"],
        &both[..1],
    );
    check("fieldSelector=metadata.name=nonsense", &[], &[]);
}

#[test]
fn an_organization_that_coder_does_not_know_holds_nothing() {
    let world = World::new(|_, _| answer(400, &json!({"message": "Invalid workspace search query."})));
    assert_eq!(names(&world.get(&format!("{LIST}?fieldSelector=spec.organization=none"))), [""; 0]);
    refused(&world.get(LIST), 400, "BadRequest", "Invalid workspace search query.");
}

#[test]
fn namespaces_without_a_coder_are_empty() {
    let world = World::new(|_, _| panic!("nobody to ask"));
    assert_eq!(names(&world.get("/namespaces/other/coderworkspaces")), [""; 0]);
    assert_eq!(names(&world.get("/namespaces/other/codertemplates")), [""; 0]);
    refused(&world.get("/namespaces/other/coderworkspaces/coder.alice.a"), 404, "NotFound", "not found");
    refused(&world.get("/coderworkspaces/coder.alice.a"), 404, "NotFound", "could not find");
}

#[test]
fn templates_cost_a_call_for_each_organization_and_none_for_each_template() {
    let world = World::new(|path, _| match path {
        _ if path.contains("provisionerjobs") => answer(200, &json!([])),
        _ if path.contains("deprecated%3Atrue") => answer(200, &json!([])),
        _ => answer(200, &recorded().1),
    });
    let all = names(&world.get("/namespaces/coder/codertemplates"));
    assert_eq!(all, ["coder.broken", "coder.dev", "coder.params", "coder.plain"]);
    assert_eq!(world.to("coder").len(), 3, "{:?}", world.to("coder"));
}

#[test]
fn imports_that_are_not_shown_are_unknown() {
    let world = World::new(|path, _| match path {
        _ if path.contains("provisionerjobs") => answer(404, &json!({"message": "Resource not found"})),
        _ if path.contains("deprecated%3Atrue") => answer(200, &json!([])),
        _ => answer(200, &recorded().1),
    });
    let list = body(&world.get("/namespaces/coder/codertemplates"));
    assert_eq!(list["items"][0]["status"]["conditions"][0]["status"], "Unknown");
}
