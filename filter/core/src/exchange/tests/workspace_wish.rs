//! The wish for a stop outlives the process that it was told to.

use super::coder::*;
use super::*;

const ANNOTATION: &str = "stop.aggregation.coder.com/w-1";

/// A world with a bell, whose Lease `poller` is this.
fn with_bell(world: World, lease: &Rc<RefCell<Value>>) -> World {
    let config = r#"{"mode":"front","kubernetes":{"cluster":"kube"},
        "controlPlanes":[{"namespace":"coder","cluster":"coder","authority":"coder","dashboardURL":"https://coder.example.com"}],
        "watch":{"bell":{"cluster":"kube-filter","namespace":"n","lease":"bell","pollerLease":"poller"}}}"#;
    let lease = lease.clone();
    let world = World { filter: Filter::new(Config::parse(config.as_bytes()).unwrap()), ..world };
    world.kube(move |call| {
        if call.cluster != "kube-filter" {
            return allow(call, true);
        }
        if call.method == "PATCH" && call.path.ends_with("/leases/poller") {
            let patch: Value = serde_json::from_slice(&call.body).unwrap();
            for (name, value) in patch["metadata"]["annotations"].as_object().unwrap() {
                lease.borrow_mut()["metadata"]["annotations"][name] = value.clone();
            }
        }
        answer(200, &lease.borrow())
    })
}

#[test]
fn written_down_and_taken_away() {
    let lease = Rc::new(RefCell::new(json!({"metadata": {"annotations": {}}})));
    let coder = Coder::default();
    let world = with_bell(coder.world(), &lease);
    let manifest = json!({
        "apiVersion": "aggregation.coder.com/v1alpha1", "kind": "CoderWorkspace", "metadata": {"name": "coder.alice.w"},
        "spec": {"organization": "coder", "templateName": "dev", "running": false}
    });
    let reply = world.write("POST", "/namespaces/coder/coderworkspaces", "application/json", &manifest);
    assert_eq!(reply.status, 201);
    let wish = lease.borrow()["metadata"]["annotations"][ANNOTATION].clone();
    assert_eq!(wish, format!("{NOW} coder w-1-b1"));
    coder.change(|w| w.builds[0].status = "succeeded");
    world.background();
    assert_eq!(world.writes()[1..], [r#"POST /api/v2/workspaces/w-1/builds {"transition":"stop"}"#]);
    assert_eq!(lease.borrow()["metadata"]["annotations"][ANNOTATION], Value::Null);
}

#[test]
fn taken_up_by_another_process() {
    let check = |age: i64, stays: bool, expect: &[&str]| {
        let wish = json!({ANNOTATION: format!("{} coder w-1-b1", NOW - age), "stop.aggregation.coder.com/x": "nonsense"});
        let lease = Rc::new(RefCell::new(json!({"metadata": {"annotations": wish}})));
        let coder = Coder::default();
        coder.world().write(
            "POST",
            "/namespaces/coder/coderworkspaces",
            "application/json",
            &json!({"metadata": {"name": "coder.alice.w"}, "spec": {"organization": "coder", "templateName": "dev"}}),
        );
        coder.change(|w| w.builds[0].status = "succeeded");
        let world = with_bell(coder.world(), &lease);
        world.scan();
        // Once, however often is looked.
        world.scan();
        world.background();
        assert_eq!(world.writes(), expect, "{age}");
        assert_eq!(!lease.borrow()["metadata"]["annotations"][ANNOTATION].is_null(), stays, "{age}");
    };
    check(10_000, true, &[]);
    // What could not be carried out for a week is not wished for any more.
    check(7 * 86_400_000 + 1, false, &[]);
    check(100_000, false, &[r#"POST /api/v2/workspaces/w-1/builds {"transition":"stop"}"#]);
}
