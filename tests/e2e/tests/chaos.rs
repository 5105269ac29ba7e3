//! A panic in the module must not touch what passes through. Needs a module built with the `chaos` feature (`LAB_CHAOS=1`),
//! and the lab alone.

use e2e::{
    GROUP_VERSION, Http1, Lab, Request,
    check::status,
    envoy::{eventually, vm_reloads},
};
use serde_json::json;
use std::time::{Duration, Instant};

const WATCH: Duration = Duration::from_secs(20);

#[test]
fn what_passes_does_not_depend_on_the_vm() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.chaos {
        e2e::skip("the module was built without the chaos feature");
        return;
    }
    // kubectl keeps what it has discovered for hours; discovery itself is ours and may be away for a moment.
    lab.kubectl().run("get pods -n default").ok();
    let before = vm_reloads(&lab);
    let start = Instant::now();
    let mut watch = Http1::connect(&lab.front()).unwrap();
    let seconds = WATCH.as_secs();
    watch
        .send(&Request::get(&format!("/api/v1/namespaces/default/pods?watch=true&timeoutSeconds={seconds}")))
        .unwrap();
    assert_eq!(watch.read_head("GET").unwrap().status, 200);

    // A connection belongs to one worker: with this many, every worker meets the panic.
    for _ in 0..32 {
        if let Ok(response) = lab.front().try_send(&Request::get(&format!("{GROUP_VERSION}/chaos/panic"))) {
            assert!(response.status() >= 500, "{} {}", response.status(), response.excerpt());
        }
    }
    let write = Request::post(&format!("{GROUP_VERSION}/chaos/panic"), &json!({}));
    if let Ok(response) = lab.front().try_send(&write) {
        let answer = status(&response, 500, "InternalError");
        assert!(answer["message"].as_str().unwrap().contains("whether the change was made is unknown"));
    }
    for _ in 0..8 {
        for target in ["/api/v1/namespaces/default/pods", "/version", "/api"] {
            let response = lab.front().get(target);
            assert_eq!(response.status(), 200, "{target}: {}", response.excerpt());
        }
    }
    lab.kubectl().run("get pods -n default").ok();

    while watch.next_piece().expect("the watch of pods ends cleanly").is_some() {}
    assert!(start.elapsed() > WATCH - Duration::from_secs(1), "the watch ended after {:?}", start.elapsed());

    let target = lab.path("coderworkspaces");
    eventually("our API is back on every worker", Duration::from_secs(30), || {
        (0..16).all(|_| lab.front().get(&target).status() == 200).then_some(())
    });
    assert_ne!(vm_reloads(&lab), before, "the VM was made anew, so it had died");
}
