//! Bookmarks, which come about once a minute: one long test watches in several ways at once.

use e2e::{
    Lab, Parts, Protocol, Request, Stream,
    api::ok,
    faults::Faults,
    stream::{Next, PROTOCOLS},
    watch::{INITIAL_EVENTS_END, request, version},
};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Seconds. kube-apiserver's bookmarks, which wake us, come about once a minute, and Envoy cuts off a watch that is silent for 90 s.
const LONG: u64 = 100;

struct Watched {
    title: String,
    bookmarks: bool,
    kind: &'static str,
    since: u64,
    start: Instant,
    stream: Stream,
}

#[test]
fn an_idle_watch_is_told_that_nothing_happens() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.bell {
        return e2e::skip("a long poll ends before");
    }
    // The stand-in can be told to be quicker.
    let faults = (lab.kube == Parts::Standin).then(|| Faults::new(&lab));
    let long = if faults.is_some() { 12 } else { LONG };
    if let Some(faults) = &faults {
        faults.bookmarks(3_000);
    }
    let path = lab.path("coderworkspaces");
    let everywhere = format!("{}/coderworkspaces", e2e::GROUP_VERSION);
    let nowhere = format!("{}/namespaces/default/coderworkspaces", e2e::GROUP_VERSION);
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let metadata = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    let listed = |path: &str| version(&ok(&lab.front().get(path)));
    let (since, of_nowhere) = (listed(&path), listed(&nowhere));
    let nobody = "labelSelector=nobody%3Dhas-this";
    let mut watches = Vec::new();
    for protocol in PROTOCOLS {
        for (path, selector, bookmarks, accept, kind) in [
            (&path, nobody, true, "application/json", "CoderWorkspace"),
            (&everywhere, nobody, true, "application/json", "CoderWorkspace"),
            (&nowhere, "", true, "application/json", "CoderWorkspace"),
            (&path, nobody, true, table, "Table"),
            (&nowhere, "", true, metadata, "PartialObjectMetadata"),
            (&path, nobody, false, "application/json", ""),
        ] {
            let since = if *path == nowhere { of_nowhere } else { since };
            let query = format!(
                "timeoutSeconds={long}&resourceVersion={since}&allowWatchBookmarks={bookmarks}&{selector}"
            );
            let request: Request = request(path, &query).accept(accept);
            let title = format!("{protocol:?} {} {accept}", request.target);
            let endpoint = if protocol == Protocol::Http1 { lab.front() } else { lab.front_cert() };
            let start = Instant::now();
            let stream = Stream::open(&endpoint, protocol, &request);
            watches.push(Watched { title, bookmarks, kind, since, start, stream });
        }
    }
    for watched in &mut watches {
        assert_eq!(watched.stream.head().status, 200, "{}", watched.title);
    }
    for Watched { title, bookmarks, kind, since, start, mut stream } in watches {
        let (mut last, mut count) = (since, 0);
        loop {
            match stream.next(Duration::from_secs(long + 30)) {
                Next::Line(line) => {
                    let event: Value = serde_json::from_str(&line).unwrap();
                    assert!(bookmarks, "{title}: {line}");
                    assert_eq!(
                        (event["type"].as_str(), event["object"]["kind"].as_str()),
                        (Some("BOOKMARK"), Some(kind)),
                        "{title}: {line}"
                    );
                    assert!(!line.contains(INITIAL_EVENTS_END), "{title}: {line}");
                    let object = if kind == "Table" {
                        &event["object"]["rows"][0]["object"]
                    } else {
                        &event["object"]
                    };
                    assert!(version(object) >= last, "{title}: {line} after {last}");
                    last = version(object);
                    count += 1;
                }
                Next::Ended(end) => {
                    assert_eq!(end, Ok(()), "{title}");
                    break;
                }
                Next::Quiet => panic!("{title}: no end"),
            }
        }
        assert!(
            stream.last.duration_since(start) > Duration::from_secs(long - 1),
            "{title}: it ends when asked to"
        );
        // One in each minute at least; kube-apiserver itself sends one more before the end.
        assert!(!bookmarks || (1..=10).contains(&count), "{title}: {count} bookmarks");
    }
}
