//! Path tricks: whatever a request target looks like, a caller without rights gets nothing, and what is not literally ours is
//! never served by us. These tests count Coder's calls, so each holds the lab alone.

use e2e::{GROUP_VERSION, Http1, Lab, Request, Response, check::status, envoy::without_coder_call, http2};

/// Why most of this is not asked behind kube-apiserver.
const READ_BEFORE: &str = "kube-apiserver reads what clients send, and sends on what it has understood";

/// Spellings of a list of workspaces that are not it, though something may take them for it.
fn tricks(lab: &Lab) -> Vec<String> {
    let ns = &lab.namespace;
    [
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/../coderworkspaces",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/./coderworkspaces",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/%2e/coderworkspaces",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/%2E%2E/NS/coderworkspaces",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/x/../NS/coderworkspaces",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS//coderworkspaces",
        "/apis/aggregation.coder.com/v1alpha1//coderworkspaces",
        "/apis/aggregation.coder.com//v1alpha1/coderworkspaces",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS%2Fcoderworkspaces",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS%2fcoderworkspaces/x",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/..",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/coder.alice.ws0/..",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/%2e%2e/coderworkspaces",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/coder.alice.ws0%2Flog",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/coder.alice.ws0%00",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/coder.alice.ws0//log",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/%",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/%zz",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/%ff",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/%2e%2e/coderworkspaces",
        "/apis/aggregation.coder.com/v1alpha1/Namespaces/NS/coderworkspaces",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/CoderWorkspaces",
        "/apis/aggregation.coder.com/V1alpha1/coderworkspaces",
        "/apis/Aggregation.Coder.Com/v1alpha1/coderworkspaces",
        "/apis/AGGREGATION.CODER.COM/v1alpha1/coderworkspaces",
        "/APIS/aggregation.coder.com/v1alpha1/coderworkspaces",
        "/apis/aggregation.coder.com%2Fv1alpha1/coderworkspaces",
        "/apis%2Faggregation.coder.com/v1alpha1/coderworkspaces",
        "/apis/aggregation%2Ecoder.com/v1alpha1/coderworkspaces",
        "/%61pis/aggregation.coder.com/v1alpha1/coderworkspaces",
        "//apis/aggregation.coder.com/v1alpha1/coderworkspaces",
        "/apis//aggregation.coder.com/v1alpha1/coderworkspaces",
        "/apis/./aggregation.coder.com/v1alpha1/coderworkspaces",
        "/apis/apps/../aggregation.coder.com/v1alpha1/coderworkspaces",
        "/api/../apis/aggregation.coder.com/v1alpha1/coderworkspaces",
        "/api/v1/%2e%2e/%2e%2e/apis/aggregation.coder.com/v1alpha1/coderworkspaces",
        "/openapi/v3/../../apis/aggregation.coder.com/v1alpha1/coderworkspaces",
        "/version;/apis/aggregation.coder.com/v1alpha1/coderworkspaces",
        "/apis/aggregation.coder.com;x/v1alpha1/coderworkspaces",
        "/apis\\aggregation.coder.com\\v1alpha1\\coderworkspaces",
        "/apis/aggregation.coder.com/v1alpha1%5Ccoderworkspaces",
        "/apis/aggregation.coder.com./v1alpha1/coderworkspaces",
        "/apis/aggregation.coder.com%20/v1alpha1/coderworkspaces",
        "/api/v2/workspaces",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/../../../../../../api/v2/users",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/coder.alice.ws0%2F..%2F..%2Fusers",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/coderworkspaces/coder.alice.ws0%3Fq=x",
        "/apis/aggregation.coder.com/v1alpha1/namespaces/NS/codertemplates/coder.plain%2f..%2fdev",
    ]
    .iter()
    .map(|path| path.replace("NS", ns))
    .collect()
}

/// Served neither by us nor by anybody else.
#[track_caller]
fn refused(target: &str, response: &Response) {
    assert!(
        [400, 401, 403, 404, 405].contains(&response.status()),
        "{target}: {} {}",
        response.status(),
        response.excerpt()
    );
    assert!(!response.text().contains("CoderWorkspace\""), "{target}: {}", response.excerpt());
}

#[test]
fn tricks_get_a_user_without_rights_nowhere() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.front_only(READ_BEFORE) {
        return;
    }
    for target in tricks(&lab) {
        for endpoint in [lab.front_user(), lab.front_anonymous()] {
            let response = without_coder_call(&lab, &target, || endpoint.send(&Request::get(&target)));
            refused(&target, &response);
        }
    }
}

#[test]
fn tricks_get_an_admin_nothing_of_coder_either() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.front_only(READ_BEFORE) {
        return;
    }
    for target in tricks(&lab) {
        for endpoint in [lab.front(), lab.front_cert()] {
            let response = without_coder_call(&lab, &target, || endpoint.send(&Request::get(&target)));
            refused(&target, &response);
        }
    }
}

#[test]
fn tricks_over_http2_get_nowhere() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.front_only(READ_BEFORE) {
        return;
    }
    // The client library refuses to send a backslash, which stays with HTTP/1.1.
    let targets: Vec<String> = tricks(&lab).into_iter().filter(|t| !t.contains('\\')).collect();
    let requests: Vec<Request> = targets.iter().map(|target| Request::get(target)).collect();
    for endpoint in [lab.front_user(), lab.front()] {
        let responses = without_coder_call(&lab, "tricks over HTTP/2", || http2::send(&endpoint, &requests));
        for (target, response) in targets.iter().zip(&responses) {
            refused(target, response);
        }
    }
}

#[test]
fn segments_that_cannot_be_are_not_found() {
    let Some(lab) = Lab::exclusive() else { return };
    let base = lab.path("coderworkspaces");
    for rest in ["/..", "/%2e%2e", "/.", "/%2E", "//x", "/a%2Fb", "/a%2fb", "/a%00b", "/coder.alice.ws0//log"]
    {
        let target = format!("{base}{rest}");
        let response = without_coder_call(&lab, &target, || lab.front().get(&target));
        status(&response, 404, "NotFound");
    }
}

#[test]
fn an_absolute_target_is_the_path_it_names() {
    let Some(lab) = Lab::exclusive() else { return };
    let path = lab.path("coderworkspaces");
    for authority in
        [lab.front().authority(), "kubernetes.default.svc".into(), lab.coder().authority(), "coder".into()]
    {
        for scheme in ["https", "http"] {
            let target = format!("{scheme}://{authority}{path}");
            let response =
                without_coder_call(&lab, &target, || lab.front_user().send(&Request::get(&target)));
            refused(&target, &response);
        }
    }
    for target in [
        format!("https://{}/api/v2/users", lab.coder().authority()),
        format!("http://{}/api/v2/users", lab.coder().authority()),
    ] {
        let response = without_coder_call(&lab, &target, || lab.front().send(&Request::get(&target)));
        refused(&target, &response);
    }
}

#[test]
fn a_target_that_is_no_path_is_refused() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.front_only(READ_BEFORE) {
        return;
    }
    for line in [
        "OPTIONS * HTTP/1.1",
        "CONNECT coder:80 HTTP/1.1",
        "GET apis/aggregation.coder.com/v1alpha1/coderworkspaces HTTP/1.1",
        "GET ?x HTTP/1.1",
    ] {
        let status = without_coder_call(&lab, line, || {
            let mut client = Http1::connect(&lab.front()).unwrap();
            let request = format!(
                "{line}\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
                lab.admin_token
            );
            client.write(request.as_bytes()).unwrap();
            client.read_head("GET").map_or(0, |head| head.status)
        });
        assert!(status == 0 || status >= 400, "{line}: {status}");
    }
}

#[test]
fn a_fragment_or_an_empty_query_changes_nothing_for_who_may() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.front_only(READ_BEFORE) {
        return;
    }
    for rest in ["?", "?&", "?limit=1&&"] {
        let response = lab.front().get(&format!("{}{rest}", lab.path("coderworkspaces")));
        assert_eq!(response.status(), 200, "{rest}: {}", response.excerpt());
    }
    for rest in ["#x", "/x#y"] {
        let target = format!("{}{rest}", lab.path("coderworkspaces"));
        let response = without_coder_call(&lab, &target, || lab.front_user().get(&target));
        refused(&target, &response);
    }
    let bad = lab.front().get(&format!("{}?fieldSelector=%zz", lab.path("coderworkspaces")));
    status(&bad, 400, "BadRequest");
}

#[test]
fn smuggled_requests_do_not_pass() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.front_only(READ_BEFORE) {
        return;
    }
    let inner = format!(
        "GET {}/coderworkspaces HTTP/1.1\r\nHost: x\r\nX-Remote-User: admin\r\nX-Remote-Group: system:masters\r\n\r\n",
        GROUP_VERSION
    );
    for framing in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}", inner.len() + 5),
        format!("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: xchunked\r\n\r\n{inner}"),
        format!("Content-Length: 0\r\nContent-Length: {}\r\n\r\n{inner}", inner.len()),
    ] {
        without_coder_call(&lab, "a request inside a request", || {
            let mut client = Http1::connect(&lab.front_user()).unwrap();
            let outer = format!(
                "GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{framing}",
                lab.user_token
            );
            client.write(outer.as_bytes()).unwrap();
            while let Ok(response) = client.read_response("GET") {
                assert!(!response.text().contains("CoderWorkspace"), "{}", response.excerpt());
            }
        });
    }
}
