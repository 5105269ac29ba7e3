//! The forms of a watch: Table, metadata alone, and what cannot be streamed. kube-apiserver's own watches of config maps are held to the same.

use e2e::{
    Lab, Protocol, Request, Stream,
    check::status,
    watch::{INITIAL_EVENTS_END, version},
};
use serde_json::{Value, json};
use std::{sync::Once, time::Duration};

/// Longer than any of these watches lasts.
const SOON: Duration = Duration::from_secs(40);

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";

/// Two objects of a kind, and where a watch of both is.
struct Subject {
    path: String,
    kind: &'static str,
    api_version: &'static str,
    /// Whether it is kube-apiserver's.
    theirs: bool,
}

/// Ours, and with real parts kube-apiserver's, whose config maps stay.
fn subjects(lab: &Lab) -> Vec<Subject> {
    let mut subjects = vec![Subject {
        path: lab.path("coderworkspaces"),
        kind: "CoderWorkspace",
        api_version: "aggregation.coder.com/v1alpha1",
        theirs: false,
    }];
    if lab.is_real("kube-apiserver's own forms") {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            for name in ["e2e-form-one", "e2e-form-two"] {
                let metadata = json!({"name": name, "namespace": lab.namespace});
                let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
                lab.kubectl_direct().input(object.to_string()).run("apply -f -").ok();
            }
        });
        let path = format!("/api/v1/namespaces/{}/configmaps", lab.namespace);
        subjects.push(Subject { path, kind: "ConfigMap", api_version: "v1", theirs: true });
    }
    subjects
}

/// All that a watch of a second says that begins with what there is.
#[track_caller]
fn events(lab: &Lab, subject: &Subject, protocol: Protocol, accept: &str, query: &str) -> Vec<Value> {
    let target = format!("{}?watch=true&allowWatchBookmarks=true&timeoutSeconds=1&{query}", subject.path);
    let mut stream = Stream::open(&lab.front(), protocol, &Request::get(&target).accept(accept));
    let head = stream.head();
    assert_eq!(head.status, 200, "{accept} {target}: {:?}", stream.next(SOON));
    assert_eq!(head.header("content-type"), Some("application/json"));
    let mut events = stream.rest(SOON);
    // A last bookmark may tell how far one is when the watch ends.
    let first_bookmark = events.iter().position(|event| event["type"] == "BOOKMARK");
    events.truncate(first_bookmark.map_or(events.len(), |at| at + 1));
    assert!(events.len() >= 3, "two objects and a bookmark: {events:?}");
    let last = events.len() - 1;
    assert!(events[..last].iter().all(|event| event["type"] == "ADDED"), "{events:?}");
    assert_eq!(events[last]["type"], "BOOKMARK");
    events
}

#[test]
fn rows_of_a_table_come_one_by_one() {
    let Some(lab) = Lab::shared() else { return };
    for subject in subjects(&lab) {
        for (query, kind, version_of_object) in [
            ("", Some("PartialObjectMetadata"), "meta.k8s.io/v1"),
            ("includeObject=Metadata", Some("PartialObjectMetadata"), "meta.k8s.io/v1"),
            ("includeObject=Object", Some(subject.kind), subject.api_version),
            ("includeObject=None", None, ""),
        ] {
            let events = events(&lab, &subject, Protocol::Http1, TABLE, query);
            let listed = lab.front().send(&Request::get(&subject.path).accept(TABLE)).json();
            let columns = listed["columnDefinitions"].as_array().unwrap();
            for (number, event) in events.iter().enumerate() {
                let table = &event["object"];
                assert_eq!(
                    (&table["kind"], &table["apiVersion"]),
                    (&json!("Table"), &json!("meta.k8s.io/v1"))
                );
                // Clients keep the columns of the first.
                let expect = if number == 0 { &listed["columnDefinitions"] } else { &Value::Null };
                assert_eq!(&table["columnDefinitions"], expect, "event {number}");
                let rows = table["rows"].as_array().unwrap();
                assert_eq!(rows.len(), 1, "{table}");
                let (cells, object) = (rows[0]["cells"].as_array().unwrap(), &rows[0]["object"]);
                assert_eq!(cells.len(), columns.len(), "{table}");
                if event["type"] == "BOOKMARK" && kind.is_none() {
                    assert!(version(table) > 0);
                    continue;
                }
                if event["type"] == "BOOKMARK" {
                    assert!(object["kind"].is_string(), "{table}");
                    assert_eq!(object["metadata"]["annotations"][INITIAL_EVENTS_END], "true");
                    assert!(version(object) > 0);
                    continue;
                }
                assert_eq!(object["kind"].as_str(), kind, "{table}");
                if let Some(kind) = kind {
                    assert_eq!(object["apiVersion"], version_of_object, "{table}");
                    assert_eq!(object["metadata"]["name"], cells[0], "{table}");
                    assert_eq!(object["metadata"]["resourceVersion"], table["metadata"]["resourceVersion"]);
                    let whole = kind == "CoderWorkspace";
                    assert_eq!(object["spec"].is_object(), whole, "{table}");
                }
                assert!(version(table) > 0);
            }
        }
    }
}

#[test]
fn a_table_says_what_the_table_of_a_list_says() {
    let Some(lab) = Lab::shared() else { return };
    let selected = "fieldSelector=metadata.name%3Dcoder.bob.bad";
    for path in [lab.path("coderworkspaces"), format!("{}/coderworkspaces", e2e::GROUP_VERSION)] {
        let list = lab.front().send(&Request::get(&format!("{path}?{selected}")).accept(TABLE)).json();
        let target = format!("{path}?watch=true&timeoutSeconds=1&{selected}");
        let events =
            Stream::open(&lab.front(), Protocol::Http1, &Request::get(&target).accept(TABLE)).rest(SOON);
        assert_eq!(events.len(), 1);
        // The age may have become another; a row's version is the object's, a list's its own.
        let strip = |table: &Value| {
            let mut cells = table["rows"][0]["cells"].as_array().unwrap().clone();
            cells.truncate(4);
            (table["columnDefinitions"].clone(), cells, table["rows"][0]["object"].clone())
        };
        assert_eq!(strip(&events[0]["object"]), strip(&list), "{path}");
    }
}

#[test]
fn metadata_alone_is_watched_as_such() {
    let Some(lab) = Lab::shared() else { return };
    // What the garbage collector and the quota controller send.
    let collector = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
    let old = METADATA.replace("v=v1", "v=v1beta1");
    for subject in subjects(&lab) {
        for (accept, expect, protocol) in [
            (METADATA, "meta.k8s.io/v1", Protocol::Http1),
            (&old, "meta.k8s.io/v1beta1", Protocol::Http2),
            (collector, "meta.k8s.io/v1", Protocol::Http2),
        ] {
            if subject.theirs && accept == collector {
                continue; // they do speak protobuf
            }
            for query in ["", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"] {
                for event in events(&lab, &subject, protocol, accept, query) {
                    let object = &event["object"];
                    assert_eq!(object["kind"], "PartialObjectMetadata", "{event}");
                    assert_eq!(object["apiVersion"], expect, "{event}");
                    let fields = ["kind", "apiVersion", "metadata"];
                    assert!(
                        object.as_object().unwrap().keys().all(|key| fields.contains(&key.as_str())),
                        "{event}"
                    );
                    assert!(version(object) > 0);
                    let ends = object["metadata"]["annotations"][INITIAL_EVENTS_END] == "true";
                    assert_eq!(ends, event["type"] == "BOOKMARK", "{event}");
                }
            }
        }
    }
}

#[test]
fn objects_are_watched_as_lists_show_them() {
    let Some(lab) = Lab::shared() else { return };
    for subject in subjects(&lab) {
        for accept in [
            "application/json",
            "*/*",
            "application/json;stream=watch",
            "application/cbor, application/json;q=0.5",
        ] {
            let list = lab.front().get(&subject.path).json();
            let events = events(&lab, &subject, Protocol::Http1, accept, "resourceVersion=0");
            let (bookmark, added) = events.split_last().unwrap();
            let objects: Vec<Value> = added.iter().map(|event| event["object"].clone()).collect();
            for object in &objects {
                assert_eq!(
                    (&object["kind"], &object["apiVersion"]),
                    (&json!(subject.kind), &json!(subject.api_version))
                );
            }
            let without_kind = |object: &Value| {
                let mut object = object.clone();
                // Of the same state the moment may differ, and the content's hash may not.
                let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
                object["metadata"]["resourceVersion"] = json!(version & 0x1f_ffff);
                object
                    .as_object_mut()
                    .unwrap()
                    .retain(|key, _| !["kind", "apiVersion"].contains(&key.as_str()));
                object
            };
            let mut told: Vec<_> = objects.iter().map(without_kind).collect();
            let mut listed: Vec<_> = list["items"].as_array().unwrap().iter().map(without_kind).collect();
            let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
            told.sort_by_key(name);
            listed.sort_by_key(name);
            assert_eq!(told, listed, "{accept}");
            let object = bookmark["object"].as_object().unwrap();
            assert_eq!(
                (&object["kind"], &object["apiVersion"]),
                (&json!(subject.kind), &json!(subject.api_version))
            );
            // What else there is of a bookmark is empty.
            let metadata: Vec<_> =
                object["metadata"].as_object().unwrap().keys().map(String::as_str).collect();
            assert!(
                metadata
                    .iter()
                    .all(|key| ["annotations", "creationTimestamp", "resourceVersion"].contains(key)),
                "{bookmark}"
            );
        }
    }
}

#[test]
fn what_cannot_be_streamed_is_not_acceptable() {
    let Some(lab) = Lab::shared() else { return };
    for subject in subjects(&lab) {
        for accept in ["application/yaml", "text/html", "application/nonsense"] {
            let target = format!("{}?watch=true&timeoutSeconds=1", subject.path);
            let answer = lab.front().send(&Request::get(&target).accept(accept));
            assert_eq!(answer.status(), 406, "{accept}: {}", answer.excerpt());
            if !subject.theirs {
                status(&answer, 406, "NotAcceptable");
            }
        }
        let target = format!("{}?watch=true&timeoutSeconds=1&includeObject=Nonsense", subject.path);
        status(&lab.front().send(&Request::get(&target).accept(TABLE)), 400, "BadRequest");
    }
}

#[test]
fn a_client_that_would_take_compressed_events_gets_them_as_they_come() {
    let Some(lab) = Lab::shared() else { return };
    for subject in subjects(&lab) {
        for protocol in e2e::stream::PROTOCOLS {
            let target = format!("{}?watch=true&timeoutSeconds=1", subject.path);
            let request = Request::get(&target).header("Accept-Encoding", "gzip, deflate, br");
            let mut stream = Stream::open(&lab.front(), protocol, &request);
            assert_eq!(
                (stream.head().status, stream.head().header("content-encoding").map(str::to_owned)),
                (200, None)
            );
            assert!(stream.rest(SOON).len() >= 2);
        }
    }
}

#[test]
fn templates_are_watched_in_every_form() {
    let Some(lab) = Lab::shared() else { return };
    let subject = Subject {
        path: lab.path("codertemplates"),
        kind: "CoderTemplate",
        api_version: "aggregation.coder.com/v1alpha1",
        theirs: false,
    };
    for (accept, kind) in
        [("application/json", "CoderTemplate"), (TABLE, "Table"), (METADATA, "PartialObjectMetadata")]
    {
        let events = events(&lab, &subject, Protocol::Http2, accept, "");
        assert!(events.iter().all(|event| event["object"]["kind"] == kind), "{events:?}");
    }
}
