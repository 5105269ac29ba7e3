//! Who may watch: the cluster says, at the beginning and while it lasts, and the stream that carries watches is nobody's to reach.

use e2e::{
    GROUP_VERSION, Lab, Mode, Protocol, Request, Role, Stream,
    api::{PATIENCE, ok},
    check::{no_secrets, status},
    envoy::{eventually, without_coder_call},
    faults::Faults,
    stream::{Next, PROTOCOLS},
    watch::{STREAMING_LIST, request, version},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Rights are looked at again about once a minute; the last look is believed for some seconds more.
const CUT_OFF: Duration = Duration::from_secs(100);

#[test]
fn a_user_without_the_verb_is_refused_in_kubernetes_words() {
    let Some(lab) = Lab::exclusive() else { return };
    for (path, scope) in [
        (lab.path("coderworkspaces"), format!("in the namespace \"{}\"", lab.namespace)),
        (format!("{GROUP_VERSION}/coderworkspaces"), "at the cluster scope".to_owned()),
        (
            format!("{GROUP_VERSION}/namespaces/default/coderworkspaces"),
            "in the namespace \"default\"".to_owned(),
        ),
    ] {
        for query in [
            "timeoutSeconds=1",
            STREAMING_LIST,
            "resourceVersion=1",
            "allowWatchBookmarks=true&resourceVersion=0",
        ] {
            let request = request(&path, query);
            let response = without_coder_call(&lab, query, || lab.front_user().send(&request));
            let said = status(&response, 403, "Forbidden");
            let message = format!(
                "coderworkspaces.aggregation.coder.com is forbidden: User \"alice\" cannot watch resource \"coderworkspaces\" in API group \"aggregation.coder.com\" {scope}"
            );
            assert_eq!(said["message"], message);
            no_secrets(&lab, &response.text());
        }
    }
}

#[test]
fn whoever_is_not_authenticated_watches_nothing() {
    let Some(lab) = Lab::exclusive() else { return };
    for resource in ["coderworkspaces", "codertemplates"] {
        let watch = request(&lab.path(resource), "timeoutSeconds=1");
        for request in [watch.clone(), watch.clone().header("Authorization", "Bearer nonsense")] {
            let response = without_coder_call(&lab, resource, || lab.front_anonymous().send(&request));
            let direct = lab.direct_anonymous().send(&request);
            assert_eq!(response.status(), direct.status(), "{}", response.excerpt());
            assert!([401, 403].contains(&response.status()), "{}", response.excerpt());
        }
    }
}

#[test]
fn the_verb_list_alone_does_not_do() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.is_real("roles") {
        return;
    }
    let path = lab.path("coderworkspaces");
    let (lists, watches) =
        (Role::new(&lab, "lists", &["list"], &[]), Role::new(&lab, "watches", &["watch"], &[]));
    let (lists, watches) = (lists.acting(lab.front()), watches.acting(lab.front()));
    eventually("the role takes effect", PATIENCE, || (lists.get(&path).status() == 200).then_some(()));
    let watch = request(&path, "timeoutSeconds=1&resourceVersion=0");
    status(&lists.send(&watch), 403, "Forbidden");
    eventually("the role takes effect", PATIENCE, || (watches.send(&watch).status() == 200).then_some(()));
    status(&watches.get(&path), 403, "Forbidden");
}

/// Reads a stream to its end, whichever that is, which must come in time.
#[track_caller]
fn is_cut_off(stream: &mut Stream, since: Instant) {
    loop {
        let left =
            CUT_OFF.checked_sub(since.elapsed()).expect("the watch ends when the right has been taken away");
        match stream.next(left) {
            Next::Ended(_) => return,
            Next::Line(_) | Next::Quiet => {}
        }
    }
}

#[test]
fn whoever_loses_the_right_is_cut_off_within_a_minute_and_nobody_else() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.is_real("roles") {
        return;
    }
    let path = lab.path("coderworkspaces");
    let role = Role::new(&lab, "revoked", &["list", "watch"], &[]);
    let front = role.acting(lab.front());
    eventually("the role takes effect", PATIENCE, || (front.get(&path).status() == 200).then_some(()));
    let list = ok(&front.get(&path));
    let watch = request(
        &path,
        &format!("timeoutSeconds=300&allowWatchBookmarks=true&resourceVersion={}", version(&list)),
    );
    let mut theirs = PROTOCOLS.map(|protocol| Stream::open(&front, protocol, &watch));
    let mut stays = Stream::open(&lab.front(), Protocol::Http2, &watch);
    if lab.bell {
        for stream in &mut theirs {
            assert_eq!(stream.head().status, 200);
        }
        assert_eq!(stays.head().status, 200);
    }
    role.withdraw();
    let since = Instant::now();
    for stream in &mut theirs {
        is_cut_off(stream, since);
    }
    eventually("a new watch is refused", CUT_OFF, || (front.send(&watch).status() == 403).then_some(()));
    if lab.bell {
        while let Next::Line(line) = stays.next(Duration::from_millis(10)) {
            let event: Value = serde_json::from_str(&line).unwrap();
            assert_ne!(event["type"], "ERROR", "{line}");
        }
        assert_eq!(stays.next(Duration::from_millis(10)), Next::Quiet, "the others watch on");
    }
}

#[test]
fn a_cluster_that_says_no_later_ends_the_watch() {
    let Some(lab) = Lab::exclusive_standin().filter(Lab::kube_misbehaves) else { return };
    if !lab.bell {
        return e2e::skip("a long poll is asked about each time");
    }
    let (path, faults) = (lab.path("coderworkspaces"), Faults::new(&lab));
    faults.bookmarks(2_000);
    let list = ok(&lab.front().get(&path));
    let watch = request(&path, &format!("timeoutSeconds=300&resourceVersion={}", version(&list)));
    let mut streams = PROTOCOLS.map(|protocol| Stream::open(&lab.front(), protocol, &watch));
    for stream in &mut streams {
        assert_eq!(stream.head().status, 200);
    }
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {},
        "spec": {}, "status": {"allowed": false}});
    faults.kube("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &e2e::faults::status(201, &review));
    let since = Instant::now();
    for stream in &mut streams {
        is_cut_off(stream, since);
    }
    faults.clear();
    // Each worker believes that for a while.
    eventually("all is as before", PATIENCE, || {
        let watch = request(&path, "resourceVersion=1&timeoutSeconds=1");
        (0..20).all(|_| lab.front().send(&watch).status() == 200).then_some(())
    });
}

/// Ways to write the header that lets a request go to kube-apiserver with the filter's own identity.
const FORGED: [&[(&str, &str)]; 6] = [
    &[("x-coder-kube-carrier", "1")],
    &[("X-Coder-Kube-Carrier", "1")],
    &[("X-CODER-KUBE-CARRIER", "1"), ("x-coder-kube-carrier", "1")],
    &[("x_coder_kube_carrier", "1")],
    &[("x-coder-kube-carrier", "1"), ("Connection", "x-coder-kube-carrier")],
    &[("x-coder-kube-answered", "1"), ("x-coder-kube-carrier", "1"), ("x-envoy-original-path", "/")],
];

#[test]
fn nobody_reaches_the_bell_by_saying_so() {
    let Some(lab) = Lab::exclusive() else { return };
    let leases = "/apis/coordination.k8s.io/v1/namespaces/coder-kube-filter/leases";
    let targets = [
        leases.to_owned(),
        format!("{leases}?watch=true&timeoutSeconds=1"),
        format!(
            "{leases}?watch=true&fieldSelector=metadata.name%3Dbell&allowWatchBookmarks=true&timeoutSeconds=1"
        ),
        format!("{leases}/bell"),
    ];
    for headers in FORGED {
        for target in &targets {
            for endpoint in [lab.front_user(), lab.front_anonymous()] {
                let request = headers
                    .iter()
                    .fold(Request::get(target), |request, (name, value)| request.header(name, value));
                let response = endpoint.send(&request);
                assert!(
                    [400, 401, 403].contains(&response.status()),
                    "{headers:?} {target}: {} {}",
                    response.status(),
                    response.excerpt()
                );
                assert!(
                    !response.text().contains("system:serviceaccount"),
                    "{headers:?} {target}: {}",
                    response.excerpt()
                );
            }
        }
        // Who may, is the cluster's to say of them, not of the filter.
        let request =
            headers.iter().fold(Request::get(leases), |request, (name, value)| request.header(name, value));
        let (through, direct) = (lab.front().send(&request), lab.direct().get(leases));
        assert_eq!(through.status(), direct.status(), "{headers:?}: {}", through.excerpt());
    }
}

#[test]
fn a_forged_header_opens_no_watch_of_ours() {
    let Some(lab) = Lab::exclusive() else { return };
    for headers in FORGED {
        for endpoint in [lab.front_user(), lab.front_anonymous()] {
            let watch = request(&lab.path("coderworkspaces"), "timeoutSeconds=1");
            let request = headers.iter().fold(watch, |request, (name, value)| request.header(name, value));
            let response = without_coder_call(&lab, &format!("{headers:?}"), || endpoint.send(&request));
            assert!([400, 401, 403].contains(&response.status()), "{headers:?}: {}", response.excerpt());
        }
    }
}

#[test]
fn a_watcher_is_told_nothing_of_the_carrier() {
    let Some(lab) = Lab::shared() else { return };
    // Behind it kube-apiserver says some of these of the client's own request.
    let theirs: &[&str] = if lab.mode == Mode::Front { &["x-kubernetes-pf", "audit-id"] } else { &[] };
    for (protocol, endpoint) in [(Protocol::Http1, lab.front()), (Protocol::Http2, lab.front_cert())] {
        let target =
            request(&lab.path("coderworkspaces"), "timeoutSeconds=2&allowWatchBookmarks=true").target;
        let mut stream = Stream::get(&endpoint, protocol, &target);
        let head = stream.head();
        assert_eq!(head.status, 200);
        let headers = format!("{:?}", head.headers).to_lowercase();
        for word in theirs.iter().chain(&["x-coder-kube", "x-envoy"]) {
            assert!(!headers.contains(word), "{word}: {headers}");
        }
        let events = stream.rest(PATIENCE);
        assert!(!events.is_empty());
        let text = format!("{events:?}");
        assert!(!text.contains("Lease") && !text.contains("coordination"), "{text}");
    }
}
