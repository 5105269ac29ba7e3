//! More requests at once than may be answered in one callback (300 of them exhaust the stack): all answered, no VM lost. Each
//! test holds the lab alone.

use e2e::{
    Lab, Mode, Request,
    check::names,
    envoy::vm_reloads,
    http2,
    seed::{RUNNING, WS0},
};

/// Requests that one connection to kube-apiserver takes at once.
const STREAMS: usize = 80;

/// Sends every request at once to one worker: on one connection, or by way of kube-apiserver, which has one.
#[track_caller]
fn check(lab: &Lab, requests: &[Request], expect: impl Fn(&serde_json::Value)) {
    let reloads = vm_reloads(lab);
    let streams = if lab.mode == Mode::Front { requests.len() } else { STREAMS };
    let responses: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = requests
            .chunks(streams)
            .map(|requests| scope.spawn(|| http2::send(&lab.front(), requests)))
            .collect();
        all.into_iter().flat_map(|some| some.join().expect("answers")).collect()
    });
    for response in responses {
        assert_eq!(response.status(), 200, "{}", response.excerpt());
        expect(&response.json());
    }
    assert_eq!(vm_reloads(lab), reloads, "the VM has died");
}

/// Asks as somebody whom nobody has decided about yet.
fn unknown(target: &str, name: &str) -> Request {
    Request::get(target).header("Impersonate-User", name).header("Impersonate-Group", "system:masters")
}

#[test]
fn many_gets_that_wait_for_one_decision() {
    let Some(lab) = Lab::exclusive() else { return };
    let one = lab.path(&format!("coderworkspaces/{WS0}"));
    let name = format!("e2e-many-{}", std::process::id());
    check(&lab, &vec![unknown(&one, &name); 350], |object| assert_eq!(object["metadata"]["name"], WS0));
}

#[test]
fn many_gets_that_wait_for_as_many_decisions() {
    let Some(lab) = Lab::exclusive() else { return };
    let one = lab.path(&format!("coderworkspaces/{WS0}"));
    let requests: Vec<_> =
        (0..350).map(|number| unknown(&one, &format!("e2e-many-{number}-{}", std::process::id()))).collect();
    check(&lab, &requests, |object| assert_eq!(object["metadata"]["name"], WS0));
}

#[test]
fn many_lists() {
    let Some(lab) = Lab::exclusive() else { return };
    check(&lab, &vec![Request::get(&lab.path("coderworkspaces")); 60], |list| {
        let names = names(list);
        assert!(RUNNING.iter().all(|name| names.contains(&(*name).to_owned())));
    });
}

#[test]
fn many_discoveries() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.front_only("kube-apiserver answers these itself") {
        return;
    }
    check(&lab, &vec![Request::get("/apis"); 400], |list| assert_eq!(list["kind"], "APIGroupList"));
}
