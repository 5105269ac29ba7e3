//! Who may do what: the cluster decides, in its own words, and Coder is not asked before it has. These tests count Coder's
//! calls, so each holds the lab alone.

use e2e::{
    GROUP_VERSION, Lab, Request, Role,
    check::{no_secrets, status, user_info, who_am_i},
    envoy::{eventually, kubernetes_calls, without_coder_call},
    seed::{WS0, WS1},
};
use std::time::Duration;

/// What a client may ask of us, and what the refusal says of it.
fn questions(lab: &Lab) -> Vec<(String, String)> {
    let place = format!("in API group \"aggregation.coder.com\" in the namespace \"{}\"", lab.namespace);
    let everywhere = "in API group \"aggregation.coder.com\" at the cluster scope";
    let ws = "coderworkspaces.aggregation.coder.com";
    let tpl = "codertemplates.aggregation.coder.com";
    vec![
        (
            lab.path("coderworkspaces"),
            format!("{ws} is forbidden: User \"alice\" cannot list resource \"coderworkspaces\" {place}"),
        ),
        (
            format!("{GROUP_VERSION}/coderworkspaces"),
            format!(
                "{ws} is forbidden: User \"alice\" cannot list resource \"coderworkspaces\" {everywhere}"
            ),
        ),
        (
            format!("{GROUP_VERSION}/codertemplates?limit=500"),
            format!(
                "{tpl} is forbidden: User \"alice\" cannot list resource \"codertemplates\" {everywhere}"
            ),
        ),
        (
            lab.path(&format!("coderworkspaces/{WS0}")),
            format!(
                "{ws} \"{WS0}\" is forbidden: User \"alice\" cannot get resource \"coderworkspaces\" {place}"
            ),
        ),
        (
            lab.path("codertemplates/coder.plain"),
            format!(
                "{tpl} \"coder.plain\" is forbidden: User \"alice\" cannot get resource \"codertemplates\" {place}"
            ),
        ),
        (
            lab.path("coderworkspaces/coder.nobody.nothing"),
            format!(
                "{ws} \"coder.nobody.nothing\" is forbidden: User \"alice\" cannot get resource \"coderworkspaces\" {place}"
            ),
        ),
        (
            lab.path(&format!("coderworkspaces/{WS0}/log")),
            format!(
                "{ws} \"{WS0}\" is forbidden: User \"alice\" cannot get resource \"coderworkspaces/log\" {place}"
            ),
        ),
    ]
}

#[test]
fn a_user_without_rights_is_refused_in_kubernetes_words() {
    let Some(lab) = Lab::exclusive() else { return };
    for (target, message) in questions(&lab) {
        // Twice: the decision may come from the cache.
        for _ in 0..2 {
            let response = without_coder_call(&lab, &target, || lab.front_user().get(&target));
            let answer = status(&response, 403, "Forbidden");
            assert_eq!(answer["message"], message);
            assert_eq!(answer["details"]["group"], "aggregation.coder.com");
            no_secrets(&lab, &response.text());
        }
    }
}

#[test]
fn a_body_changes_nothing_about_a_refusal() {
    let Some(lab) = Lab::exclusive() else { return };
    let target = lab.path("coderworkspaces");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        for size in [2, 3_000_000] {
            let request = Request::new(method, &target).body("application/json", vec![b'0'; size]);
            for endpoint in [lab.front_user(), lab.front_anonymous()] {
                let response = without_coder_call(&lab, method, || endpoint.send(&request));
                assert!([401, 403, 405].contains(&response.status()), "{method}: {}", response.excerpt());
                assert_eq!(response.json()["kind"], "Status", "{method}");
            }
        }
    }
}

#[test]
fn kubernetes_itself_would_say_the_same() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.is_real("words of the real kube-apiserver") {
        return;
    }
    for (target, _) in questions(&lab) {
        let (ours, theirs) = (lab.front_user().get(&target), lab.direct_user().get(&target));
        assert_eq!((ours.status(), ours.json()), (theirs.status(), theirs.json()), "{target}");
    }
}

#[test]
fn whoever_is_not_authenticated_gets_what_kubernetes_says() {
    let Some(lab) = Lab::exclusive() else { return };
    let target = lab.path("coderworkspaces");
    for credentials in ["Bearer nonsense", "Bearer ", "Basic YWRtaW46YWRtaW4=", "Nonsense"] {
        let request = Request::get(&target).header("Authorization", credentials);
        let response = without_coder_call(&lab, credentials, || lab.front_anonymous().send(&request));
        let direct = lab.direct_anonymous().send(&request);
        assert_eq!(response.status(), direct.status(), "{credentials}: {}", response.excerpt());
        if direct.status() == 401 {
            assert_eq!(response.json(), direct.json());
        }
    }
    let response = without_coder_call(&lab, "no credentials", || lab.front_anonymous().get(&target));
    assert!([401, 403].contains(&response.status()), "{}", response.excerpt());
    assert_eq!(response.json()["kind"], "Status");
}

#[test]
fn a_bad_token_is_unauthorized() {
    let Some(lab) = Lab::exclusive() else { return };
    let request = Request::get(&lab.path("coderworkspaces")).header("Authorization", "Bearer nonsense");
    let answer = status(&lab.front_anonymous().send(&request), 401, "Unauthorized");
    assert_eq!(answer["message"], "Unauthorized");
}

#[test]
fn a_second_authorization_is_refused() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.front_only("kube-apiserver itself reads what clients send") {
        return;
    }
    let bearer = |token: &str| format!("Bearer {token}");
    let (admin, user) = (bearer(&lab.admin_token), bearer(&lab.user_token));
    for (first, second) in [(&admin, &user), (&user, &admin), (&admin, &admin), (&user, &user)] {
        for target in [lab.path("coderworkspaces"), lab.path(&format!("coderworkspaces/{WS0}/log"))] {
            let request =
                Request::get(&target).header("Authorization", first).header("authorization", second);
            let response =
                without_coder_call(&lab, "two Authorization", || lab.front_anonymous().send(&request));
            assert!([400, 401].contains(&response.status()), "{}: {}", response.status(), response.excerpt());
        }
    }
    let comma =
        Request::get(&lab.path("coderworkspaces")).header("Authorization", &format!("{user}, {admin}"));
    let response = without_coder_call(&lab, "joined", || lab.front_anonymous().send(&comma));
    assert!([400, 401].contains(&response.status()), "{}", response.excerpt());
}

/// Headers that a client must not be able to speak through, in several spellings.
fn forged(lab: &Lab) -> Vec<Vec<(&'static str, String)>> {
    let user = |name: &'static str| {
        vec![(name, "admin".to_owned()), ("X-Remote-Group", "system:masters".to_owned())]
    };
    let subject = "Subject=\"O=system:masters,CN=admin\";Hash=00";
    vec![
        user("X-Remote-User"),
        user("x-remote-user"),
        user("X-REMOTE-USER"),
        user("X_Remote_User"),
        vec![
            ("X-Remote-Uid", "0".into()),
            ("X-Remote-User", "admin".into()),
            ("X-Remote-Extra-Scopes", "all".into()),
        ],
        vec![("Impersonate-Group", "system:masters".into())],
        vec![("X-Forwarded-Client-Cert", subject.into())],
        vec![
            ("X-Coder-Kube-Answered", "1".into()),
            ("X-Coder-Kube-User", "admin".into()),
            ("X-Coder-Kube-Decision", "allow".into()),
        ],
        vec![("X-Envoy-Original-Path", "/api".into()), ("X-Envoy-Internal", "true".into())],
        vec![("X-Envoy-Upstream-Rq-Timeout-Ms", "1".into()), ("X-Envoy-Decorator-Operation", "x".into())],
        vec![
            ("X-Forwarded-For", "127.0.0.1".into()),
            ("X-Real-Ip", "127.0.0.1".into()),
            ("Forwarded", "for=127.0.0.1".into()),
        ],
        vec![
            ("X-Http-Method-Override", "OPTIONS".into()),
            ("X-Original-Url", "/version".into()),
            ("X-Rewrite-Url", "/version".into()),
        ],
        vec![("Coder-Session-Token", lab.coder_token.clone())],
        vec![("Cookie", format!("coder_session_token={}", lab.coder_token))],
        vec![("X-Cluster", "coder".into()), ("X-Internal-Carrier", "net".into())],
        vec![("Connection", "X-Remote-User, Authorization".into()), ("X-Remote-User", "admin".into())],
    ]
}

#[test]
fn forged_headers_give_no_rights_with_us() {
    let Some(lab) = Lab::exclusive() else { return };
    for headers in forged(&lab) {
        for target in [lab.path("coderworkspaces"), format!("{GROUP_VERSION}/codertemplates")] {
            let with = |mut request: Request| {
                for (name, value) in &headers {
                    request = request.header(name, value);
                }
                request
            };
            for endpoint in [lab.front_user(), lab.front_anonymous()] {
                let response = without_coder_call(&lab, &format!("{headers:?}"), || {
                    endpoint.send(&with(Request::get(&target)))
                });
                assert!(
                    [400, 401, 403].contains(&response.status()),
                    "{headers:?}: {} {}",
                    response.status(),
                    response.excerpt()
                );
            }
        }
    }
}

#[test]
fn forged_headers_give_no_rights_with_kubernetes() {
    let Some(lab) = Lab::exclusive() else { return };
    let plain = user_info(&lab.front_user().send(&who_am_i(&[])));
    assert_eq!(plain["username"], "alice");
    for headers in forged(&lab) {
        let response = lab.front_user().send(&who_am_i(&headers));
        if response.status() == 201 {
            assert_eq!(user_info(&response)["username"], "alice", "{headers:?}");
        } else {
            assert!([400, 401, 403].contains(&response.status()), "{headers:?}: {}", response.excerpt());
        }
    }
    // With a certificate the filter itself sets these headers: what the client sends must not add to them.
    let certified = user_info(&lab.front_cert().send(&who_am_i(&[])));
    for headers in
        forged(&lab).into_iter().filter(|h| h.iter().all(|(name, _)| !name.starts_with("Impersonate")))
    {
        let response = lab.front_cert().send(&who_am_i(&headers));
        assert_eq!(user_info(&response)["username"], certified["username"], "{headers:?}");
        assert_eq!(user_info(&response)["groups"], certified["groups"], "{headers:?}");
    }
}

#[test]
fn impersonation_is_the_clusters_to_allow() {
    let Some(lab) = Lab::exclusive() else { return };
    let target = lab.path("coderworkspaces");
    let list = |headers: &[(&str, &str)]| {
        headers.iter().fold(Request::get(&target), |r, (name, value)| r.header(name, value))
    };
    for admin in [lab.front(), lab.front_cert()] {
        let denied = without_coder_call(&lab, "as nobody", || {
            admin.send(&list(&[("Impersonate-User", "e2e-nobody")]))
        });
        let answer = status(&denied, 403, "Forbidden");
        assert!(
            answer["message"]
                .as_str()
                .unwrap()
                .contains("User \"e2e-nobody\" cannot list resource \"coderworkspaces\""),
            "{answer}"
        );
        let masters = list(&[
            ("Impersonate-User", "e2e-nobody"),
            ("Impersonate-Group", "e2e"),
            ("impersonate-group", "system:masters"),
        ]);
        assert_eq!(admin.send(&masters).status(), 200, "every Impersonate-Group counts");
    }
    let denied = without_coder_call(&lab, "alice as admin", || {
        lab.front_user().send(&list(&[("Impersonate-User", "admin")]))
    });
    let answer = status(&denied, 403, "Forbidden");
    // The words differ between versions of Kubernetes; the verb may be one for a narrower right to impersonate.
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("User \"alice\" cannot impersonate"), "{message}");
    let user = format!("--as=e2e-nobody get cws -n {}", lab.namespace);
    assert!(lab.kubectl().run(&user).fails().contains("User \"e2e-nobody\" cannot list resource"));
    lab.kubectl().run(&format!("{user} --as-group=system:masters")).ok();
}

#[test]
fn a_decision_is_cached_and_bounded_in_time() {
    let Some(lab) = Lab::exclusive() else { return };
    let target = lab.path(&format!("coderworkspaces/{WS0}"));
    // Each of Envoy's workers has a cache of its own: fill them all.
    for _ in 0..20 {
        assert_eq!(lab.front().get(&target).status(), 200);
    }
    let before = kubernetes_calls(&lab);
    for _ in 0..20 {
        assert_eq!(lab.front().get(&target).status(), 200);
    }
    let asked = kubernetes_calls(&lab) - before;
    assert!(asked <= 4, "{asked} calls to kube-apiserver for 20 requests that had been decided before");
}

#[test]
fn what_one_may_do_another_may_not_though_it_was_just_allowed() {
    let Some(lab) = Lab::exclusive() else { return };
    let target = lab.path("coderworkspaces");
    for _ in 0..4 {
        assert_eq!(lab.front().get(&target).status(), 200);
        assert_eq!(lab.front_user().get(&target).status(), 403);
        let somebody = Request::get(&target).header("Impersonate-User", "e2e-somebody");
        assert_eq!(lab.front().send(&somebody).status(), 403);
    }
}

/// The code of a request as the role's user.
fn get(role: &Role<'_>, lab: &Lab, rest: &str) -> u16 {
    role.acting(lab.front()).get(&lab.path(rest)).status()
}

#[test]
fn a_role_opens_exactly_what_it_names() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.is_real("roles") {
        return;
    }
    let role = Role::new(&lab, "one", &["get", "list"], &[WS0]);
    eventually("the role takes effect", Duration::from_secs(15), || {
        (get(&role, &lab, &format!("coderworkspaces/{WS0}")) == 200).then_some(())
    });
    assert_eq!(get(&role, &lab, &format!("coderworkspaces/{WS1}")), 403);
    assert_eq!(get(&role, &lab, &format!("coderworkspaces/{WS0}/log")), 403);
    assert_eq!(get(&role, &lab, "coderworkspaces"), 403);
    assert_eq!(get(&role, &lab, "codertemplates"), 403);
    assert_eq!(get(&role, &lab, &format!("coderworkspaces?fieldSelector=metadata.name%3D{WS0}")), 200);
    assert_eq!(get(&role, &lab, &format!("coderworkspaces?fieldSelector=metadata.name%3D{WS1}")), 403);
}

#[test]
fn a_right_that_is_withdrawn_ends_within_seconds() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.is_real("roles") {
        return;
    }
    let role = Role::new(&lab, "withdrawn", &["list"], &[]);
    eventually("the role takes effect", Duration::from_secs(15), || {
        (get(&role, &lab, "coderworkspaces") == 200).then_some(())
    });
    role.withdraw();
    eventually("the decision is forgotten", Duration::from_secs(15), || {
        (get(&role, &lab, "coderworkspaces") == 403).then_some(())
    });
    // Workers decide on their own; after the cache's lifetime of 10 s none of them may still say yes.
    std::thread::sleep(Duration::from_secs(13));
    without_coder_call(&lab, "a right that is withdrawn", || {
        assert!((0..20).all(|_| get(&role, &lab, "coderworkspaces") == 403));
    });
}

#[test]
fn nobody_reaches_coder_itself() {
    let Some(lab) = Lab::exclusive() else { return };
    for host in ["coder", "coder.coder.svc.cluster.local", &lab.coder().authority()] {
        for target in ["/api/v2/users", "/api/v2/workspaces", "/standin/requests"] {
            let request = Request::get(target).header("Host", host);
            let response = without_coder_call(&lab, target, || lab.front().send(&request));
            assert_eq!(response.status(), 404, "{host} {target}: {}", response.excerpt());
        }
    }
}
