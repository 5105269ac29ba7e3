//! Every call to Coder that a change makes can fail, in every way: the answer, how much was written, and that nothing follows an outcome that
//! is unknown.

use super::coder::*;
use super::*;

const ALL: &str = "/namespaces/coder/coderworkspaces";
const ONE: &str = "/namespaces/coder/coderworkspaces/coder.alice.w";

/// The ways in which a call can fail.
fn faults() -> Vec<(&'static str, Outcome)> {
    let said = json!({"message": "No.", "detail": "At http://10.0.0.1/x"});
    vec![
        ("not sent", Err(Lost::NotSent)),
        ("broken", BROKEN),
        ("409", answer(409, &said)),
        ("429", answer(429, &said)),
        ("500", answer(500, &said)),
        ("504", answer(504, &said)),
        ("garbage", answer(200, &json!("garbage"))),
    ]
}

/// What comes of each fault, in the order of [`faults`]: the code of the answer, and how many calls were made that may have changed something,
/// undoing included.
type Expect = [(u16, usize); 7];

/// A read before anything was written.
const READ: Expect = [(503, 0), (503, 0), (409, 0), (429, 0), (503, 0), (503, 0), (503, 0)];

#[track_caller]
fn check(coder: fn() -> Coder, call: &str, write: fn(&World) -> Reply, expect: Expect) {
    for ((fault, outcome), (code, writes)) in faults().into_iter().zip(expect) {
        let coder = coder();
        coder.fail(call, 1, outcome);
        let world = coder.world();
        let before = format!("{:?}", coder.0.borrow().workspaces);
        let reply = write(&world);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        let unused = coder.0.borrow().faults.iter().any(|(_, times, _)| *times > 0);
        assert!(!unused, "{call} is never called");
        assert_eq!(
            (reply.status, world.writes().len()),
            (code, writes),
            "{call}, {fault}: {text}, {:?}",
            world.writes()
        );
        assert!(!text.contains("10.0.0.1"), "{text}");
        let retry = reply.headers.iter().any(|(name, _)| *name == "retry-after");
        assert!(!retry || writes == 0, "{call}, {fault} invites to repeat what may have happened");
        let unknown = matches!(code, 500 | 504);
        assert!(!unknown || text.contains("unknown"), "{call}, {fault}: {text}");
        // What was refused has changed nothing.
        let after = format!("{:?}", coder.0.borrow().workspaces);
        assert!(unknown || reply.status < 300 || before == after, "{call}, {fault}: {after}");
    }
}

fn create(world: &World) -> Reply {
    let spec = json!({"organization": "coder", "templateName": "dev", "templateVersionPreset": "big", "parameters": [{"name": "home", "value": "big"}]});
    let object = json!({"apiVersion": "aggregation.coder.com/v1alpha1", "kind": "CoderWorkspace", "metadata": {"name": "coder.alice.w"}, "spec": spec});
    world.write("POST", ALL, "application/json", &object)
}

#[test]
fn of_create() {
    for call in [
        "GET /users/alice",
        "GET /organizations/coder/templates/dev",
        "GET /templateversions/00000000-0000-0000-0000-000000000001",
        "GET /templateversions/00000000-0000-0000-0000-000000000001/presets",
        "POST /templateversions/",
    ] {
        check(Coder::instant, call, create, READ);
    }
    check(
        Coder::instant,
        "POST /users/alice/workspaces",
        create,
        [(503, 1), (500, 1), (409, 1), (429, 1), (500, 1), (504, 1), (500, 1)],
    );
    // What follows is only looking.
    for call in ["GET /workspaces/w-1", "GET /workspacebuilds/"] {
        check(Coder::instant, call, create, [(201, 1); 7]);
    }
}

fn change(world: &World) -> Reply {
    let spec = json!({"ttlMillis": 60000, "autostartSchedule": "0 9 * * 1", "running": true, "templateVersionID": V2, "parameters": [{"name": "zone", "value": "us"}]});
    world.write("PATCH", ONE, "application/merge-patch+json", &json!({"spec": spec}))
}

fn stopped() -> Coder {
    Coder::instant().with("stop", "succeeded")
}

#[test]
fn of_update() {
    for call in [
        "GET /users/alice/workspace/w",
        "GET /workspacebuilds/",
        "GET /templateversions/00000000-0000-0000-0000-000000000002",
        "POST /templateversions/",
    ] {
        check(stopped, call, change, READ);
    }
    // A setting has no answer that could be garbage.
    let expect = |refused: usize, unknown: usize| {
        [
            (503, refused),
            (500, unknown),
            (409, refused),
            (429, refused),
            (500, unknown),
            (504, unknown),
            (200, 3),
        ]
    };
    check(stopped, "PUT /workspaces/w-1/ttl", change, expect(1, 1));
    check(stopped, "PUT /workspaces/w-1/autostart", change, expect(3, 2));
    check(stopped, "POST /workspaces/w-1/builds", change, expect(5, 3));
    check(stopped, "GET /workspaces/w-1", change, [(200, 3); 7]);
}

#[test]
fn parts_are_told() {
    let message = |call: &str, outcome: Outcome| {
        let coder = stopped();
        coder.fail(call, 1, outcome);
        body(&change(&coder.world()))["message"].as_str().unwrap().to_owned()
    };
    let first = message("PUT /workspaces/w-1/ttl", BROKEN);
    assert!(
        first.ends_with("; unknown: spec.ttlMillis; not changed: spec.autostartSchedule, the build"),
        "{first}"
    );
    let second = message("PUT /workspaces/w-1/autostart", BROKEN);
    assert!(
        second
            .ends_with("; unknown: spec.autostartSchedule; changed: spec.ttlMillis; not changed: the build"),
        "{second}"
    );
    let last = message("POST /workspaces/w-1/builds", BROKEN);
    assert!(
        last.ends_with("; unknown: the build; changed: spec.ttlMillis, spec.autostartSchedule"),
        "{last}"
    );
    // Not even undoing comes off.
    let coder = stopped();
    coder.fail(
        "POST /workspaces/w-1/builds",
        1,
        answer(409, &json!({"message": "A workspace build is already active."})),
    );
    let world = World::stateful({
        let (coder, seen) = (coder.clone(), RefCell::new(0));
        move |call| {
            *seen.borrow_mut() += usize::from(call.method == "PUT");
            match (call.method, *seen.borrow()) {
                ("PUT", 3) => answer(403, &json!({"message": "No."})),
                ("PUT", 4) => BROKEN,
                _ => coder.answer(call),
            }
        }
    });
    let reply = change(&world);
    refused(
        &reply,
        409,
        "Conflict",
        "A workspace build is already active.; changed all the same: spec.autostartSchedule; changed and perhaps not put back: spec.ttlMillis",
    );
}

#[test]
fn of_delete() {
    let delete = |world: &World| world.write("DELETE", ONE, "application/json", &json!({}));
    check(stopped, "GET /users/alice/workspace/w", delete, READ);
    let expect = [(503, 1), (500, 1), (409, 1), (429, 1), (500, 1), (504, 1), (500, 1)];
    check(stopped, "POST /workspaces/w-1/builds", delete, expect);
    check(stopped, "GET /workspacebuilds/", delete, [(200, 1); 7]);
    let collection = |world: &World| world.write("DELETE", ALL, "application/json", &json!({}));
    check(stopped, "GET /workspaces", collection, READ);
    check(stopped, "GET /users/alice/workspace/w", collection, READ);
    check(stopped, "POST /workspaces/w-1/builds", collection, expect);
}
