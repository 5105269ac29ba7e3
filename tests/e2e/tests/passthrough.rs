//! What is not ours reaches kube-apiserver and comes back untouched: the same request, through Envoy and past it.

use e2e::{
    Endpoint, Http1, Lab, Request,
    check::{same, status},
    http2,
};
use serde_json::json;
use std::time::{Duration, Instant};

/// Sends one request to both and expects one answer.
#[track_caller]
fn check(through: &Endpoint, direct: &Endpoint, request: &Request) {
    let what = format!("{} {}", request.method, request.target);
    same(&what, &through.send(request), &direct.send(request));
}

/// Targets that only a server that sees the literal bytes answers alike.
const TARGETS: [&str; 35] = [
    "/version",
    "/version/",
    "/healthz",
    "/livez",
    "/readyz",
    "/api",
    "/api/",
    "/api/v1",
    "/api/v1/namespaces/default",
    "/api/v1/namespaces/default/",
    "/api/v1/namespaces/default?pretty=true",
    "/api/v1/namespaces/default?pretty=%74rue",
    "/api/v1/namespaces/de%66ault",
    "/api/v1/namespaces/default%2Fpods",
    "/api/v1/namespaces/default%2fpods",
    "/api/v1/namespaces/a%20b%C3%A4",
    "/api/v1/namespaces/%252e",
    "/api/v1/namespaces/default/pods/..",
    "/api/v1/namespaces/default/pods/%2e%2e",
    "/api/v1/namespaces/default/pods/a;b=c",
    "/api/v1/namespaces/default/pods/a%3Fb",
    "/api/v1//namespaces/default",
    "//api/v1/namespaces/default",
    "/api/v1/../v1/namespaces/default",
    "/api/./v1/namespaces/default",
    "/api%2Fv1/namespaces/default",
    "/%61pi/v1/namespaces/default",
    "/API/v1/namespaces/default",
    "/nope",
    "/nope/%00",
    "/apisx",
    "/apis/aggregation.coder.co",
    "/apis/aggregation.coder.com.evil/v1alpha1/coderworkspaces",
    "/apis/xaggregation.coder.com/v1alpha1/coderworkspaces",
    "/openapi/v2?timeout=32s",
];

#[test]
fn odd_and_encoded_paths_answer_as_without_envoy() {
    let Some(lab) = Lab::shared() else { return };
    let (through, direct) = (lab.front(), lab.direct());
    for target in TARGETS {
        check(&through, &direct, &Request::get(target));
    }
}

#[test]
fn odd_paths_with_a_client_certificate_answer_as_without_envoy() {
    let Some(lab) = Lab::shared() else { return };
    let (through, direct) = (lab.front_cert(), lab.direct());
    for target in TARGETS {
        check(&through, &direct, &Request::get(target));
    }
}

#[test]
fn a_refusal_names_the_path_as_it_was_sent() {
    let Some(lab) = Lab::shared() else { return };
    let (through, direct) = (lab.front_user(), lab.direct_user());
    for target in ["/x/../y//z/", "/x/%2e%2e/y", "/x%2Fy", "/./x", "//x", "/x/%C3%A4?a=b", "/X//../.."] {
        check(&through, &direct, &Request::get(target));
    }
}

#[test]
fn requests_without_credentials_and_with_bad_ones_answer_as_without_envoy() {
    let Some(lab) = Lab::shared() else { return };
    let (through, direct) = (lab.front_anonymous(), lab.direct_anonymous());
    for target in ["/api/v1/namespaces", "/api", "/version"] {
        check(&through, &direct, &Request::get(target));
        check(&through, &direct, &Request::get(target).header("Authorization", "Bearer nonsense"));
        check(&through, &direct, &Request::get(target).header("Authorization", "Basic YTpi"));
    }
}

#[test]
fn methods_and_bodies_answer_as_without_envoy() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.is_real("answers to every method") {
        return;
    }
    let (through, direct) = (lab.front(), lab.direct());
    let pod = "/api/v1/namespaces/default/pods/e2e-absent";
    for request in [
        Request::new("OPTIONS", "/api/v1/namespaces/default"),
        Request::new("HEAD", "/api/v1/namespaces/default"),
        Request::new("DELETE", pod),
        Request::new("PUT", pod).body("text/plain", "no object"),
        Request::new("PATCH", pod).body("application/merge-patch+json", "{}"),
        Request::new("POST", "/api/v1/namespaces").body("application/json", "{"),
        Request::new("POST", "/api/v1/namespaces").body("application/json", vec![b' '; 4_000_000]),
    ] {
        check(&through, &direct, &request);
    }
}

#[test]
fn protobuf_passes() {
    let Some(lab) = Lab::shared() else { return };
    let accept = "application/vnd.kubernetes.protobuf,application/json";
    let request = Request::get("/api/v1/namespaces/default").accept(accept);
    check(&lab.front(), &lab.direct(), &request);
    if lab.is_real("protobuf") {
        assert_eq!(lab.front().send(&request).body.get(..4), Some(&b"k8s\0"[..]));
    }
}

#[test]
fn gzip_passes() {
    let Some(lab) = Lab::shared() else { return };
    let request = Request::get("/openapi/v2").header("Accept-Encoding", "gzip");
    check(&lab.front(), &lab.direct(), &request);
    if lab.is_real("compressed answers") {
        let response = lab.front().send(&request);
        assert_eq!(response.header("content-encoding"), Some("gzip"));
        assert_eq!(response.body.get(..2), Some(&[0x1f, 0x8b][..]));
    }
}

#[test]
fn both_versions_of_http_are_offered() {
    let Some(lab) = Lab::shared() else { return };
    let request = Request::get("/api/v1/namespaces/default");
    let requests = vec![request.clone(); 20];
    for endpoint in [lab.front(), lab.front_cert()] {
        let one = endpoint.send(&request);
        assert_eq!(one.status(), 200, "{}", one.excerpt());
        for response in http2::send(&endpoint, &requests) {
            assert_eq!((response.status(), &response.body), (200, &one.body));
        }
    }
}

#[test]
fn a_connection_carries_one_request_after_the_other() {
    let Some(lab) = Lab::shared() else { return };
    let mut client = Http1::connect(&lab.front()).unwrap();
    for target in
        ["/version", &lab.path("coderworkspaces"), "/api/v1/namespaces/default", "/apis", "/version"]
    {
        client.send(&Request::get(target)).unwrap();
        let response = client.read_response("GET").unwrap();
        assert_eq!(response.status(), 200, "{target}: {}", response.excerpt());
    }
}

/// Longer than Envoy's default route timeout of 15 s.
const WATCH: Duration = Duration::from_secs(20);

fn watch(resource: &str) -> Request {
    let seconds = WATCH.as_secs();
    Request::get(&format!("/api/v1/namespaces/default/{resource}?watch=true&timeoutSeconds={seconds}"))
}

#[test]
fn a_watch_of_pods_lasts_as_long_as_asked_and_ends_cleanly() {
    let Some(lab) = Lab::shared() else { return };
    for endpoint in [lab.front(), lab.front_cert()] {
        let start = Instant::now();
        let response = endpoint.send(&watch("pods"));
        assert_eq!(response.status(), 200, "{}", response.excerpt());
        assert!(start.elapsed() > WATCH - Duration::from_secs(1), "ended after {:?}", start.elapsed());
    }
}

#[test]
fn a_watch_of_pods_over_http2_lasts_as_long_as_asked() {
    let Some(lab) = Lab::shared() else { return };
    let start = Instant::now();
    let answers = http2::stream(&lab.front(), &[watch("pods"), watch("pods")]);
    assert!(answers.iter().all(|(head, _)| head.status == 200));
    assert!(start.elapsed() > WATCH - Duration::from_secs(1), "ended after {:?}", start.elapsed());
}

#[test]
fn a_watch_delivers_each_event_when_it_happens() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.is_real("ConfigMaps") {
        return;
    }
    for (number, endpoint) in [lab.front(), lab.front_cert()].into_iter().enumerate() {
        let name = format!("e2e-watched-{number}-{}", std::process::id());
        let mut client = Http1::connect(&endpoint).unwrap();
        // Well before the watch ends: what was held back until then would not count.
        client.set_read_timeout(WATCH / 2).unwrap();
        client.send(&watch("configmaps")).unwrap();
        assert_eq!(client.read_head("GET").unwrap().status, 200);
        // Not by kubectl, which may take as long to start as the watch lasts.
        let collection = "/api/v1/namespaces/default/configmaps";
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        assert_eq!(lab.direct().send(&Request::post(collection, &object)).status(), 201);
        loop {
            let event = client.next_piece().expect("the event arrives in time").expect("the watch goes on");
            if String::from_utf8_lossy(&event).contains(&name) {
                break;
            }
        }
        lab.direct().send(&Request::new("DELETE", &format!("{collection}/{name}")));
    }
}

#[test]
fn bodies_of_a_megabyte_pass_both_ways() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.is_real("ConfigMaps and Secrets") {
        return;
    }
    let text: String =
        (0..1_000_000_u32).map(|i| char::from(b'a' + (i.wrapping_mul(7919) % 26) as u8)).collect();
    for (number, endpoint) in [lab.front(), lab.front_cert()].into_iter().enumerate() {
        for (resource, kind, field) in
            [("configmaps", "ConfigMap", "data"), ("secrets", "Secret", "stringData")]
        {
            let name = format!("e2e-large-{number}-{}", std::process::id());
            let collection = format!("/api/v1/namespaces/default/{resource}");
            let object = json!(
                {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: {"a": text}});
            let created = endpoint.send(&Request::post(&collection, &object));
            assert_eq!(created.status(), 201, "{}", created.excerpt());
            let one = format!("{collection}/{name}");
            same(&one, &endpoint.get(&one), &lab.direct().get(&one));
            assert!(endpoint.get(&one).body.len() > 1_000_000);
            let deleted = endpoint.send(&Request::new("DELETE", &one));
            assert_eq!(deleted.status(), 200, "{}", deleted.excerpt());
        }
    }
}

#[test]
fn kubectl_writes_pass() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.is_real("writing") {
        return;
    }
    for (number, kubectl) in [lab.kubectl(), lab.kubectl().context("cert")].into_iter().enumerate() {
        let name = format!("e2e-written-{number}-{}", std::process::id());
        let manifest = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\ndata: {{a: b}}\n"
        );
        kubectl.clone().input(manifest.clone()).run("apply -f -").ok();
        kubectl
            .clone()
            .input(manifest.replace("a: b", "a: c"))
            .run("apply --server-side --force-conflicts -f -")
            .ok();
        kubectl.run(&format!("label configmap -n default {name} e2e=true")).ok();
        kubectl
            .run_args(&["patch", "configmap", "-n", "default", &name, "--patch", r#"{"data":{"x":"y"}}"#])
            .ok();
        let value =
            kubectl.run(&format!("get configmap -n default {name} -o jsonpath={{.data.a}}{{.data.x}}"));
        assert_eq!(value.ok(), "cy");
        kubectl.run(&format!("delete configmap -n default {name}")).ok();
    }
}

#[test]
fn kubectl_get_of_builtin_kinds_is_the_same_as_without_envoy() {
    let Some(lab) = Lab::shared() else { return };
    for arguments in ["get namespace default -o yaml", "get pods -A -o name", "get --raw /version"] {
        let direct = lab.kubectl_direct().run(arguments).ok().to_owned();
        assert_eq!(lab.kubectl().run(arguments).ok(), direct);
        assert_eq!(lab.kubectl().context("cert").run(arguments).ok(), direct);
    }
}

#[test]
fn a_group_of_that_name_in_another_version_is_not_found() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.front_only("kube-apiserver says so itself, in plain text") {
        return;
    }
    status(&lab.front().get("/apis/aggregation.coder.com/v9/coderworkspaces"), 404, "NotFound");
}
