//! What carries a watch, and the bell that wakes it, in trouble: kube-apiserver refuses, is slow, or cuts what is open.

use e2e::{
    Api, Lab, Protocol, Replica, Scratch, Stream, Watcher,
    api::{PATIENCE, condition, ok, workspace},
    check::{no_secrets, status},
    envoy::eventually,
    faults::{self, Faults},
    stream::{Next, PROTOCOLS},
    watch::{STREAMING_LIST, request, version},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/coder-kube-filter/leases";

const BELL: &str = "/apis/coordination.k8s.io/v1/namespaces/coder-kube-filter/leases/bell";

/// The stand-in with a bell.
fn lab() -> Option<Lab> {
    let lab = Lab::exclusive_standin().filter(Lab::kube_misbehaves)?;
    if !lab.bell {
        e2e::skip("nothing carries a long poll");
        return None;
    }
    Some(lab)
}

/// A refusal of kube-apiserver's, which must not become the client's.
fn refusal(code: u16, reason: &str) -> Value {
    let message = format!("User \"system:serviceaccount:coder-kube-filter:coder-kube-filter\": {reason}");
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code});
    let mut fault = faults::status(code, &body);
    fault["method"] = json!("GET");
    fault
}

#[test]
fn a_watch_that_cannot_be_carried_is_not_the_clients_fault() {
    let Some(lab) = lab() else { return };
    let faults = Faults::new(&lab);
    let since = version(&ok(&lab.front().get(&lab.path("coderworkspaces"))));
    for (title, fault) in [
        ("a token that has expired", refusal(401, "Unauthorized")),
        ("no rights", refusal(403, "Forbidden")),
        ("no Lease", refusal(404, "NotFound")),
        ("too many requests", refusal(429, "TooManyRequests")),
        ("an error", refusal(500, "InternalError")),
        ("no etcd", refusal(503, "ServiceUnavailable")),
        ("no connection", json!({"kind": "reset", "method": "GET"})),
    ] {
        faults.kube(LEASES, &fault);
        for protocol in PROTOCOLS {
            for query in [
                format!("timeoutSeconds=5&resourceVersion={since}"),
                format!("{STREAMING_LIST}&timeoutSeconds=5"),
            ] {
                let target = request(&lab.path("coderworkspaces"), &query).target;
                println!("{title} {protocol:?}");
                let response = Stream::get(&lab.front(), protocol, &target).response(PATIENCE);
                // Once that is known long polls take the place of what cannot be carried.
                if response.status() != 200 {
                    status(&response, 503, "ServiceUnavailable");
                }
                let said = response.text().to_lowercase();
                assert!(
                    !said.contains("serviceaccount") && !said.contains("\"type\":\"error\""),
                    "{title}: {said}"
                );
                no_secrets(&lab, &response.text().replace(&lab.coder_url, ""));
            }
        }
        faults.clear();
    }
    let mut carried = 0;
    eventually("watches are carried again, by every worker", PATIENCE, || {
        let start = Instant::now();
        let query = format!("timeoutSeconds=3&labelSelector=nobody%3Dhas-this&resourceVersion={since}");
        let mut stream =
            Stream::open(&lab.front(), Protocol::Http1, &request(&lab.path("coderworkspaces"), &query));
        // A long poll is answered when it is over.
        let now = stream.head().status == 200 && start.elapsed() < Duration::from_secs(1);
        carried = if now { carried + 1 } else { 0 };
        (carried >= 20).then_some(())
    });
    let watcher = Watcher::streaming(&lab.front(), Protocol::Http1, &lab.path("coderworkspaces"), "");
    assert!(!watcher.store.is_empty());
}

#[test]
fn what_is_cut_is_gone_on_with() {
    let Some(lab) = lab() else { return };
    let scratch = Scratch::new(&lab);
    let faults = Faults::new(&lab);
    let path = lab.path("coderworkspaces");
    let mut watchers = PROTOCOLS.map(|protocol| Watcher::list(&lab.front(), protocol, &path, ""));
    for watcher in &mut watchers {
        watcher.may_break = true;
    }
    for (number, how) in ["end", "reset", "end", "reset"].into_iter().enumerate() {
        let name = format!("cut{number}");
        scratch.coder_workspace(&name, "plain", &json!({}));
        faults.cut_watches(how);
        for watcher in &mut watchers {
            watcher.until("seen", |event| {
                event.name() == scratch.name(&name) && condition(&event.object, "Ready") == "True"
            });
            watcher.converge();
        }
    }
}

#[test]
fn a_cut_reaches_the_client_soon() {
    let Some(lab) = lab() else { return };
    let faults = Faults::new(&lab);
    let path = lab.path("coderworkspaces");
    let since = version(&ok(&lab.front().get(&path)));
    for (how, proper) in [("end", true), ("reset", false)] {
        let mut streams = PROTOCOLS.map(|protocol| {
            Stream::open(
                &lab.front(),
                protocol,
                &request(&path, &format!("timeoutSeconds=300&resourceVersion={since}")),
            )
        });
        for stream in &mut streams {
            assert_eq!(stream.head().status, 200);
        }
        faults.cut_watches(how);
        for stream in &mut streams {
            let end = loop {
                match stream.next(Duration::from_secs(20)) {
                    Next::Line(_) => {}
                    Next::Ended(end) => break end,
                    Next::Quiet => panic!("{how}: the watch hangs"),
                }
            };
            assert!(end.is_ok() || !proper, "{how}: {end:?}");
        }
    }
}

#[test]
fn a_bell_that_cannot_be_rung_holds_nobody_up() {
    let Some(lab) = lab() else { return };
    let scratch = Scratch::new(&lab);
    let faults = Faults::new(&lab);
    let path = lab.path("coderworkspaces");
    let other = Replica::start(&lab, &[]);
    let mut watchers = [
        Watcher::list(&lab.front(), Protocol::Http1, &path, ""),
        Watcher::list(&other.front(), Protocol::Http2, &path, ""),
    ];
    for (number, fault) in [
        faults::status(500, &json!({})),
        faults::status(403, &json!({})),
        faults::status(409, &json!({})),
        json!({"kind": "reset"}),
        json!({"kind": "hang"}),
        json!({"kind": "garbage"}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut fault = fault;
        fault["method"] = json!("PATCH");
        faults.kube(BELL, &fault);
        let name = scratch.name(&format!("silent{number}"));
        let api = if number % 2 == 0 {
            scratch.workspaces()
        } else {
            Api::new(&lab, scratch.acting(other.front()), "coderworkspaces")
        };
        let start = Instant::now();
        ok(&api.create("", &workspace(&name, "plain", &json!({}))));
        assert!(start.elapsed() < Duration::from_secs(10), "{fault}: a write waits for the bell");
        faults.clear();
        // Whatever was not rung is learnt of from Coder.
        for watcher in &mut watchers {
            watcher.knows(&name, "ready", |object| condition(object, "Ready") == "True");
            watcher.converge();
        }
    }
}

#[test]
fn a_cluster_without_the_poller_lease_is_watched_all_the_same() {
    let Some(lab) = lab() else { return };
    let scratch = Scratch::new(&lab);
    let faults = Faults::new(&lab);
    let path = lab.path("coderworkspaces");
    for fault in [faults::status(404, &json!({})), faults::status(403, &json!({})), json!({"kind": "reset"})]
    {
        faults.kube(&BELL.replace("bell", "poller"), &fault);
        let name = format!("led{}", scratch.held().len());
        let mut watcher = Watcher::list(&lab.front(), Protocol::Http1, &path, "");
        scratch.coder_workspace(&name, "plain", &json!({}));
        watcher.until("seen", |event| event.name() == scratch.name(&name));
        watcher.converge();
        faults.clear();
    }
}
