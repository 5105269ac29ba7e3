//! The suite's own watching client, held against kube-apiserver's config maps: what it demands of our watches is what Kubernetes does.

use e2e::{
    Lab, Protocol, Request, Stream, Watcher,
    api::{MERGE, ok},
    scratch::unique,
    stream::PROTOCOLS,
    watch::{request, version},
};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// Config maps of one label, through Envoy.
struct ConfigMaps<'lab> {
    lab: &'lab Lab,
    path: String,
    label: String,
}

impl<'lab> ConfigMaps<'lab> {
    fn new(lab: &'lab Lab) -> ConfigMaps<'lab> {
        ConfigMaps { lab, path: format!("/api/v1/namespaces/{}/configmaps", lab.namespace), label: unique() }
    }

    fn selector(&self) -> String {
        format!("labelSelector=e2e%3D{}", self.label)
    }

    fn create(&self, name: &str) {
        let metadata = json!({"name": name, "labels": {"e2e": self.label}});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        ok(&self.lab.front().send(&Request::post(&self.path, &object)));
    }

    fn merge(&self, name: &str, patch: &Value) {
        let request = Request::new("PATCH", &format!("{}/{name}", self.path));
        ok(&self.lab.front().send(&request.body(MERGE, patch.to_string())));
    }

    fn delete(&self, name: &str) {
        ok(&self.lab.front().send(&Request::new("DELETE", &format!("{}/{name}", self.path))));
    }
}

fn kinds(watcher: &Watcher, name: &str) -> Vec<String> {
    watcher.about(name).iter().map(|event| event.kind.clone()).collect()
}

#[test]
fn a_life_is_told_and_a_selector_begins_and_ends_one() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.is_real("config maps that change") {
        return;
    }
    for protocol in PROTOCOLS {
        let maps = ConfigMaps::new(&lab);
        let names = ["kept", "moved"].map(|name| format!("{name}-{}", maps.label));
        let mut listed = Watcher::list(&lab.front(), protocol, &maps.path, &maps.selector());
        for name in &names {
            maps.create(name);
        }
        let mut streamed = Watcher::streaming(&lab.front(), protocol, &maps.path, &maps.selector());
        assert_eq!(streamed.store.len(), 2);
        maps.merge(&names[0], &json!({"data": {"a": "b"}}));
        maps.merge(&names[1], &json!({"metadata": {"labels": {"e2e": "gone"}}}));
        maps.delete(&names[0]);
        for watcher in [&mut listed, &mut streamed] {
            watcher.knows_gone(&names[0]);
            watcher.converge();
        }
        assert_eq!(kinds(&listed, &names[0]), ["ADDED", "MODIFIED", "DELETED"]);
        assert_eq!(kinds(&listed, &names[1]), ["ADDED", "DELETED"]);
        let left = listed.about(&names[1])[1].object.clone();
        assert_eq!(left["metadata"]["labels"]["e2e"], maps.label, "as it was when it still matched");
        assert!(version(&left) > version(&listed.about(&names[1])[0].object));
        maps.delete(&names[1]);
    }
}

#[test]
fn a_watch_from_any_version_tells_exactly_what_came_after() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.is_real("config maps that change") {
        return;
    }
    let maps = ConfigMaps::new(&lab);
    let name = format!("replayed-{}", maps.label);
    let mut watcher = Watcher::list(&lab.front(), Protocol::Http1, &maps.path, &maps.selector());
    maps.create(&name);
    for value in ["a", "b", "c"] {
        maps.merge(&name, &json!({"data": {"value": value}}));
    }
    maps.delete(&name);
    watcher.knows_gone(&name);
    let told: Vec<_> =
        watcher.about(&name).iter().map(|event| (event.version(), event.kind.clone())).collect();
    assert_eq!(told.len(), 5);
    for (since, _) in &told {
        let query = format!("timeoutSeconds=1&resourceVersion={since}&{}", maps.selector());
        let again =
            Stream::get(&lab.front(), Protocol::Http2, &request(&maps.path, &query).target).rest(SOON);
        let again: Vec<_> = again
            .iter()
            .map(|event| (version(&event["object"]), event["type"].as_str().unwrap().to_owned()))
            .collect();
        let expect: Vec<_> = told.iter().filter(|(version, _)| version > since).cloned().collect();
        assert_eq!(again, expect, "since {since}");
    }
}
