//! Upgrades (exec, attach, port-forward and proxies) and large streams through Envoy, compared with the way past it.

use e2e::{
    Endpoint, Http1, Kubectl, Lab, Request, Response, check::same, http2, upgrade_target::UpgradeTarget,
};

const PROTOCOLS: [&str; 2] = ["websocket", "SPDY/3.1"];

fn upgrade(method: &str, target: &str, protocol: &str) -> Request {
    let request = Request::new(method, target).header("Connection", "Upgrade").header("Upgrade", protocol);
    match protocol {
        "websocket" => request
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Sec-WebSocket-Protocol", "v5.channel.k8s.io"),
        _ => request.header("X-Stream-Protocol-Version", "v4.channel.k8s.io"),
    }
}

#[test]
fn upgrades_that_kubernetes_refuses_are_refused_in_its_words() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.is_real("exec, attach and port-forward") {
        return;
    }
    for (through, direct) in [
        (lab.front(), lab.direct()),
        (lab.front_cert(), lab.direct()),
        (lab.front_user(), lab.direct_user()),
        (lab.front_anonymous(), lab.direct_anonymous()),
    ] {
        for rest in ["exec?command=ls&stdout=true", "attach?stdout=true", "portforward?ports=80"] {
            for protocol in PROTOCOLS {
                let target = format!("/api/v1/namespaces/default/pods/e2e-absent/{rest}");
                let method = if protocol == "websocket" { "GET" } else { "POST" };
                let request = upgrade(method, &target, protocol);
                let (mut a, mut b) = (through.send(&request), direct.send(&request));
                for response in [&mut a, &mut b] {
                    // Whether an upgrade header is echoed on an error is the proxy's own business.
                    response.head.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("upgrade"));
                }
                same(&format!("{protocol} {target}"), &a, &b);
            }
        }
    }
}

#[test]
fn kubectl_exec_and_port_forward_say_the_same_as_without_envoy() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.is_real("exec, attach and port-forward") {
        return;
    }
    let said = |kubectl: Kubectl, arguments: &str| kubectl.run(arguments).fails().to_owned();
    for arguments in [
        "exec -n default e2e-absent -- ls",
        "attach -n default e2e-absent",
        "port-forward -n default pod/e2e-absent 0:80",
        "logs -n default e2e-absent",
    ] {
        let direct = said(lab.kubectl_direct(), arguments);
        assert_eq!(said(lab.kubectl(), arguments), direct);
        assert_eq!(said(lab.kubectl().context("cert"), arguments), direct);
    }
}

#[test]
fn an_upgraded_connection_carries_bytes_both_ways() {
    let Some(lab) = Lab::shared() else { return };
    let Some(target) = UpgradeTarget::start(&lab, "upgrade") else { return };
    for endpoint in [lab.front(), lab.front_cert()] {
        for protocol in PROTOCOLS {
            echo(&endpoint, &upgrade("GET", &target.path("/stream"), protocol));
        }
    }
}

/// Upgrades and has bytes of many sizes sent back.
#[track_caller]
fn echo(endpoint: &Endpoint, request: &Request) {
    let mut client = Http1::connect(endpoint).unwrap();
    client.send(request).unwrap();
    let head = client.read_head("GET").unwrap();
    assert_eq!(head.status, 101, "{:?}", head.headers);
    for size in [1, 100, 100_000] {
        let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        client.write(&bytes).unwrap();
        assert!(client.read_raw(size).unwrap() == bytes, "{size} bytes came back changed");
    }
}

#[test]
fn a_proxied_server_sees_the_path_that_it_would_see_without_envoy() {
    let Some(lab) = Lab::shared() else { return };
    let Some(target) = UpgradeTarget::start(&lab, "paths") else { return };
    for rest in [
        "/",
        "/a%2Fb",
        "/a%2fb/",
        "/a//b",
        "/a/%2e%2e/b",
        "/a/../b",
        "/a%20b?x=%2F&y=a+b",
        "/%C3%A4?q",
        "/A;b=c",
    ] {
        let request = Request::get(&target.path(rest));
        same(rest, &lab.front().send(&request), &lab.direct().send(&request));
    }
}

/// Not with a `Content-Length` over HTTP/1.1: kube-apiserver itself, without Envoy, breaks a few of a hundred such requests off. Go's
/// `net/http` closes the client's body when the answer begins, and at the same moment its client reads past the body's length to see that
/// nothing follows; when that read comes second, it breaks off the request that is being answered. Chunks end before the target can answer,
/// and HTTP/2 leaves bodies open.
#[test]
fn bodies_of_many_megabytes_pass_both_ways() {
    let Some(lab) = Lab::shared() else { return };
    let Some(target) = UpgradeTarget::start(&lab, "bodies") else { return };
    let body: Vec<u8> = (0..40_000_000_u32).map(|i| (i % 253) as u8).collect();
    let (kind, request) = ("application/octet-stream", Request::new("POST", &target.path("/big")));
    let whole = |how: &str, response: &Response| {
        assert_eq!(response.status(), 200, "{how}: {}", response.excerpt());
        let count = response.body.len();
        assert!(response.body == body, "{how}: {count} bytes came back, or other ones");
    };
    for endpoint in [lab.front(), lab.front_cert()] {
        whole("in chunks", &endpoint.send(&request.clone().chunked(kind, &body)));
        let length = body.len().to_string();
        let request = request.clone().header("Content-Length", &length).body(kind, body.clone());
        let responses = http2::send(&endpoint, &[request]);
        responses.iter().for_each(|response| whole("over HTTP/2", response));
    }
}
