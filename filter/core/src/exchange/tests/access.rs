//! Who gets in, who does not, and what travels on to kube-apiserver.

use super::*;

const ONE: &str = "/namespaces/coder/coderworkspaces/coder.alice.ws0";

fn coder() -> impl Fn(&str, usize) -> Outcome {
    |path, _| match path.ends_with("/parameters") {
        true => answer(200, &json!([])),
        false => answer(200, &workspace("alice", "ws0")),
    }
}

#[test]
fn without_the_right_coder_is_not_called() {
    let world = World::new(coder()).kube(|call| allow(call, false));
    refused(
        &world.get(ONE),
        403,
        "Forbidden",
        r#"coderworkspaces.aggregation.coder.com "coder.alice.ws0" is forbidden: User "alice" cannot get"#,
    );
    refused(&world.get("/coderworkspaces"), 403, "Forbidden", "at the cluster scope");
    refused(&world.get(""), 403, "Forbidden", "cannot get path");
    assert_eq!(world.to("coder"), [""; 0]);
}

#[test]
fn nobody_is_let_in_unless_it_is_said() {
    let check = |review: fn() -> Outcome, code: u16| {
        let world = World::new(coder()).kube(move |call| match call.path.contains("access") {
            true => review(),
            false => allow(call, true),
        });
        assert_eq!(world.get(ONE).status, code);
        assert_eq!(world.to("coder"), [""; 0]);
    };
    check(|| BROKEN, 503);
    check(|| Err(Lost::NotSent), 503);
    check(|| answer(500, &json!({})), 503);
    check(|| answer(302, &json!({"kind": "SelfSubjectAccessReview", "status": {"allowed": true}})), 503);
    check(|| answer(404, &json!({"kind": "Status", "code": 404, "reason": "NotFound"})), 503);
    check(|| answer(404, &json!({})), 503);
    check(|| answer(403, &json!({})), 503);
    check(|| answer(201, &json!({})), 503);
    check(|| answer(201, &json!({"kind": "Other", "status": {"allowed": true}})), 503);
    check(|| answer(201, &json!({"kind": "SelfSubjectAccessReview", "status": {}})), 503);
    check(
        || {
            answer(
                201,
                &json!({"kind": "SelfSubjectAccessReview", "status": {"allowed": true, "denied": true}}),
            )
        },
        403,
    );
    check(|| Ok(Answer { status: 201, headers: vec![], body: b"{\"kind\":\"SelfSubj".to_vec() }), 503);
}

#[test]
fn refusals_to_review_are_passed_on() {
    let said = json!({"kind": "Status", "apiVersion": "v1", "code": 401, "reason": "Unauthorized", "message": "Unauthorized"});
    let world = World::new(coder()).kube(move |_| answer(401, &said));
    refused(&world.get(ONE), 401, "Unauthorized", "Unauthorized");
    let said = json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "users \"x\" is forbidden: cannot impersonate"});
    let world = World::new(coder()).kube(move |_| answer(403, &said));
    refused(&world.get(ONE), 403, "Forbidden", "cannot impersonate");
    // Without credentials even the question is refused: then the answer is about what was asked for.
    let reply = world.send(request("GET", &format!("{API}{ONE}"), &[]));
    refused(&reply, 403, "Forbidden", "User \"system:anonymous\" cannot get resource \"coderworkspaces\"");
}

#[test]
fn decisions_are_believed_for_a_while() {
    let mut world = World::new(coder());
    let asked = |world: &World| world.to("kube").len();
    assert_eq!(world.get(ONE).status, 200);
    assert_eq!(asked(&world), 2);
    world.now += 9_999;
    assert_eq!(world.get(ONE).status, 200);
    assert_eq!(asked(&world), 2);
    // Another caller, another name and a later time are other questions.
    let other = request("GET", &format!("{API}{ONE}"), &[("authorization", "Bearer u")]);
    assert_eq!(world.send(other).status, 200);
    assert_eq!(asked(&world), 4);
    let acting =
        request("GET", &format!("{API}{ONE}"), &[("authorization", "Bearer t"), ("impersonate-user", "bob")]);
    assert_eq!(world.send(acting).status, 200);
    assert_eq!(asked(&world), 6);
    world.now += 2;
    assert_eq!(world.get(ONE).status, 200);
    assert_eq!(asked(&world), 8);
}

#[test]
fn credentials_travel_as_they_came() {
    let world = World::new(coder());
    let headers = [
        ("authorization", "Bearer t"),
        ("impersonate-user", "bob"),
        ("impersonate-group", "a"),
        ("impersonate-group", "b"),
        ("x-remote-user", "root"),
        ("cookie", "c"),
    ];
    world.send(request("GET", &format!("{API}{ONE}"), &headers));
    let calls = world.calls.borrow();
    let sent: Vec<_> = calls[0].headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(sent[2..], headers[..4]);
    // Coder is told who asks, and nothing of how they proved it.
    let coder = calls.iter().find(|call| call.cluster == "coder").unwrap();
    let told: Vec<_> = coder.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let agent = concat!("coder-kube-filter/", env!("CARGO_PKG_VERSION"), " (alice)");
    assert_eq!(told, [("accept", "application/json"), ("user-agent", agent)]);
    assert!(!format!("{calls:?}").contains("Bearer"));
}

#[test]
fn two_authorizations_are_none() {
    let world = World::new(coder());
    let headers = [("authorization", "Bearer t"), ("authorization", "Bearer u")];
    refused(
        &world.send(request("GET", &format!("{API}{ONE}"), &headers)),
        401,
        "Unauthorized",
        "Unauthorized",
    );
    assert!(world.calls.borrow().is_empty());
}

fn certified(path: &str, subject: &str, headers: &[(&str, &str)]) -> Request {
    let mut all = vec![(":method".to_owned(), b"GET".to_vec()), (":path".to_owned(), path.into())];
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
    Request::new(all, Some(Certificate { subject: subject.into(), sha256: b"00ff".to_vec() }))
}

#[test]
fn a_certificate_becomes_a_user() {
    let world = World::new(coder());
    let headers = [
        ("authorization", "Bearer t"),
        ("X-Remote-User", "root"),
        ("x-remote-extra-a", "b"),
        ("x-coder-kube-answered", "1"),
        ("accept", "*/*"),
        ("sec-websocket-protocol", "base64url.bearer.authorization.k8s.io.dA, v5.channel.k8s.io"),
        ("sec-websocket-protocol", "Base64url.bearer.authorization.k8s.io.dQ"),
        ("sec-websocket-protocol", "v4.channel.k8s.io,other"),
    ];
    let Verdict::Forward(forwarded) =
        world.verdict(certified("/api/v1/pods", "CN=alice,O=dev,O=ops", &headers))
    else {
        panic!()
    };
    assert_eq!(
        forwarded.remove,
        [
            "authorization",
            "X-Remote-User",
            "x-remote-extra-a",
            "x-coder-kube-answered",
            "sec-websocket-protocol"
        ]
    );
    let add: Vec<_> = forwarded.add.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let extra = "x-remote-extra-authentication.kubernetes.io%2fcredential-id";
    assert_eq!(
        add,
        [
            ("x-remote-user", "alice"),
            ("x-remote-group", "ops"),
            ("x-remote-group", "dev"),
            (extra, "X509SHA256=00ff"),
            ("sec-websocket-protocol", "v5.channel.k8s.io"),
            ("sec-websocket-protocol", "v4.channel.k8s.io, other"),
        ]
    );

    // On our places the same user is who asks, over the front-proxy certificate and without the token.
    world.send(certified(&format!("{API}{ONE}"), "CN=alice,O=dev", &headers));
    let calls = world.calls.borrow();
    assert_eq!(calls[0].cluster, "kube-front-proxy");
    assert!(calls[0].headers.contains(&("x-remote-user".into(), "alice".into())));
    assert!(!calls[0].headers.iter().any(|(name, _)| name == "authorization"));
}

#[test]
fn a_certificate_that_names_nobody_is_refused() {
    let world = World::new(coder());
    for subject in ["", "O=dev", "CN=", "CN=a,O", "CN=\\zz"] {
        let Verdict::Serve(mut exchange) = world.verdict(certified("/api/v1/pods", subject, &[])) else {
            panic!("{subject}")
        };
        let Step::Reply(reply) = exchange.body(Vec::new(), true, NOW) else { panic!("{subject}") };
        assert_eq!(reply.status, 401, "{subject}");
    }
}

#[test]
fn what_is_not_ours_goes_on_without_what_only_we_may_set() {
    let world = World::new(coder());
    let headers =
        [("authorization", "Bearer t"), ("x-remote-user", "root"), ("x-remote-group", "system:masters")];
    let Verdict::Forward(forwarded) = world.verdict(request("GET", "/api/v1/pods", &headers)) else {
        panic!()
    };
    assert_eq!(forwarded.remove, ["x-remote-user", "x-remote-group"]);
    assert!(forwarded.add.is_empty());
}

#[test]
fn paths_that_lead_elsewhere_lead_nowhere() {
    let world = World::new(coder());
    for path in [
        "/namespaces/coder/coderworkspaces/..",
        "/namespaces/coder/coderworkspaces/%2e%2e",
        "/namespaces/coder/coderworkspaces/a%2Fb",
        "//namespaces/coder/coderworkspaces",
        "/namespaces/coder/coderworkspaces/a%00",
        "/namespaces/coder/secrets",
        "/namespaces/coder/coderworkspaces/a/b/c",
    ] {
        let reply = world.get(path);
        assert_eq!(reply.status, 404, "{path}");
    }
    assert_eq!(world.to("coder"), [""; 0]);
}

#[test]
fn too_much_work_at_once_is_refused() {
    let world = World::with("", r#"{"concurrentRequests":2}"#, coder());
    let request = || request("GET", "/apis/aggregation.coder.com", &[]);
    let Verdict::Serve(mut exchange) = world.filter.receive(request(), NOW, 2) else { panic!() };
    let Step::Reply(reply) = exchange.body(Vec::new(), true, NOW) else { panic!() };
    refused(&reply, 429, "TooManyRequests", "too many requests");
}

#[test]
fn tokens_are_checked_at_start() {
    let check = |answered: fn() -> Outcome, code: u16, said: &str| {
        let mut exchange = World::new(|_, _| BROKEN).filter.check_credentials(NOW);
        let Step::Call(calls) = exchange.advance() else { panic!() };
        assert_eq!(calls[0].1.path, "/api/v2/authcheck");
        let Step::Reply(reply) = exchange.resume(calls[0].0, answered(), NOW) else { panic!() };
        assert_eq!((reply.status, String::from_utf8(reply.body).unwrap().as_str()), (code, said));
    };
    check(
        || answer(200, &json!({"workspaces": true, "templates": true, "jobs": true})),
        200,
        "Coder of namespace \"coder\" accepts its token, which may read and change everything",
    );
    check(
        || answer(200, &json!({"workspaces": false, "templates": true, "jobs": false})),
        403,
        "Coder of namespace \"coder\" does not let its token read and change all workspaces, provisioner jobs: it should be an Owner's",
    );
    check(
        || answer(401, &json!({"message": "no"})),
        403,
        "Coder of namespace \"coder\" does not accept its token",
    );
    check(|| BROKEN, 503, "Coder of namespace \"coder\" could not be asked what its token allows");
    check(
        || answer(200, &json!([])),
        503,
        "Coder of namespace \"coder\" gave no answer of use to the check of its token",
    );
}
