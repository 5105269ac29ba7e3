//! Coders that come, go, move, are not ready, or get another token, and what is believed meanwhile.

use super::*;

#[test]
fn a_new_token_is_picked_up_by_the_call_that_was_refused() {
    let cluster = one();
    let mut world = cluster.world();
    assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")).len(), 1);
    cluster.rotate("dev/operator-token", "token", b"t-2");
    cluster.0.accepted.replace(vec!["t-2"]);
    assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")).len(), 1);
    assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")).len(), 1);
    let tried = || -> Vec<String> {
        let calls = world.calls.borrow();
        let egress = calls.iter().filter(|call| call.cluster == "coder-egress");
        egress.map(|call| header(call, "Coder-Session-Token").unwrap().to_owned()).collect()
    };
    assert_eq!(tried(), ["t-1", "t-1", "t-2", "t-2"]);
    // A write that was refused has changed nothing, and is made once more.
    cluster.rotate("dev/operator-token", "token", b"t-3");
    cluster.0.accepted.replace(vec!["t-3"]);
    world.calls.borrow_mut().clear();
    let template = recorded().1[0]["name"].as_str().unwrap().to_owned();
    let deleted =
        world.write("DELETE", &format!("/namespaces/dev/codertemplates/coder.{template}"), "", &json!({}));
    assert_eq!(deleted.status, 200, "{}", body(&deleted));
    assert_eq!(world.writes().iter().filter(|write| write.starts_with("DELETE")).count(), 1);
    // One that stays refused is said to be ours, and the Secret is not read for each call.
    cluster.0.accepted.replace(vec!["t-4"]);
    world.now += 5_000;
    for _ in 0..3 {
        world.calls.borrow_mut().clear();
        let reply = world.get("/namespaces/dev/coderworkspaces");
        refused(&reply, 503, "ServiceUnavailable", "does not accept the filter's credentials");
        assert_eq!(world.to("coder-egress").len(), 1);
    }
    assert!(world.to("kube-filter").is_empty());
    world.now += 5_000;
    cluster.rotate("dev/operator-token", "token", b"t-4");
    assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")).len(), 1);
}

#[test]
fn a_new_token_goes_to_the_url_of_its_object_alone() {
    let check = |change: &dyn Fn(&Cluster)| {
        let cluster = one();
        let mut world = cluster.world();
        assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")).len(), 1);
        // Coder has moved, and whoever has its old address now refuses everything.
        change(&cluster);
        cluster.rotate("dev/operator-token", "token", b"t-2");
        cluster.0.accepted.replace(vec!["t-2"]);
        world.now += 5_000;
        refused(&world.get("/namespaces/dev/coderworkspaces"), 503, "ServiceUnavailable", "credentials");
        let calls = world.calls.borrow();
        let new = calls.iter().filter(|call| header(call, "Coder-Session-Token") == Some("t-2"));
        assert_eq!(new.count(), 0);
    };
    check(&|cluster| cluster.put("dev", "coder", &json!({}), ready("http://moved.svc")));
    check(&|cluster| cluster.0.objects.borrow_mut().clear());
    let disabled = json!({"operatorAccess": {"disabled": true}});
    check(&|cluster| cluster.put("dev", "coder", &disabled, ready("http://dev.svc:8080/base/")));
    let mut other = ready("http://dev.svc:8080/base/");
    other["operatorTokenSecretRef"]["name"] = "another".into();
    check(&|cluster| cluster.put("dev", "coder", &json!({}), other.clone()));
}

#[test]
fn readings_by_themselves() {
    let cluster = one();
    let mut world = cluster.world();
    let said = |world: &World| -> Vec<String> {
        world.keep().iter().map(|(reply, _)| String::from_utf8_lossy(&reply.body).into_owned()).collect()
    };
    assert_eq!(said(&world), ["Coder of namespace \"dev\" was discovered: CoderControlPlane coder"]);
    assert!(said(&world).is_empty(), "not before it is time");
    cluster.rotate("dev/operator-token", "token", b"t-2");
    cluster.0.accepted.replace(vec!["t-2"]);
    world.now += 40_000;
    assert_eq!(said(&world), [""], "nothing new to be said");
    world.calls.borrow_mut().clear();
    assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")).len(), 1);
    assert_eq!(world.to("coder-egress").len(), 1, "the new token was known");
    cluster.0.refuses_secrets.set(500);
    world.now += 40_000;
    said(&world);
    assert_eq!(
        names(&world.get("/namespaces/dev/coderworkspaces")).len(),
        1,
        "the token that was known holds"
    );
    // Its operator is not content: that must not make what is in it vanish.
    let mut status = ready("http://dev.svc:8080/base/");
    status["operatorAccessReady"] = false.into();
    cluster.put("dev", "coder", &json!({}), status.clone());
    world.now += 40_000;
    said(&world);
    assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")).len(), 1);
    cluster.put("dev", "coder", &json!({"operatorAccess": {"disabled": true}}), status);
    world.now += 40_000;
    said(&world);
    assert!(names(&world.get("/namespaces/dev/coderworkspaces")).is_empty());
}

/// First it cannot be called, and then its operator says so as well: it is there all the while.
#[test]
fn what_cannot_be_called_and_is_not_ready_has_not_vanished() {
    let cluster = one();
    let mut world = cluster.world();
    assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")).len(), 1);
    cluster.0.secrets.borrow_mut().clear();
    world.now += 40_000;
    world.keep();
    let gone = |world: &World| {
        for path in [
            "/namespaces/dev/coderworkspaces",
            "/namespaces/dev/coderworkspaces/coder.dev.w",
            "/coderworkspaces",
        ] {
            refused(&world.get(path), 503, "ServiceUnavailable", "does not exist");
        }
    };
    gone(&world);
    let mut status = ready("http://dev.svc:8080/base/");
    status["operatorAccessReady"] = false.into();
    cluster.put("dev", "coder", &json!({}), status);
    for _ in 0..2 {
        world.now += 40_000;
        world.keep();
        gone(&world);
    }
    cluster.put("dev", "coder", &json!({}), ready("http://dev.svc:8080/base/"));
    cluster.rotate("dev/operator-token", "token", b"t-1");
    world.now += 40_000;
    world.keep();
    assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")).len(), 1);
}

/// Whichever of two is not ready for a moment: the other one does not take its place.
#[test]
fn one_that_is_served_counts_while_it_is_not_ready() {
    let both = "2 CoderControlPlane objects that could be served, and there may be one: another, coder";
    for told in [true, false] {
        let cluster = one().accepts(&["t-1", "t-2"]).secret("dev/other-token", "token", b"t-2");
        let mut world = cluster.world();
        assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")), ["dev/coder.dev.w"]);
        let mut another = ready("http://other.svc");
        another["operatorTokenSecretRef"]["name"] = "other-token".into();
        let mut keep = |change: &dyn Fn()| {
            change();
            world.now += 40_000;
            world.keep();
        };
        let appear = || cluster.put("dev", "another", &json!({}), another.clone());
        let mut status = ready("http://dev.svc:8080/base/");
        status["operatorAccessReady"] = false.into();
        let waver = || cluster.put("dev", "coder", &json!({}), status.clone());
        if told {
            keep(&appear);
            keep(&waver);
        } else {
            keep(&waver);
            keep(&appear);
        }
        refused(&world.get("/namespaces/dev/coderworkspaces"), 400, "BadRequest", both);
        // The other one goes while this one's status is empty: it is not one of two any more.
        cluster.0.objects.borrow_mut().retain(|object| object["metadata"]["name"] == "coder");
        cluster.put("dev", "coder", &json!({}), json!({}));
        world.now += 40_000;
        world.keep();
        let reply = world.get("/namespaces/dev/coderworkspaces");
        refused(&reply, 503, "ServiceUnavailable", "its status names no URL or no Secret");
        cluster.put("dev", "another", &json!({}), another.clone());
        world.now += 40_000;
        world.keep();
        refused(&world.get("/namespaces/dev/coderworkspaces"), 400, "BadRequest", both);
        // The first one goes: then it is the other's.
        cluster.0.objects.borrow_mut().retain(|object| object["metadata"]["name"] == "another");
        world.now += 40_000;
        world.keep();
        assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")), ["dev/coder.other.w"]);
    }
}

/// What was read before the clock was set back is older all the same.
#[test]
fn a_clock_that_is_set_back_stops_no_reading() {
    let cluster = one();
    let mut world = cluster.world();
    assert_eq!(names(&world.get("/coderworkspaces")).len(), 2);
    world.now -= 3_600_000;
    cluster.0.objects.borrow_mut().clear();
    assert_eq!(names(&world.get("/coderworkspaces")), ["fixed/coder.coder.w"]);
    let cluster =
        cluster.object("new", "coder", ready("http://new.svc")).secret("new/operator-token", "token", b"t-1");
    assert_eq!(names(&world.get("/namespaces/new/coderworkspaces")), ["new/coder.new.w"]);
    cluster.rotate("new/operator-token", "token", b"t-2");
    cluster.0.accepted.replace(vec!["t-2"]);
    assert_eq!(names(&world.get("/namespaces/new/coderworkspaces")).len(), 1);
    world.now -= 3_600_000;
    cluster.rotate("new/operator-token", "token", b"t-3");
    cluster.0.accepted.replace(vec!["t-3"]);
    assert_eq!(names(&world.get("/namespaces/new/coderworkspaces")).len(), 1);
}

/// Coder moves while its Secret is being read: the token is the new address's.
#[test]
fn a_token_read_beside_another_url_waits_for_the_next_reading() {
    for known in [true, false] {
        let cluster = one();
        let moved = Rc::new(Cell::new(false));
        let (moving, state) = (moved.clone(), cluster.0.clone());
        let move_it = cluster.clone();
        let mut world = cluster.world().kube(move |call| {
            if moving.get() && call.path.contains("/secrets/") {
                moving.set(false);
                move_it.rotate("dev/operator-token", "token", b"t-2");
                move_it.put("dev", "coder", &json!({}), ready("http://moved.svc"));
            }
            if call.cluster == "kube-filter" { state.kube(call) } else { allow(call, true) }
        });
        if known {
            assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")).len(), 1);
            world.now += 40_000;
        }
        cluster.0.accepted.replace(vec!["t-1", "t-2"]);
        moved.set(true);
        world.keep();
        world.get("/namespaces/dev/coderworkspaces");
        world.now += 40_000;
        world.keep();
        assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")), ["dev/coder.moved.w"]);
        for call in world.calls.borrow().iter().filter(|call| call.cluster == "coder-egress") {
            let old = call.authority.starts_with("dev.svc");
            assert_eq!(header(call, "Coder-Session-Token"), Some(if old { "t-1" } else { "t-2" }));
        }
    }
}
