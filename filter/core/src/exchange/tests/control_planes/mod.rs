//! Coders that are discovered: which objects count, what is said where they cannot be used, how they are called, and how
//! those that are down harm nobody else. [`changes`] has what becomes of them later.

mod changes;

use super::*;
use std::cell::Cell;

/// The cluster: objects, Secrets, and whether it says anything at all of them.
#[derive(Clone, Default)]
struct Cluster(Rc<State>);

#[derive(Default)]
struct State {
    objects: RefCell<Vec<Value>>,
    /// Secrets by `namespace/name`, each with its key and value.
    secrets: RefCell<Vec<(&'static str, &'static str, Vec<u8>)>>,
    /// The answer to whoever lists the objects; 0 is the list.
    refuses: Cell<u16>,
    /// The same for Secrets.
    refuses_secrets: Cell<u16>,
    /// Tokens that every Coder accepts.
    accepted: RefCell<Vec<&'static str>>,
    /// Hosts that are down.
    down: RefCell<Vec<&'static str>>,
}

impl Cluster {
    fn object(self, namespace: &str, name: &str, status: Value) -> Self {
        self.put(namespace, name, &json!({}), status);
        self
    }

    fn put(&self, namespace: &str, name: &str, spec: &Value, status: Value) {
        let metadata =
            json!({"namespace": namespace, "name": name, "uid": format!("uid-{namespace}-{name}")});
        let mut objects = self.0.objects.borrow_mut();
        objects.retain(|object| object["metadata"] != metadata);
        objects.push(json!({"metadata": metadata, "spec": spec, "status": status}));
    }

    fn secret(self, secret: &'static str, key: &'static str, value: &[u8]) -> Self {
        self.rotate(secret, key, value);
        self
    }

    fn rotate(&self, secret: &'static str, key: &'static str, value: &[u8]) {
        let mut secrets = self.0.secrets.borrow_mut();
        secrets.retain(|(known, ..)| *known != secret);
        secrets.push((secret, key, value.to_vec()));
    }

    fn accepts(self, tokens: &[&'static str]) -> Self {
        self.0.accepted.replace(tokens.to_vec());
        self
    }

    /// A filter in front of it, with a Coder of its own behind namespace `fixed`.
    fn world(&self) -> World {
        let config = r#"{"mode":"front","kubernetes":{"cluster":"kube"},
            "controlPlanes":[{"namespace":"fixed","cluster":"coder","authority":"coder","dashboardURL":"https://coder.example.com"}],
            "discovery":{"cluster":"kube-filter","egress":"coder-egress"}}"#;
        let (state, of_kube) = (self.0.clone(), self.0.clone());
        World::configured(config, move |call, _| state.coder(call)).kube(move |call| match &*call.cluster {
            "kube-filter" => of_kube.kube(call),
            _ => allow(call, true),
        })
    }
}

impl State {
    fn kube(&self, call: &Call) -> Outcome {
        if call.path == "/apis/coder.com/v1alpha1/codercontrolplanes" {
            return match self.refuses.get() {
                0 => answer(200, &json!({"kind": "CoderControlPlaneList", "items": *self.objects.borrow()})),
                code => answer(code, &json!({"kind": "Status"})),
            };
        }
        if let Some(of) = call.path.strip_prefix("/apis/coder.com/v1alpha1/namespaces/") {
            let is_it = |object: &&Value| {
                let text = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
                of == [text("namespace"), text("name")].join("/codercontrolplanes/")
            };
            return match self.objects.borrow().iter().find(is_it) {
                Some(object) => answer(200, object),
                None => answer(404, &json!({"kind": "Status"})),
            };
        }
        if self.refuses_secrets.get() != 0 {
            return answer(self.refuses_secrets.get(), &json!({"kind": "Status"}));
        }
        let path = call.path.strip_prefix("/api/v1/namespaces/").unwrap();
        let secrets = self.secrets.borrow();
        match secrets.iter().find(|(name, ..)| name.replace('/', "/secrets/") == path) {
            Some((_, key, value)) => answer(200, &json!({"kind": "Secret", "data": {*key: base64(value)}})),
            None => answer(404, &json!({"kind": "Status"})),
        }
    }

    fn coder(&self, call: &Call) -> Outcome {
        if self.down.borrow().contains(&&*call.authority) {
            return answer(503, &json!("no healthy upstream"));
        }
        let token = header(call, "Coder-Session-Token");
        if call.cluster == "coder-egress" && !self.accepted.borrow().iter().any(|known| token == Some(known))
        {
            return answer(401, &json!({"message": "API key is invalid."}));
        }
        if call.method == "DELETE" {
            return answer(200, &json!({"message": "Template has been deleted!"}));
        }
        let path = call.path.split("/api/v2/").nth(1).unwrap();
        match path.split(['?', '/']).next().unwrap() {
            "workspaces" => {
                let owner = call.authority.split(['.', ':']).next().unwrap().to_owned();
                answer(200, &json!({"count": 1, "workspaces": [workspace(&owner, "w")]}))
            }
            "organizations" => answer(200, &recorded().1[0]),
            "templates" => answer(200, &json!([])),
            "authcheck" => answer(200, &json!({"workspaces": true, "templates": true, "jobs": false})),
            _ => answer(404, &json!({"message": "Resource not found"})),
        }
    }
}

fn header<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

#[allow(clippy::arithmetic_side_effects, reason = "a test may fail loudly")]
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let held =
            chunk.iter().fold(0_u32, |held, byte| held << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[(held >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

/// What makes an object eligible.
fn ready(url: &str) -> Value {
    json!({"url": url, "operatorAccessReady": true, "operatorTokenSecretRef": {"name": "operator-token"}})
}

fn one() -> Cluster {
    Cluster::default()
        .object("dev", "coder", ready("http://dev.svc:8080/base/"))
        .secret("dev/operator-token", "token", b"t-1\n")
        .accepts(&["t-1"])
}

fn names(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", body(reply));
    let body = body(reply);
    let name = |item: &Value| {
        let text = |field: &str| item["metadata"][field].as_str().unwrap().to_owned();
        [text("namespace"), text("name")].join("/")
    };
    body["items"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn one_is_found_and_called() {
    let world = one().world();
    let reply = world.get("/namespaces/dev/coderworkspaces");
    assert_eq!(names(&reply), ["dev/coder.dev.w"]);
    let calls = world.calls.borrow();
    let call = calls.iter().find(|call| call.cluster == "coder-egress").unwrap();
    assert_eq!(call.authority, "dev.svc:8080");
    assert!(call.path.starts_with("/base/api/v2/workspaces?"), "{}", call.path);
    assert_eq!(header(call, "x-coder-kube-egress"), Some("http"));
    assert_eq!(header(call, "Coder-Session-Token"), Some("t-1"));
    assert!(!format!("{call:?}").contains("t-1"));
    assert_eq!(body(&reply)["items"][0]["status"]["url"], "http://dev.svc:8080/base/@dev/w");
    assert!(
        calls
            .iter()
            .filter(|call| call.cluster != "coder-egress")
            .all(|call| { header(call, "Coder-Session-Token").is_none() })
    );
}

#[test]
fn which_objects_count() {
    let check = |name: &str, spec: Value, status: Value, counts: bool| {
        let cluster = one();
        cluster.0.objects.borrow_mut().clear();
        cluster.put("dev", name, &spec, status.clone());
        let world = cluster.world();
        let reply = world.get("/namespaces/dev/coderworkspaces");
        assert_eq!(names(&reply).len(), usize::from(counts), "{name} {spec} {status}");
        let created = world.write("POST", "/namespaces/dev/coderworkspaces", "application/json", &json!({}));
        assert_eq!(created.status == 403, !counts, "{}", body(&created));
    };
    let good = ready("http://dev.svc");
    check("coder", json!({}), good.clone(), true);
    check("coder", json!({"operatorAccess": {}}), good.clone(), true);
    check("coder", json!({"operatorAccess": {"disabled": false}}), good.clone(), true);
    check("coder", json!({"operatorAccess": {"disabled": true}}), good.clone(), false);
    check("my.coder", json!({}), good.clone(), false);
    let mut secret = good.clone();
    secret["operatorTokenSecretRef"]["key"] = "token".into();
    check("coder", json!({}), secret, true);
    for field in ["url", "operatorAccessReady", "operatorTokenSecretRef"] {
        let mut status = good.clone();
        status.as_object_mut().unwrap().remove(field);
        check("coder", json!({}), status, false);
    }
}

#[test]
fn what_cannot_be_used_says_why() {
    let check = |cluster: Cluster, code: u16, reason: &str, message: &str| {
        let world = cluster.world();
        for path in
            ["/namespaces/dev/coderworkspaces", "/namespaces/dev/codertemplates/coder.x", "/coderworkspaces"]
        {
            refused(&world.get(path), code, reason, message);
        }
        let created = world.write("POST", "/namespaces/dev/coderworkspaces", "application/json", &json!({}));
        refused(&created, code, reason, message);
        assert_eq!(names(&world.get("/namespaces/fixed/coderworkspaces")), ["fixed/coder.coder.w"]);
        assert!(names(&world.get("/namespaces/other/coderworkspaces")).is_empty());
        assert!(world.to("coder-egress").is_empty());
    };
    let unavailable = |cluster: Cluster, message: &str| check(cluster, 503, "ServiceUnavailable", message);
    let two = one().object("dev", "another", ready("http://other.svc"));
    check(
        two,
        400,
        "BadRequest",
        "2 CoderControlPlane objects that could be served, and there may be one: another, coder",
    );
    let without = |key, value: &[u8]| one().secret("dev/operator-token", key, value);
    unavailable(without("other", b"t-1"), "Secret \"dev/operator-token\" has no key \"token\"");
    unavailable(without("token", b""), "holds no token");
    unavailable(without("token", b" \n"), "holds no token");
    unavailable(without("token", b"a\r\nx: y"), "holds no token");
    let gone = one();
    gone.0.secrets.borrow_mut().clear();
    unavailable(gone, "Secret \"dev/operator-token\" does not exist");
    let unreadable = one();
    unreadable.0.refuses_secrets.set(403);
    unavailable(unreadable, "may not be read");
    unavailable(one().object("dev", "coder", ready("ftp://dev.svc")), "status.url is not");
}

#[test]
fn never_absent_because_kube_apiserver_does_not_say() {
    let cluster = one();
    cluster.0.refuses.set(500);
    let world = cluster.world();
    for path in [
        "/namespaces/other/coderworkspaces/coder.a.w",
        "/namespaces/other/coderworkspaces",
        "/coderworkspaces",
    ] {
        refused(&world.get(path), 503, "ServiceUnavailable", "which CoderControlPlane objects there are");
    }
    assert_eq!(names(&world.get("/namespaces/fixed/coderworkspaces")).len(), 1);
    // Nobody has installed the kind.
    cluster.0.refuses.set(404);
    assert!(names(&world.get("/namespaces/other/coderworkspaces")).is_empty());
    refused(&world.get("/namespaces/other/coderworkspaces/coder.a.w"), 404, "NotFound", "not found");
    // What is known holds while nothing more is said; of what is not known nothing is said.
    cluster.0.refuses.set(0);
    assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")).len(), 1);
    cluster.0.refuses.set(503);
    assert_eq!(names(&world.get("/namespaces/dev/coderworkspaces")).len(), 1);
    assert_eq!(names(&world.get("/coderworkspaces")).len(), 2);
    assert!(names(&world.get("/namespaces/other/coderworkspaces")).is_empty());
    refused(
        &world.get("/namespaces/other/coderworkspaces/coder.a.w"),
        503,
        "ServiceUnavailable",
        "kube-apiserver",
    );
}

#[test]
fn one_that_cannot_be_used_does_not_hold_up_its_namespaces_deletion() {
    let cluster = one();
    cluster.0.secrets.borrow_mut().clear();
    let state = cluster.0.clone();
    let world =
        cluster.world().kube(move |call| match (&*call.cluster, call.path.contains("/namespaces/dev")) {
            ("kube-filter", _) => state.kube(call),
            (_, true) => answer(
                200,
                &json!({"metadata": {"name": "dev", "deletionTimestamp": "2026-11-21T10:00:00Z"}}),
            ),
            _ => allow(call, true),
        });
    for resource in ["coderworkspaces", "codertemplates"] {
        let path = format!("/namespaces/dev/{resource}");
        assert_eq!(world.write("DELETE", &path, "application/json", &json!({})).status, 200);
        assert!(names(&world.get(&path)).is_empty());
        refused(&world.get(&format!("{path}/coder.a.b")), 503, "ServiceUnavailable", "does not exist");
    }
}

#[test]
fn a_fixed_one_wins() {
    let world = one()
        .object("fixed", "coder", ready("http://wrong.svc"))
        .object("fixed", "second", ready("http://wrong.svc"))
        .world();
    assert_eq!(names(&world.get("/coderworkspaces")), ["dev/coder.dev.w", "fixed/coder.coder.w"]);
    assert!(!world.to("kube-filter").iter().any(|path| path.contains("namespaces/fixed")));
}

#[test]
fn what_their_tokens_allow_is_said_once() {
    let cluster = one();
    let mut world = cluster.world();
    let fixed = world.check();
    assert_eq!(String::from_utf8_lossy(&fixed.body).lines().count(), 1, "the fixed one alone");
    let said = world.keep();
    let [(reply, _)] = said.as_slice() else { panic!("{said:?}") };
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 403, "{text}");
    assert!(text.contains("\"dev\" does not let its token read and change all provisioner jobs"), "{text}");
    world.now += 40_000;
    world.calls.borrow_mut().clear();
    world.keep();
    assert!(world.to("coder-egress").is_empty());
}

#[test]
fn one_that_is_down_harms_its_own_namespace_and_lists_of_all() {
    let cluster = one().object("prod", "coder", ready("https://prod.svc")).secret(
        "prod/operator-token",
        "token",
        b"t-1",
    );
    let world = cluster.world();
    let all = ["dev/coder.dev.w", "fixed/coder.coder.w", "prod/coder.prod.w"];
    assert_eq!(names(&world.get("/coderworkspaces")), all);
    cluster.0.down.borrow_mut().push("prod.svc");
    for resource in ["coderworkspaces", "codertemplates"] {
        refused(&world.get(&format!("/{resource}")), 503, "ServiceUnavailable", "namespace \"prod\"");
        refused(
            &world.get(&format!("/namespaces/prod/{resource}")),
            503,
            "ServiceUnavailable",
            "namespace \"prod\"",
        );
        for namespace in ["dev", "fixed", "other"] {
            assert_eq!(world.get(&format!("/namespaces/{namespace}/{resource}")).status, 200);
        }
    }
    cluster.0.down.borrow_mut().clear();
    assert_eq!(names(&world.get("/coderworkspaces")), all);
}
