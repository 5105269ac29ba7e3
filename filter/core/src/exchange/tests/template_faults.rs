//! Each call of each verb fails in each way: what is answered, what is there, and what a second attempt makes of it.

use super::template_coder::TemplateCoder;
use super::template_write::{coder_with, post, put};
use super::*;

const ONE: &str = "/namespaces/coder/codertemplates/coder.dev";

/// How a call fails: whether it has its effect all the same, its outcome, and the codes that a read and a write may be answered with.
fn faults() -> Vec<(bool, Outcome, u16, u16)> {
    vec![
        (false, BROKEN, 503, 500),
        (true, BROKEN, 503, 500),
        (false, Err(Lost::NotSent), 503, 503),
        (false, answer(500, &json!({"message": "pq: secret"})), 503, 500),
        (true, answer(504, &json!({})), 503, 504),
        (true, answer(200, &json!("garbage")), 503, 500),
        (false, answer(401, &json!({"message": "signed out"})), 503, 503),
        (false, answer(403, &json!({"message": "Forbidden."})), 403, 403),
        (false, answer(418, &json!({"message": "teapot"})), 400, 400),
        (false, answer(429, &json!({})), 429, 429),
    ]
}

#[track_caller]
fn check_refusal(reply: &Reply, codes: &[u16], call: &str, outcome: &Outcome) {
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(codes.contains(&reply.status), "{call} {outcome:?}: {text}");
    assert!(!text.contains("secret") && body(reply)["kind"] == "Status", "{text}");
    if matches!(reply.status, 500 | 504) {
        assert!(text.contains("whether the change was made is unknown"), "{text}");
    }
    // A read that was refused for now may be repeated; nothing had been written.
    if reply.status != 429 {
        assert!(!reply.headers.iter().any(|(name, _)| *name == "retry-after"), "{call} {outcome:?}");
    }
}

#[test]
fn create() {
    let reads = ["GET /organizations/coder$", "GET /organizations/coder/templates/dev", "POST /files"];
    let writes = ["POST /organizations/coder/templateversions", "POST /organizations/coder/templates$"];
    let spec = || json!({"files": {"main.tf": "x"}});
    for call in reads.into_iter().chain(writes) {
        for (effect, outcome, read, write) in faults() {
            let coder = TemplateCoder::default();
            let world = coder.world();
            coder.fail(call, 1, effect, outcome.clone());
            let reply = post(&world, spec());
            check_refusal(&reply, &[read, write], call, &outcome);
            let again = post(&world, spec());
            let made = effect && call.ends_with("templates$");
            assert_eq!(again.status, if made { 409 } else { 201 }, "{call} {outcome:?}: {}", body(&again));
            let state = coder.0.borrow();
            assert_eq!((state.templates.len(), state.files.len()), (1, 1), "{call} {outcome:?}");
            // A version whose making was answered is found again; one that nobody was told of, too.
            assert_eq!(state.versions.len(), 1, "{call} {outcome:?}");
        }
    }
}

#[test]
fn variables_cannot_be_compared_so_a_version_with_them_is_not_taken_up_again() {
    let coder = TemplateCoder::default();
    let world = coder.world();
    let spec = |value: &str| json!({"files": {"main.tf": "x"}, "variables": [{"name": "a", "value": value}]});
    coder.fail(
        "POST /organizations/coder/templates$",
        1,
        false,
        answer(403, &json!({"message": "Forbidden."})),
    );
    assert_eq!(post(&world, spec("wrong")).status, 403);
    assert_eq!(post(&world, spec("right")).status, 201);
    let state = coder.0.borrow();
    assert_eq!(state.versions.len(), 2);
    assert_eq!(state.versions[1].variables[0]["value"], "right");
    assert!(state.versions[0].template.is_none());
}

#[test]
fn update() {
    let calls = [
        "GET /organizations/coder/templates/dev",
        "GET /templates/",
        "GET /files/",
        "POST /files",
        "PATCH /templates/",
        "POST /organizations/coder/templateversions",
    ];
    let spec = || json!({"files": {"main.tf": "y"}, "displayName": "Dev"});
    for call in calls {
        for (effect, outcome, read, write) in faults() {
            let coder = coder_with("x");
            let world = coder.world();
            coder.fail(call, 1, effect, outcome.clone());
            check_refusal(&put(&world, spec()), &[read, write], call, &outcome);
            let unknown = write == 500 || write == 504;
            if call.ends_with("templateversions") {
                // Settings that were changed before are put back where it is known that nothing was made.
                let name = coder.0.borrow().templates[0].settings["display_name"].clone();
                assert_eq!(name, if unknown { "Dev" } else { "" }, "{call} {outcome:?}");
            }
            coder.import("y", "succeeded");
            let again = put(&world, spec());
            assert_eq!(again.status, 200, "{call} {outcome:?}: {}", body(&again));
            world.background();
            world.get(ONE);
            world.background();
            let state = coder.0.borrow();
            assert_eq!(
                (state.templates.len(), state.files.len(), state.versions.len()),
                (1, 2, 2),
                "{call} {outcome:?}"
            );
            assert_eq!(state.templates[0].settings["display_name"], "Dev");
            drop(state);
            assert_eq!(coder.active("dev"), "y", "{call} {outcome:?}");
        }
    }
}

#[test]
fn going_back() {
    // An old version is promoted at once; the mark of another goes first.
    for call in ["PATCH /templateversions/", "PATCH /templates/"] {
        for (effect, outcome, read, write) in faults() {
            let coder = coder_with("x");
            let world = coder.world();
            for text in ["y", "z"] {
                coder.import("y", "succeeded");
                put(&world, json!({"files": {"main.tf": text}}));
                if text == "y" {
                    world.background();
                }
            }
            coder.fail(call, 1, effect, outcome.clone());
            let back = || json!({"files": {"main.tf": "x"}});
            let reply = put(&world, back());
            // Coder's answer to either says nothing that is needed.
            let garbage = matches!(&outcome, Ok(answer) if answer.status == 200);
            check_unless(garbage, &reply, &[read, write], call, &outcome);
            assert_eq!(put(&world, back()).status, 200, "{call} {outcome:?}");
            coder.import("z", "succeeded");
            world.background();
            world.get(ONE);
            world.background();
            assert_eq!(
                (coder.active("dev").as_str(), coder.0.borrow().versions.len()),
                ("x", 3),
                "{call} {outcome:?}"
            );
        }
    }
}

#[test]
fn what_waits_goes_on_waiting_where_the_way_back_is_refused() {
    let coder = coder_with("x");
    let world = coder.world();
    put(&world, json!({"files": {"main.tf": "y"}}));
    coder.import("y", "succeeded");
    world.background();
    put(&world, json!({"files": {"main.tf": "z"}}));
    coder.fail("PATCH /templates/", 1, false, answer(403, &json!({"message": "Forbidden."})));
    let reply = put(&world, json!({"files": {"main.tf": "x"}}));
    refused(&reply, 403, "Forbidden", "");
    coder.import("z", "succeeded");
    world.background();
    world.get(ONE);
    world.background();
    assert_eq!(coder.active("dev"), "z");
}

#[track_caller]
fn check_unless(fine: bool, reply: &Reply, codes: &[u16], call: &str, outcome: &Outcome) {
    if fine {
        assert_eq!(reply.status, 200);
    } else {
        check_refusal(reply, codes, call, outcome);
    }
}

#[test]
fn promotion() {
    for call in ["GET /templates/", "GET /templateversions/", "PATCH /templates/", "PATCH /templateversions/"]
    {
        for (effect, outcome, ..) in faults() {
            let coder = coder_with("x");
            let world = coder.world();
            put(&world, json!({"files": {"main.tf": "y"}}));
            coder.import("y", "succeeded");
            coder.fail(call, 3, effect, outcome.clone());
            world.background();
            assert_eq!(coder.active("dev"), "y", "{call} {outcome:?}");
        }
    }
}

#[test]
fn delete() {
    for (effect, outcome, read, write) in faults() {
        for call in ["GET /organizations/coder/templates/dev", "DELETE /templates/"] {
            let coder = coder_with("x");
            let world = coder.world();
            coder.fail(call, 1, effect, outcome.clone());
            let delete = || world.write("DELETE", ONE, "application/json", &json!({}));
            let reply = delete();
            // Coder's answer to a deletion says nothing that is needed.
            let garbage =
                matches!(&outcome, Ok(answer) if answer.status == 200) && call.starts_with("DELETE");
            check_unless(garbage, &reply, &[read, write], call, &outcome);
            let gone = effect && call.starts_with("DELETE");
            assert_eq!(delete().status, if gone { 404 } else { 200 }, "{call} {outcome:?}");
            assert!(coder.0.borrow().templates.is_empty());
        }
    }
}
