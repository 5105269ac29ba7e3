//! The cluster's own controllers, which find us because we are listed: namespaces end, garbage is collected where it is garbage, quotas are
//! counted; with Coder and without.
//!
//! Behind kube-apiserver only: in front of it controllers do not see us.

mod world;

use e2e::{
    Lab, Request,
    api::{PATIENCE, ok},
    envoy::eventually,
    scratch::{Scratch, unique},
};
use serde_json::{Value, json};
use std::{thread, time::Duration};
use world::{World, collected, config_map, gone, quota_used};

/// The lab alone, where kube-controller-manager sees us.
fn lab() -> Option<Lab> {
    let lab = Lab::exclusive()?;
    if !lab.aggregated_only() {
        return None;
    }
    if !lab.controllers {
        e2e::skip("no kube-controller-manager in this lab");
        return None;
    }
    Some(lab)
}

#[test]
fn namespaces_that_are_not_ours_end() {
    let Some(lab) = lab() else { return };
    let world = World::new(&lab, &lab.namespace.clone());
    for coder in ["up", "down"] {
        if coder == "down" {
            world.coder.cut();
        }
        let name = unique();
        lab.kubectl_direct().run(&format!("create namespace {name}")).ok();
        lab.kubectl_direct().run(&format!("create configmap kept -n {name}")).ok();
        lab.kubectl_direct().run(&format!("delete namespace {name} --wait=false")).ok();
        gone(&lab, &format!("/api/v1/namespaces/{name}"), &format!("with Coder {coder}"));
    }
}

#[test]
fn a_namespace_of_ours_ends_and_its_workspaces_live_on() {
    let Some(lab) = lab() else { return };
    let scratch = Scratch::new(&lab);
    let workspace = scratch.coder_workspace("kept", "plain", &json!({}));
    let name = unique();
    lab.kubectl_direct().run(&format!("create namespace {name}")).ok();
    let world = World::new(&lab, &name);
    let listed = || {
        let list = ok(&lab.front().get(&format!("{}/namespaces/{name}/coderworkspaces", e2e::GROUP_VERSION)));
        e2e::check::names(&list)
    };
    assert!(listed().contains(&scratch.name("kept")));
    // With Coder down nothing of it can be listed, and nothing is lost.
    world.coder.cut();
    lab.kubectl_direct().run(&format!("delete namespace {name} --wait=false")).ok();
    thread::sleep(Duration::from_secs(5));
    world.coder.mend();
    gone(&lab, &format!("/api/v1/namespaces/{name}"), "it is ours");
    let held = scratch.held();
    assert_eq!(
        (held.len(), &held[0]["id"], &held[0]["latest_build"]["build_number"]),
        (1, &workspace["id"], &json!(1)),
        "the workspace was touched"
    );
    // Made anew, it shows again what it has shown.
    lab.kubectl_direct().run(&format!("create namespace {name}")).ok();
    eventually("the workspace is shown again", PATIENCE, || {
        listed().contains(&scratch.name("kept")).then_some(())
    });
    drop(world);
    lab.kubectl_direct().run(&format!("delete namespace {name} --wait=false")).ok();
    gone(&lab, &format!("/api/v1/namespaces/{name}"), "it is nobody's any more");
}

#[test]
fn what_a_workspace_owns_is_garbage_when_it_has_gone_and_not_before() {
    let Some(lab) = lab() else { return };
    let scratch = Scratch::new(&lab);
    let world = World::new(&lab, &lab.namespace.clone());
    let name = scratch.name("owner");
    scratch.coder_workspace("owner", "plain", &json!({}));
    let owner = scratch.workspaces().ready(&name);
    let owned = config_map(&lab, "CoderWorkspace", &name, owner["metadata"]["uid"].as_str().unwrap());
    // Whose owner is another by the same name is garbage at once: the collector has been here.
    let uid = "00000000-0000-4000-8000-000000000000";
    collected(&lab, &config_map(&lab, "CoderWorkspace", &name, uid), "its owner is another");
    collected(&lab, &config_map(&lab, "CoderWorkspace", "coder.nobody.nothing", uid), "it has no owner");
    assert_eq!(lab.direct().get(&owned).status(), 200, "collected while its owner lives");
    // While Coder is down nobody knows whether the owner lives. The collector goes on with what it can tell.
    world.coder.cut();
    let doubtful = config_map(&lab, "CoderWorkspace", &name, owner["metadata"]["uid"].as_str().unwrap());
    let unknown = config_map(&lab, "CoderWorkspace", "coder.nobody.nothing", uid);
    for _ in 0..3 {
        collected(&lab, &config_map(&lab, "ConfigMap", "nothing", uid), "its owner is none of ours");
        thread::sleep(Duration::from_secs(3));
    }
    for path in [&owned, &doubtful, &unknown] {
        assert_eq!(lab.direct().get(path).status(), 200, "collected though Coder was not there to say");
    }
    world.coder.mend();
    collected(&lab, &unknown, "Coder says again that there is no such owner");
    for path in [&owned, &doubtful] {
        assert_eq!(lab.direct().get(path).status(), 200, "collected while its owner lives");
    }
    ok(&scratch.workspaces().delete(&name, "", &Value::Null));
    scratch.workspaces().gone(&name);
    for path in [&owned, &doubtful] {
        collected(&lab, path, "its owner has gone");
    }
}

#[test]
fn quotas_are_counted() {
    let Some(lab) = lab() else { return };
    let world = World::new(&lab, &lab.namespace.clone());
    for coder in ["up", "down"] {
        if coder == "down" {
            world.coder.cut();
        }
        let name = unique();
        lab.kubectl_direct().run(&format!("create namespace {name}")).ok();
        lab.kubectl_direct().run(&format!("create quota all --hard=count/configmaps=9 -n {name}")).ok();
        quota_used(&lab, &name, "1", &format!("the CA's own, with Coder {coder}"));
        lab.kubectl_direct().run(&format!("create configmap one -n {name}")).ok();
        quota_used(&lab, &name, "2", &format!("one more, with Coder {coder}"));
        lab.kubectl_direct().run(&format!("delete configmap one -n {name}")).ok();
        quota_used(&lab, &name, "1", &format!("one less, with Coder {coder}"));
        lab.kubectl_direct().run(&format!("delete namespace {name} --wait=false")).ok();
    }
}

#[test]
fn controllers_that_start_anew_come_to_work() {
    let Some(lab) = lab() else { return };
    let world = World::new(&lab, &lab.namespace.clone());
    for coder in ["up", "down"] {
        if coder == "down" {
            world.coder.cut();
        }
        let fresh = world::Fresh::start(&lab);
        let name = unique();
        lab.kubectl_direct().run(&format!("create namespace {name}")).ok();
        lab.kubectl_direct().run(&format!("create quota all --hard=count/configmaps=9 -n {name}")).ok();
        let uid = "00000000-0000-4000-8000-000000000000";
        let garbage = config_map(&lab, "ConfigMap", "nothing", uid);
        println!("Coder is {coder}; log: {}", fresh.log().display());
        collected(&lab, &garbage, &format!("the collector is at work, with Coder {coder}"));
        // The quota controller waits until it knows every kind of the cluster: it begins when Coder is back.
        world.coder.mend();
        quota_used(&lab, &name, "1", &format!("the quota controller is at work, after Coder was {coder}"));
        lab.kubectl_direct().run(&format!("delete namespace {name} --wait=false")).ok();
        gone(&lab, &format!("/api/v1/namespaces/{name}"), &format!("with Coder {coder}"));
    }
}

#[test]
fn the_rights_of_the_controllers_are_enough() {
    let Some(lab) = lab() else { return };
    let target = lab.path("coderworkspaces");
    for (controller, method) in [
        ("generic-garbage-collector", "GET"),
        ("resourcequota-controller", "GET"),
        ("namespace-controller", "GET"),
    ] {
        let user = format!("system:serviceaccount:kube-system:{controller}");
        let request = Request::new(method, &target).header("Impersonate-User", &user);
        assert_eq!(lab.front().send(&request).status(), 200, "{controller}");
    }
}
