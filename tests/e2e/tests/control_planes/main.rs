//! Several Coders: the lab's own, which is fixed, and others that are discovered by `CoderControlPlane` objects. The others are stand-ins in this process, so
//! that they can be stopped; kube-apiserver is the lab's. Each test holds the lab alone, because a Coder that is down harms lists of all namespaces.

mod cluster;
mod second;

use cluster::{Place, status as ready_status};
use e2e::{
    Endpoint, Lab, Protocol, Replica, Request, Stream,
    api::{files, template},
    check::{names, status},
    envoy::{eventually, upstream_requests},
    stream::Next,
};
use echo_archive::Archive;
use second::Second;
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(45);

/// Whether the lab's configuration discovers at all.
fn discovering() -> Option<Lab> {
    let lab = Lab::exclusive()?;
    if lab.bell {
        return Some(lab);
    }
    e2e::skip("without a bell the filter has no rights of its own");
    None
}

fn all(resource: &str) -> String {
    format!("{}/{resource}", e2e::GROUP_VERSION)
}

/// The same of several connections: each of Envoy's workers knows for itself.
#[track_caller]
fn everywhere(front: &Endpoint, path: &str, code: u16) {
    for _ in 0..8 {
        let response = front.get(path);
        assert_eq!(response.status(), code, "{path}: {}", response.excerpt());
    }
}

/// Lists of all are there again: what the test before has left behind may be a moment old.
#[track_caller]
fn usual(front: &Endpoint) {
    eventually("lists of all are there", PATIENCE, || {
        (0..8).all(|_| front.get(&all("coderworkspaces")).status() == 200).then_some(())
    });
}

/// What is in namespaces, `namespace/name`.
fn places(list: &Value) -> Vec<String> {
    let text = |item: &Value, field: &str| item["metadata"][field].as_str().unwrap().to_owned();
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| [text(item, "namespace"), text(item, "name")].join("/")).collect()
}

#[test]
fn one_is_there_as_soon_as_it_is_asked_for_and_another_is_not_touched() {
    let Some(lab) = discovering() else { return };
    let (second, place) = (Second::start(), Place::new(&lab));
    let front = lab.front();
    let name = "coder.ours";
    everywhere(&front, &place.path("codertemplates"), 200);
    everywhere(&front, &place.path("codertemplates/coder.ours"), 404);
    let object = template(name, &json!({"provisioner": "echo", "files": files(&Archive::plain())}));
    let refused = front.send(&Request::post(&place.path("codertemplates"), &object));
    let said = status(&refused, 403, "Forbidden");
    assert!(said["message"].as_str().unwrap().contains("no Coder stands behind"), "{said}");

    place.token("token", &second.token());
    place.ready("coder", &second.http);
    let fixed = names(&front.get(&lab.path("codertemplates")).json());
    let created = front.send(&Request::post(&place.path("codertemplates"), &object));
    assert_eq!(created.status(), 201, "{}", created.excerpt());
    assert_eq!(second.templates(), ["ours"]);
    everywhere(&front, &place.path("codertemplates/coder.ours"), 200);
    let both = places(&front.get(&all("codertemplates")).json());
    assert!(both.contains(&format!("{}/{name}", place.namespace)), "{both:?}");
    assert_eq!(both.len(), fixed.len() + 1, "{both:?}");
    assert_eq!(names(&front.get(&lab.path("codertemplates")).json()), fixed);
    // A Coder behind TLS, whose CA Envoy does not know here: nothing is told to whoever cannot prove who he is.
    place.remove("coder");
    place.ready("coder", &second.https);
    let response = eventually("its certificate is not believed", PATIENCE, || {
        Some(front.get(&place.path("codertemplates"))).filter(|response| response.status() != 200)
    });
    status(&response, 503, "ServiceUnavailable");
    place.remove("coder");
    eventually("it is gone on every worker", PATIENCE, || {
        (0..8).all(|_| front.get(&place.path("codertemplates")).status() == 200).then_some(())
    });
    assert_eq!(second.templates(), ["ours"], "nothing of it was touched");
}

#[test]
fn a_coder_behind_tls() {
    let Some(lab) = discovering() else { return };
    let (second, place) = (Second::start(), Place::new(&lab));
    let ca = std::env::var("ENVOY_CONFIG").map(std::fs::read_to_string).unwrap().unwrap();
    let line = ca.lines().find(|line| line.contains("who signs your Coders' certificates")).unwrap();
    let trusted = format!("trusted_ca: {{ filename: {} }}", second.ca.display());
    let replica = Replica::start(&lab, &[(line.trim(), &trusted)]);
    place.token("token", &second.token());
    place.ready("coder", &second.https);
    everywhere(&replica.front(), &place.path("codertemplates"), 200);
    // The same certificate does not prove this name.
    place.remove("coder");
    place.ready("coder", &second.https.replace("localhost", "127.0.0.1"));
    let response = eventually("another name", PATIENCE, || {
        Some(replica.front().get(&place.path("codertemplates"))).filter(|response| response.status() != 200)
    });
    status(&response, 503, "ServiceUnavailable");
}

#[test]
fn a_token_is_replaced_and_nobody_notices() {
    let Some(lab) = discovering() else { return };
    let (second, place) = (Second::start(), Place::new(&lab));
    let front = lab.front();
    let mut token = second.token();
    place.token("token", &token);
    place.ready("coder", &second.http);
    everywhere(&front, &place.path("codertemplates"), 200);
    for round in 0..2 {
        let next = second.token();
        place.token("token", &next);
        second.revoke(&token);
        token = next;
        // A write is the first to find out.
        let name = format!("coder.rotated-{round}");
        let object = template(&name, &json!({"provisioner": "echo", "files": files(&Archive::plain())}));
        let created = front.send(&Request::post(&place.path("codertemplates"), &object));
        assert_eq!(created.status(), 201, "{}", created.excerpt());
        everywhere(&front, &place.path("codertemplates"), 200);
    }
    assert_eq!(second.templates().len(), 2);
    second.revoke(&token);
    let refused = front.get(&place.path("codertemplates"));
    let said = status(&refused, 503, "ServiceUnavailable");
    assert_eq!(refused.header("retry-after"), None, "{said}");
    let admin = Endpoint::from_url(&lab.envoy_admin);
    for target in ["/config_dump", "/stats", "/clusters"] {
        assert!(!admin.get(target).text().contains(&token), "{target} shows the token");
    }
    for log in lab.logs() {
        let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
        assert!(!text.contains(&token), "{} shows the token", log.display());
    }
}

#[test]
fn what_cannot_be_used_says_why() {
    let Some(lab) = discovering() else { return };
    let second = Second::start();
    let front = lab.front();
    let check = |make: &dyn Fn(&Place), code: u16, reason: &str, words: &[&str]| {
        let place = Place::new(&lab);
        make(&place);
        for path in
            [place.path("coderworkspaces"), place.path("codertemplates/coder.x"), all("coderworkspaces")]
        {
            // Of all, what was read a moment ago is good enough: that may be the namespace of the case before.
            let said = eventually(&format!("{path} names {}", place.namespace), PATIENCE, || {
                let response = front.get(&path);
                response.text().contains(&place.namespace).then(|| status(&response, code, reason))
            });
            for word in words {
                assert!(said["message"].as_str().unwrap().contains(word), "{word}: {said}");
            }
        }
        assert_eq!(front.get(&lab.path("coderworkspaces")).status(), 200);
    };
    let unavailable = |make: &dyn Fn(&Place), words: &[&str]| check(make, 503, "ServiceUnavailable", words);
    let two = |place: &Place| {
        place.token("token", &second.token());
        place.ready("one", &second.http);
        place.ready("other", &second.http);
    };
    check(&two, 400, "BadRequest", &["one", "other"]);
    unavailable(&|place| place.ready("coder", &second.http), &["operator-token", "does not exist"]);
    let other_key = |place: &Place| {
        place.token("other", "x");
        place.ready("coder", &second.http);
    };
    unavailable(&other_key, &["operator-token", "has no key"]);
    let empty = |place: &Place| {
        place.token("token", "");
        place.ready("coder", &second.http);
    };
    unavailable(&empty, &["operator-token", "holds no token"]);
    for (name, spec, state) in [
        ("with.dot", json!({}), ready_status(&second.http)),
        ("coder", json!({"operatorAccess": {"disabled": true}}), ready_status(&second.http)),
        ("coder", json!({}), json!({"url": second.http, "operatorAccessReady": true})),
    ] {
        let place = Place::new(&lab);
        place.token("token", &second.token());
        place.object(name, &spec, &state);
        everywhere(&front, &place.path("coderworkspaces"), 200);
        everywhere(&front, &place.path("coderworkspaces/coder.a.b"), 404);
    }
}

#[test]
fn one_that_is_down_harms_its_own_namespace_and_lists_of_all() {
    let Some(lab) = discovering() else { return };
    let (second, place) = (Second::start(), Place::new(&lab));
    let front = lab.front();
    place.token("token", &second.token());
    place.ready("coder", &second.http);
    usual(&front);
    // A worker that has not seen yet what there is now, or that the namespace of the test before is gone, ends its watches when it does.
    everywhere(&front, &place.path("coderworkspaces"), 200);
    let mut watch = eventually("a watch of all goes on", PATIENCE, || {
        let list = front.get(&all("coderworkspaces")).json();
        let from = list["metadata"]["resourceVersion"].as_str().unwrap();
        let query = format!("watch=true&timeoutSeconds=120&resourceVersion={from}");
        let mut watch = Stream::get(&front, Protocol::Http2, &format!("{}?{query}", all("coderworkspaces")));
        assert_eq!(watch.head().status, 200);
        (watch.next(Duration::from_secs(2)) == Next::Quiet).then_some(watch)
    });
    drop(second);
    for resource in ["coderworkspaces", "codertemplates"] {
        for path in [place.path(resource), all(resource)] {
            let said = status(&front.get(&path), 503, "ServiceUnavailable");
            assert!(said["message"].as_str().unwrap().contains(&place.namespace), "{said}");
        }
        everywhere(&front, &lab.path(resource), 200);
    }
    assert_eq!(watch.next(Duration::from_secs(5)), Next::Quiet, "watches of all go on");
    // Whoever takes the object away, or disables it, has them end: what there is now a list shows.
    place.remove("coder");
    let event = watch.event(PATIENCE);
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)), "{event}");
    usual(&front);
}

#[test]
fn no_client_reaches_the_way_out() {
    let Some(lab) = discovering() else { return };
    let (second, place) = (Second::start(), Place::new(&lab));
    place.token("token", &second.token());
    place.ready("coder", &second.http);
    let front = lab.front();
    everywhere(&front, &place.path("codertemplates"), 200);
    let before = upstream_requests(&lab, "egress-http");
    let host = second.http.trim_start_matches("http://");
    for path in ["/api/v2/users/me", "/version", "/apis"] {
        let request =
            Request::get(path).header("x-coder-kube-egress", "http").header("x-forwarded-host", host);
        front.send(&request);
    }
    assert_eq!(upstream_requests(&lab, "egress-http"), before);
}
