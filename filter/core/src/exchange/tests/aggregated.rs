//! Behind an APIService: who is believed and who is not, and what is told to everybody.

use super::*;

const ONE: &str = "/apis/aggregation.coder.com/v1alpha1/namespaces/coder/coderworkspaces/coder.alice.ws0";
const PROXY: &[u8] = b"front-proxy";
const SHA256: &str = "00ff";
const KUBERNETES: &str = "CN=aggregator";
const ALICE: (&str, &str) = ("x-remote-user", "alice");

/// A cluster in which everybody may do everything, and where token `t` is alice's.
fn kube(call: &Call) -> Outcome {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    match call.path.rsplit('/').next().unwrap() {
        "extension-apiserver-authentication" => answer(200, &json!({"kind": "ConfigMap", "data": data()})),
        "tokenreviews" => {
            let user = json!({"username": "alice", "uid": "u", "groups": ["system:authenticated"]});
            let status = json!({"authenticated": body["spec"]["token"] == "t", "user": user});
            answer(201, &json!({"kind": "TokenReview", "status": status}))
        }
        "subjectaccessreviews" => {
            answer(201, &json!({"kind": "SubjectAccessReview", "status": {"allowed": true}}))
        }
        "coder" => answer(200, &json!({"kind": "Namespace", "metadata": {}})),
        other => panic!("{other} is not asked for in aggregated mode"),
    }
}

fn data() -> Value {
    json!({
        "client-ca-file": "-----CLIENT-----",
        "requestheader-client-ca-file": "-----FRONT-----",
        "requestheader-allowed-names": "[\"aggregator\"]",
        "requestheader-username-headers": "[\"X-Remote-User\"]",
        "requestheader-uid-headers": "[\"X-Remote-Uid\"]",
        "requestheader-group-headers": "[\"X-Remote-Group\"]",
        "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]"
    })
}

fn world(kube: impl Fn(&Call) -> Outcome + 'static) -> World {
    let config = r#"{"mode":"aggregated","kubernetes":{"cluster":"kube-filter"},"controlPlanes":[
        {"namespace":"coder","cluster":"coder","authority":"coder","dashboardURL":"https://coder.example.com"}]}"#;
    let coder = |path: &str, _| match path.ends_with("/parameters") {
        true => answer(200, &json!([])),
        false => answer(200, &workspace("alice", "ws0")),
    };
    let world = World::new(coder).kube(kube);
    World { filter: Filter::new(Config::parse(config.as_bytes()).unwrap()), ..world }
}

/// A request that came by this route, with a certificate of this subject.
fn by(route: &[u8], subject: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let mut all = vec![(":method".to_owned(), method.into()), (":path".to_owned(), path.into())];
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
    Request::by_route(all, route, || Certificate { subject: subject.into(), sha256: SHA256.into() })
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.iter().find(|(header, _)| *header == name).map_or("", |(_, value)| value.as_str())
}

/// What was asked of RBAC, in the order asked.
fn reviews(world: &World) -> Vec<Value> {
    let calls = world.calls.borrow();
    let reviews = calls.iter().filter(|call| call.path.ends_with("/subjectaccessreviews"));
    reviews.map(|call| serde_json::from_slice::<Value>(&call.body).unwrap()["spec"].take()).collect()
}

#[test]
fn who_is_believed() {
    // The code, and where it is 200 whom RBAC was asked about.
    let check = |route: &[u8], subject: &str, headers: &[(&str, &str)], code: u16, expect: &Value| {
        let world = world(kube);
        let reply = world.send(by(route, subject, "GET", ONE, headers));
        let case = format!("{} {subject} {headers:?}", String::from_utf8_lossy(route));
        assert_eq!(reply.status, code, "{case}: {}", String::from_utf8_lossy(&reply.body));
        assert_eq!(world.coder_asked(), code == 200, "{case}");
        let mut asked = reviews(&world);
        assert_eq!(asked.len(), usize::from(code == 200), "{case}");
        if let Some(review) = asked.first_mut() {
            review.as_object_mut().unwrap().remove("resourceAttributes");
            assert_eq!(review, expect, "{case}");
        }
    };
    let known = ["system:authenticated"];
    let (nobody, token) = (json!(null), ("authorization", "Bearer t"));
    // kube-apiserver names its caller.
    check(PROXY, KUBERNETES, &[ALICE], 200, &json!({"user": "alice", "groups": known}));
    check(b"front-proxy-coder", KUBERNETES, &[ALICE], 200, &json!({"user": "alice", "groups": known}));
    let all = [
        ALICE,
        ("x-remote-uid", "7"),
        ("x-remote-group", "dev"),
        ("x-remote-group", "system:authenticated"),
        ("x-remote-extra-scopes", "a"),
        ("x-remote-extra-scopes", "b"),
    ];
    let groups = ["dev", "system:authenticated"];
    let whole = json!({"user": "alice", "uid": "7", "groups": groups, "extra": {"scopes": ["a", "b"]}});
    check(PROXY, KUBERNETES, &all, 200, &whole);
    let anonymous = [("x-remote-user", "system:anonymous"), ("x-remote-group", "system:unauthenticated")];
    let nameless = json!({"user": "system:anonymous", "groups": ["system:unauthenticated"]});
    check(PROXY, KUBERNETES, &anonymous, 200, &nameless);
    // Nobody else does.
    check(PROXY, "CN=alice", &[ALICE], 401, &nobody);
    check(PROXY, "O=aggregator", &[ALICE], 401, &nobody);
    check(PROXY, "CN=", &[ALICE], 401, &nobody);
    check(PROXY, "CN=alice,CN=aggregator", &[ALICE], 401, &nobody);
    check(PROXY, "", &[ALICE], 401, &nobody);
    check(PROXY, KUBERNETES, &[], 401, &nobody);
    check(PROXY, KUBERNETES, &[("x-remote-group", "system:masters")], 401, &nobody);
    check(PROXY, "CN=alice", &[ALICE, token], 401, &nobody);
    check(PROXY, KUBERNETES, &[ALICE, ("impersonate-user", "bob")], 403, &nobody);
    for route in [b"token".as_slice(), b"", b"coder", b"carrier", b"kubernetes"] {
        check(route, KUBERNETES, &[ALICE], 401, &nobody);
        check(route, "", &[ALICE, ("x-remote-group", "system:masters")], 401, &nobody);
    }
    // A token is its owner's, whatever else is said.
    let owner = json!({"user": "alice", "uid": "u", "groups": known});
    check(b"token", "", &[token], 200, &owner);
    check(b"token", KUBERNETES, &[token, ("x-remote-user", "root")], 200, &owner);
    check(b"token", "", &[("authorization", "Bearer other")], 401, &nobody);
    check(b"token", "", &[("authorization", "Basic t")], 401, &nobody);
    check(b"token", "", &[token, token], 401, &nobody);
    check(b"token", "", &[], 401, &nobody);
    check(b"token", "", &[token, ("impersonate-user", "bob")], 403, &nobody);
    // So is a certificate that the cluster has signed.
    let credential = json!({"authentication.kubernetes.io/credential-id": ["X509SHA256=00ff"]});
    let certificate = json!({"user": "bob", "groups": ["ops", "system:authenticated"], "extra": credential});
    check(b"client-certificate", "CN=bob,O=ops", &[], 200, &certificate);
    check(b"client-certificate", "CN=bob,O=ops", &[token, ALICE], 200, &certificate);
    let aggregator = json!({"user": "aggregator", "groups": known, "extra": credential});
    check(b"client-certificate", KUBERNETES, &[ALICE], 200, &aggregator);
    check(b"client-certificate", "O=ops", &[], 401, &nobody);
}

#[test]
fn rbac_is_asked_about_everything() {
    let world = world(kube);
    let target = "/apis/aggregation.coder.com/v1alpha1/namespaces/none/coderworkspaces?fieldSelector=metadata.name%3Da.b.c&labelSelector=x%3Dy";
    assert_eq!(world.send(by(b"token", "", "GET", target, &[("authorization", "Bearer t")])).status, 200);
    let scale = "/apis/aggregation.coder.com/v1alpha1/namespaces/none/coderworkspaces/a.b.c/scale";
    assert_eq!(world.send(by(b"token", "", "GET", scale, &[("authorization", "Bearer t")])).status, 404);
    let expect = json!([
        {"namespace": "none", "verb": "list", "group": "aggregation.coder.com", "version": "v1alpha1", "resource": "coderworkspaces",
            "name": "a.b.c", "fieldSelector": {"rawSelector": "metadata.name=a.b.c"}, "labelSelector": {"rawSelector": "x=y"}},
        {"namespace": "none", "verb": "get", "group": "aggregation.coder.com", "version": "v1alpha1", "resource": "coderworkspaces",
            "subresource": "scale", "name": "a.b.c"}
    ]);
    let asked: Vec<Value> =
        reviews(&world).iter_mut().map(|spec| spec["resourceAttributes"].take()).collect();
    assert_eq!(json!(asked), expect);
    // With the token that Envoy adds, and nothing of the caller's but in the question.
    let calls = world.calls.borrow();
    for call in calls.iter() {
        assert_eq!(call.cluster, "kube-filter");
        let names: Vec<&str> = call.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["accept", "content-type"]);
    }
}

#[test]
fn nobody_is_let_in_unless_it_is_said() {
    // What each of kube-apiserver's answers is replaced by, and what the client is told.
    type Spoilt = fn() -> Outcome;
    let check = |what: &'static str, spoilt: Spoilt, code: u16| {
        for (route, subject, headers) in [
            (PROXY, KUBERNETES, [ALICE]),
            (b"token".as_slice(), "", [("authorization", "Bearer t")]),
            (b"client-certificate", "CN=bob", [("accept", "*/*")]),
        ] {
            let world = world(move |call| if call.path.ends_with(what) { spoilt() } else { kube(call) });
            let reply = world.send(by(route, subject, "GET", ONE, &headers));
            let is_asked = world.calls.borrow().iter().any(|call| call.path.ends_with(what));
            assert_eq!(reply.status, if is_asked { code } else { 200 }, "{what} {subject}");
            assert_eq!(world.coder_asked(), !is_asked, "{what} {subject}");
        }
    };
    for what in ["tokenreviews", "subjectaccessreviews", "extension-apiserver-authentication"] {
        check(what, || BROKEN, 503);
        check(what, || Err(Lost::NotSent), 503);
        check(what, || answer(201, &json!({})), 503);
        check(what, || answer(500, &json!({})), 503);
        // The filter's own rights are missing: that is no word about the caller.
        check(what, || answer(401, &json!({"kind": "Status", "code": 401})), 503);
        check(what, || answer(403, &json!({"kind": "Status", "code": 403})), 503);
        check(what, || answer(404, &json!({"kind": "Status", "code": 404})), 503);
        check(what, || answer(429, &json!({"kind": "Status", "code": 429})), 429);
    }
    let denied = || answer(201, &json!({"kind": "SubjectAccessReview", "status": {"allowed": false}}));
    check("subjectaccessreviews", denied, 403);
    let own = || answer(201, &json!({"kind": "SelfSubjectAccessReview", "status": {"allowed": true}}));
    check("subjectaccessreviews", own, 503);
    check("extension-apiserver-authentication", || answer(200, &json!({"data": {}})), 401);
}

#[test]
fn what_is_published_is_read_again() {
    let data = Rc::new(RefCell::new(data()));
    let published = data.clone();
    let mut world = world(move |call| match call.path.ends_with("extension-apiserver-authentication") {
        true => answer(200, &json!({"kind": "ConfigMap", "data": *published.borrow()})),
        false => kube(call),
    });
    let code = |world: &World, user: &str| {
        let headers = [("x-remote-user", "alice"), ("x-other-user", user)];
        world.send(by(PROXY, KUBERNETES, "GET", ONE, &headers)).status
    };
    assert_eq!(code(&world, "bob"), 200);
    let read = |world: &World| world.to("kube").iter().filter(|path| path.contains("configmaps")).count();
    assert_eq!((code(&world, "bob"), read(&world)), (200, 1));
    data.borrow_mut()["requestheader-allowed-names"] = json!("[\"other\"]");
    data.borrow_mut()["requestheader-client-ca-file"] = json!("-----OTHER-----");
    let told = |world: &World| {
        let asked = by(b"authority-request-header", "", "POST", "/v3/discovery:secrets", &[]);
        String::from_utf8(world.send(asked).body).unwrap().contains("-----OTHER-----")
    };
    assert_eq!((told(&world), read(&world)), (false, 1));
    world.now += 5_000;
    assert_eq!((told(&world), code(&world, "bob"), read(&world)), (true, 401, 2));
    data.borrow_mut()["requestheader-allowed-names"] = json!("[]");
    data.borrow_mut()["requestheader-username-headers"] = json!("[\"X-Other-User\"]");
    world.now += 5_000;
    assert_eq!((code(&world, "carol"), read(&world)), (200, 3));
    assert_eq!(reviews(&world).last().unwrap()["user"], "carol");
    // Any name will do, and none.
    for subject in ["O=aggregator", "CN=whoever", ""] {
        let asked = by(PROXY, subject, "GET", ONE, &[("x-other-user", "dave")]);
        assert_eq!(world.send(asked).status, 200, "{subject}");
    }
}

/// Headers of other purposes may hold any bytes.
#[test]
fn what_is_not_text_names_nobody_where_a_user_is_named() {
    for (name, code) in [
        ("x-name", 200),
        ("x-remote-else", 200),
        ("x-remote-user", 401),
        ("x-remote-uid", 401),
        ("x-remote-group", 401),
        ("x-remote-extra-scopes", 401),
    ] {
        let mut all = vec![(":method".to_owned(), b"GET".to_vec()), (":path".to_owned(), ONE.into())];
        all.extend([ALICE].map(|(name, value)| (name.to_owned(), value.into())));
        all.push((name.to_owned(), b"J\xfcrgen".to_vec()));
        let certificate = || Certificate { subject: KUBERNETES.into(), ..Certificate::default() };
        let world = world(kube);
        assert_eq!(world.send(Request::by_route(all, PROXY, certificate)).status, code, "{name}");
        assert_eq!(world.coder_asked(), code == 200, "{name}");
    }
}

#[test]
fn envoy_is_told_who_signs() {
    let world = world(kube);
    let tell = |route: &[u8]| world.send(by(route, "", "POST", "/v3/discovery:secrets", &[]));
    for (route, name, certificates) in [
        (b"authority-client".as_slice(), "authority-client", "-----CLIENT-----"),
        (b"authority-request-header", "authority-request-header", "-----FRONT-----"),
    ] {
        let body: Value = serde_json::from_slice(&tell(route).body).unwrap();
        let kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
        let trusted = json!({"trusted_ca": {"inline_string": certificates}});
        assert_eq!(body["type_url"], kind);
        assert_eq!(body["resources"], json!([{"@type": kind, "name": name, "validation_context": trusted}]));
    }
    // Nobody else may ask, and where nothing is published nothing is told.
    assert_eq!(world.send(by(b"token", "", "POST", "/v3/discovery:secrets", &[])).status, 401);
    let mut empty = self::world(|_| answer(200, &json!({"kind": "ConfigMap", "data": {}})));
    for (seconds, is_said) in [(0, true), (29, false), (1, true)] {
        empty.now += seconds * 1000;
        let reply = empty.send(by(b"authority-client", "", "POST", "/v3/discovery:secrets", &[]));
        assert_eq!((reply.status, reply.body.len()), (304, 0));
        let said = empty.background();
        assert_eq!(said.len(), usize::from(is_said));
        for (said, _) in said {
            let said = String::from_utf8(said.body).unwrap();
            assert!(
                said.contains("cannot be found out: ") && said.contains("has no client-ca-file"),
                "{said}"
            );
        }
    }
}

#[test]
fn what_everybody_is_told() {
    const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let check = |path: &str, accept: &str, content_type: &str, kind: &str| {
        // Nobody is asked for it.
        let world = world(|call| panic!("{call:?}"));
        let headers: &[(&str, &str)] = if accept.is_empty() { &[] } else { &[("accept", accept)] };
        let reply = world.send(by(b"token", "", "GET", path, headers));
        assert_eq!((reply.status, header(&reply, "content-type")), (200, content_type), "{path}");
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        assert_eq!(body["kind"].as_str().unwrap_or_default(), kind, "{path}");
        if let Some((_, tag)) = reply.headers.iter().find(|(name, _)| *name == "etag") {
            let again = [headers, &[("if-none-match", tag.as_str())]].concat();
            let reply = world.send(by(PROXY, KUBERNETES, "GET", path, &again));
            assert_eq!((reply.status, reply.body.len()), (304, 0), "{path}");
        } else {
            assert!(!path.starts_with("/openapi") && path != "/apis", "{path} has no tag");
        }
        let reply = world.send(by(b"token", "", "POST", path, headers));
        refused(&reply, 405, "MethodNotAllowed", "");
    };
    check("/apis", "", "application/json", "APIGroupList");
    check("/apis", V2, V2, "APIGroupDiscoveryList");
    let v2beta1 = &V2.replace("=v2", "=v2beta1");
    check("/apis", v2beta1, v2beta1, "APIGroupDiscoveryList");
    check("/apis", &format!("{V2},application/json"), V2, "APIGroupDiscoveryList");
    check("/apis/aggregation.coder.com", "", "application/json", "APIGroup");
    check("/apis/aggregation.coder.com/v1alpha1", "", "application/json", "APIResourceList");
    check("/apis/aggregation.coder.com/v1alpha1?timeout=32s", "", "application/json", "APIResourceList");
    check("/openapi/v2", "application/json", "application/json", "");
    check("/openapi/v3", "", "application/json", "");
    check("/openapi/v3/apis/aggregation.coder.com/v1alpha1?hash=old", "", "application/json", "");
    for path in ["/healthz", "/livez", "/readyz"] {
        check(path, "", "text/plain", "");
    }
}

#[test]
fn what_is_not_there_is_a_status() {
    let check = |path: &str, known: u16| {
        let world = world(kube);
        refused(&world.send(by(b"token", "", "GET", path, &[])), 401, "Unauthorized", "");
        let reply = world.send(by(b"token", "", "GET", path, &[("authorization", "Bearer t")]));
        assert_eq!(reply.status, known, "{path}");
        let world = self::world(|call| match call.path.ends_with("subjectaccessreviews") {
            true => answer(201, &json!({"kind": "SubjectAccessReview", "status": {"allowed": false}})),
            false => kube(call),
        });
        let reply = world.send(by(b"token", "", "GET", path, &[("authorization", "Bearer t")]));
        refused(&reply, 403, "Forbidden", "User \"alice\" cannot");
        assert!(!world.coder_asked());
    };
    for path in
        ["/", "/version", "/metrics", "/api/v1/namespaces/coder/secrets", "/readyz/x", "/apis/apps/v1"]
    {
        check(path, 404);
    }
    check("/apis/aggregation.coder.com/v1", 404);
    check("/apis/aggregation.coder.com/v1alpha1/namespaces/coder/secrets", 404);
    check(ONE, 200);
}

#[test]
fn a_namespace_that_cannot_be_asked_for_keeps_its_workspaces() {
    let world = world(|call| match call.path.ends_with("/coder") {
        true => answer(403, &json!({"kind": "Status", "code": 403})),
        false => kube(call),
    });
    let all = "/apis/aggregation.coder.com/v1alpha1/namespaces/coder/coderworkspaces";
    for method in ["DELETE", "GET"] {
        let reply = world.send(by(b"token", "", method, all, &[("authorization", "Bearer t")]));
        refused(&reply, 503, "ServiceUnavailable", "cannot be asked whether namespace");
    }
    assert!(!world.coder_asked());
}
